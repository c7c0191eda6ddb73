"""The pages for screen readers, keyboards and weak eyes, in both languages and themes, on phones and desktops."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from chatkeep.web.console import SECTIONS
from tests.support.running_service import Person, RunningService
from tests.web.browser import PHONE, Tab, browsing
from tests.web.models import TaughtModel

CHECK = Path(__file__).with_name("accessibility.js").read_text(encoding="utf-8").partition("\n")[2]
DESKTOP = {"width": 1200, "height": 800}
# Not of what turns for ever.
END_ANIMATIONS = "for (const it of document.getAnimations()) if (it.effect.getTiming().iterations < 9) it.finish()"
REPLY = """# Tea

Some **words** and a [link](https://example.org).

## Code

```python
def brew(grams: int) -> str:  # one minute
    return f"tea of {grams} g" if grams > 3 else None
```

| a | b |
|---|--:|
| 1 | 2 |

> quoted

1. one
2. two
"""
LOOKS = [("en-GB", "light", DESKTOP), ("ja-JP", "dark", PHONE), ("en-GB", "dark", DESKTOP), ("ja-JP", "light", PHONE)]


async def assert_accessible(tab: Tab) -> None:
    await expect(tab.get("main:visible")).to_have_count(1)  # scripts show some of the pages, soon after they are loaded
    await tab.page.evaluate(END_ANIMATIONS)
    assert await tab.page.evaluate(CHECK) == []


@pytest.mark.parametrize(("locale", "scheme", "viewport"), LOOKS)
async def test_every_view_is_accessible(
    browser: Browser,
    service: RunningService,
    person: Person,
    model: TaughtModel,
    locale: str,
    scheme: str,
    viewport: dict[str, int],
) -> None:
    model.teach("show", REPLY)
    look = {"locale": locale, "color_scheme": scheme, "viewport": viewport, "reduced_motion": "reduce"}
    async with browsing(browser, service, None, **look) as tab:
        await tab.open()
        await assert_accessible(tab)
    conversation_id = await person.conversation(title="Tea" * 60)
    await person.say(conversation_id, "show")
    await person.say(conversation_id, "w" * 400)
    async with browsing(browser, service, person, **look) as tab:
        await tab.open()
        await assert_accessible(tab)
        await tab.open(f"/c/{conversation_id}")
        await expect(tab.get(".turn")).to_have_count(2)
        await assert_accessible(tab)
        await tab.get("#settings").click()
        await expect(tab.get("dialog")).to_be_visible()
        await assert_accessible(tab)
        await tab.page.keyboard.press("Escape")
        await tab.get("#more").click()
        await assert_accessible(tab)
        await tab.get("[role=menuitem]").last.click()
        await expect(tab.get(".toast")).to_be_visible()
        await assert_accessible(tab)
        if viewport == PHONE:
            await tab.get("#open-sidebar").click()
            await tab.page.wait_for_function("document.getElementById('sidebar').getBoundingClientRect().left === 0")
            await assert_accessible(tab)
        await tab.open("/account")
        await expect(tab.get("#sessions strong")).to_have_count(1)
        await assert_accessible(tab)


@pytest.mark.parametrize(("locale", "scheme", "viewport"), LOOKS[:2])
async def test_every_view_of_the_console_is_accessible(
    browser: Browser,
    service: RunningService,
    person: Person,
    model: TaughtModel,
    locale: str,
    scheme: str,
    viewport: dict[str, int],
) -> None:
    model.teach("show", REPLY)
    conversation_id = await person.conversation(title="Tea")
    turn = await person.say(conversation_id, "show")
    rating = f"/api/v1/conversations/{conversation_id}/turns/{turn['id']}/feedback"
    await person.client.put(rating, json={"rating": -1, "comment": "Cold."})
    administrator = await service.administrator()
    change = {"disabled": True, "legal_hold": True}
    await administrator.client.patch(f"/api/v1/admin/users/{person.id}", json=change)
    look = {"locale": locale, "color_scheme": scheme, "viewport": viewport, "reduced_motion": "reduce"}
    async with browsing(browser, service, administrator, **look) as tab:
        for section in SECTIONS:
            await tab.open(f"/console/{section}")
            await expect(tab.get("#console h1")).to_be_visible()
            await expect(tab.get(".spinner:visible")).to_have_count(0)
            await assert_accessible(tab)
        await tab.open("/console/users")
        row = tab.get("#list li").filter(has_text=person.username)
        await row.get_by_role("button").click()
        await assert_accessible(tab)
        await tab.page.get_by_role("menuitem").last.click()
        await assert_accessible(tab)
        await tab.open(f"/console/history?username={person.username}")
        await tab.get("#filters .main").click()
        await expect(tab.get("#list li")).to_have_count(1)
        await assert_accessible(tab)
        await tab.open(f"/console/conversations/{conversation_id}")
        await tab.get("#why .main").click()
        await expect(tab.get("#why .problem")).to_be_visible()
        await assert_accessible(tab)
        await tab.get("#why input").fill("because")
        await tab.get("#why .main").click()
        await expect(tab.get(".turn")).to_have_count(1)
        await assert_accessible(tab)


async def walked(tab: Tab) -> list[str]:
    """Go through the page with the Tab key alone, and return where one comes; each place shows that one is there."""
    await tab.page.evaluate("document.activeElement.blur()")
    met: list[str] = []
    while "body" not in met:
        await tab.page.keyboard.press("Tab")
        name, seen = await tab.page.evaluate(
            """() => {
              const each = document.activeElement;
              const style = getComputedStyle(each);
              const box = getComputedStyle(each.closest(".composer") ?? each);
              const seen = style.outlineStyle !== "none" || box.boxShadow !== "none";
              return [each.id || each.dataset.act || each.getAttribute("href") || each.localName, seen];
            }"""
        )
        met.append(name)
        assert seen or name == "body", met
        assert len(met) < 120, met
    return met


async def test_everything_is_reached_with_the_keyboard_and_shows_where_one_is(tab: Tab, person: Person) -> None:
    conversation_id = await person.conversation(title="keys")
    await person.say(conversation_id, "hello")
    await tab.open(f"/c/{conversation_id}")
    await expect(tab.get(".turn")).to_have_count(1)
    chat = {
        "new",
        "search",
        "archived",
        "own",
        "me",
        "settings",
        "more",
        "scroller",
        "copy-reply",
        "regenerate",
        "good",
    }
    assert chat | {"edit", "prompt"} <= set(await walked(tab))
    await person.client.post("/api/v1/auth/tokens", json={"name": "keys"})
    await tab.open("/account")
    await expect(tab.get("#tokens strong")).to_have_count(1)
    fields = {
        "f-display_name",
        "f-email",
        "f-current_password",
        "f-new_password",
        "f-token_name",
        "f-expires",
        "f-file",
    }
    places = await walked(tab)
    assert fields | {"/", "sign-out", "end-others", "/api/v1/export", "f-delete_password"} <= set(places)
    assert places.count("button") == len(await tab.get("#account button:not([id]):visible").all())


async def test_the_console_is_used_with_the_keyboard_alone(
    browser: Browser, service: RunningService, person: Person
) -> None:
    conversation_id = await person.conversation(title="keys")
    await person.say(conversation_id, "```\nhello\n```")
    async with browsing(browser, service, await service.administrator()) as tab:
        press = tab.page.keyboard.press
        await tab.open("/console")
        await expect(tab.get("#list li").first).to_be_visible()
        places = await walked(tab)
        assert {"#console", "/", "/console", "/console/history", "/account", "f-q", "f-role", "f-disabled"} <= set(
            places
        )
        await tab.open("/console/audit?subject=nobody")
        await expect(tab.get("#state .none")).to_be_visible()
        assert {"verify", "f-actor", "f-subject", "f-action", "f-from", "f-to", "button"} <= set(await walked(tab))
        await tab.open("/console/statistics")
        assert {"/console/statistics?period=day", "summary"} <= set(await walked(tab))
        await tab.get("summary").first.focus()
        await press("Enter")
        assert "div" in await walked(tab)
        await tab.open("/console")
        await expect(tab.get("#list li").first).to_be_visible()
        await tab.get("#f-q").focus()
        # A pause in the typing asks too: the list is read anew until the whole name was asked for.
        async with tab.page.expect_response(f"**/api/v1/admin/users?*q={person.username}*"):
            await tab.page.keyboard.type(person.username)
        await expect(tab.get(".spinner:visible")).to_have_count(0)
        await expect(tab.get("#list li")).to_have_count(1)
        for _ in range(3):
            await press("Tab")
        await press("Enter")
        await press("End")
        await press("Enter")
        await expect(tab.page.get_by_label("Type the username")).to_be_focused()
        await press("Escape")
        await expect(tab.get("#list button")).to_be_focused()
        await press("Enter")
        await press("Enter")
        await expect(tab.get("#f-of-user")).to_have_value(person.username)
        await tab.get("#filters .main").focus()
        await press("Enter")
        await expect(tab.get("#list li")).to_have_count(1)
        for _ in range(3):
            await press("Tab")
        await expect(tab.get("#list a")).to_be_focused()
        await press("Enter")
        # With its scripts: until then the form is hidden, and what is hidden takes no focus.
        await tab.page.wait_for_url("**/console/conversations/*")
        await tab.get("#f-reason").focus()
        await tab.page.keyboard.type("because")
        await press("Enter")
        await expect(tab.get(".turn")).to_have_count(1)
        assert "pre" in await walked(tab)


async def test_a_list_that_is_read_again_keeps_the_keyboard(
    browser: Browser, service: RunningService, person: Person
) -> None:
    """Somebody types and goes on with the Tab key before the answer is there."""
    async with browsing(browser, service, await service.administrator()) as tab:
        await tab.open("/console")
        await expect(tab.get("#list li").first).to_be_visible()
        await tab.get("#list button").last.focus()
        await tab.get("#f-q").evaluate(
            "(field, name) => { field.value = name; field.dispatchEvent(new Event('input', {bubbles: true})); }",
            person.username,
        )
        await expect(tab.get("#list li")).to_have_count(1)
        await expect(tab.get("#list button")).to_be_focused()


async def test_the_first_key_leads_past_the_list(tab: Tab) -> None:
    await tab.open("/account")
    await tab.page.keyboard.press("Tab")
    await expect(tab.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await expect(tab.page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()


async def test_a_phones_list_lies_over_the_conversation_and_is_closed_by_escape(
    browser: Browser, service: RunningService, person: Person
) -> None:
    await person.conversation(title="on the phone")
    async with browsing(browser, service, person, viewport=PHONE, has_touch=True) as tab:
        await tab.open()
        assert await tab.get("#sidebar").evaluate("e => e.inert")
        await tab.get("#open-sidebar").click()
        await expect(tab.get("#close-sidebar")).to_be_focused()
        assert await tab.get("#main").evaluate("e => e.inert")
        await tab.page.keyboard.press("Escape")
        await expect(tab.get("#open-sidebar")).to_be_focused()
        await tab.get("#open-sidebar").click()
        await tab.page.get_by_role("link", name="on the phone").click()
        await expect(tab.get("h1#title")).to_have_text("on the phone")
        assert await tab.get("#sidebar").evaluate("e => e.inert")


async def test_motion_is_left_out_where_it_is_unwanted(
    browser: Browser, service: RunningService, person: Person
) -> None:
    async with browsing(browser, service, person, reduced_motion="reduce", viewport=PHONE) as tab:
        await tab.open()
        duration = await tab.get("#sidebar").evaluate("e => getComputedStyle(e).transitionDuration")
        assert duration in ("0s", "0s, 0s")


async def test_answers_are_announced(tab: Tab) -> None:
    await tab.open()
    await tab.say("hello")
    await expect(tab.get("[aria-live=polite]")).to_have_text("The answer is complete.")
