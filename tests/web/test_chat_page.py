"""Chatting in a browser: from signing in to each button of a turn."""

import asyncio

import pytest
from playwright.async_api import Browser, Route, expect

from chatkeep.chat.models import ModelError
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.web.browser import Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible


async def test_a_stranger_makes_an_account_signs_out_and_in_again(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, None) as tab:
        tab.expected = ["status of 422", "status of 401"]
        await tab.open()
        await tab.page.get_by_role("button", name="Create account").click()
        await tab.page.get_by_label("Username").fill("mika")
        for label in ("Password", "Repeat the password"):
            await tab.page.get_by_label(label, exact=True).fill("password")
        await tab.page.get_by_role("button", name="Create account").click()
        await expect(tab.page.get_by_role("alert")).to_contain_text("too easy to guess")
        for label in ("Password", "Repeat the password"):
            await tab.page.get_by_label(label, exact=True).fill(PASSWORD)
        await tab.page.get_by_role("button", name="Create account").click()
        await expect(tab.get("#me")).to_contain_text("mika")
        await tab.choose(tab.get("#me"), "Sign out")
        await tab.page.get_by_label("Username").fill("mika")
        await tab.page.get_by_label("Password").fill("wrong")
        await tab.page.get_by_label("Password").press("Enter")
        await expect(tab.page.get_by_role("alert")).to_have_text("Wrong username or password.")
        await tab.page.get_by_label("Password").fill(PASSWORD)
        await tab.page.get_by_label("Password").press("Enter")
        await expect(tab.get("#me")).to_contain_text("mika")


async def test_a_form_that_is_not_filled_in_says_what_is_missing(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, None) as tab:
        await tab.open()
        await tab.page.get_by_role("button", name="Sign in").click()
        await expect(tab.page.get_by_role("alert")).to_have_text("Fill in: Username")
        await expect(tab.page.get_by_label("Username")).to_be_focused()


async def test_no_account_is_offered_where_registration_is_closed(browser: Browser, shared_database_url: str) -> None:
    async with (
        running(shared_database_url, allow_registration=False) as service,
        browsing(browser, service, None) as tab,
    ):
        await tab.open()
        await expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible()
        await expect(tab.page.get_by_role("button", name="Create account")).to_be_hidden()


async def test_the_first_message_begins_a_conversation_with_an_address_and_a_title(tab: Tab) -> None:
    await tab.open()
    await expect(tab.get("#empty")).to_be_visible()
    await tab.say("Write a haiku about **tea**.")
    await expect(tab.get("#empty")).to_be_hidden()
    assert "/c/" in tab.page.url
    await expect(tab.get("h1#title")).to_have_text("Write a haiku about **tea**.")
    await expect(tab.get("#list [aria-current=page]")).to_have_text("Write a haiku about **tea**.")
    await expect(tab.get(".prompt")).to_have_text("Write a haiku about **tea**.")
    await expect(tab.reply().locator("strong")).to_have_text("tea")
    await tab.page.reload()
    await expect(tab.get(".turn")).to_have_count(1)
    await expect(tab.reply()).to_contain_text("You said: Write a haiku")
    await expect(tab.get(".spinner:visible")).to_have_count(0)


async def test_enter_sends_and_shift_enter_breaks_the_line(tab: Tab) -> None:
    await tab.open()
    await tab.get("#prompt").press_sequentially("one")
    await tab.get("#prompt").press("Shift+Enter")
    await tab.get("#prompt").press_sequentially("two")
    await expect(tab.get("#prompt")).to_have_value("one\ntwo")
    await expect(tab.get(".turn")).to_have_count(0)
    await tab.get("#prompt").press("Enter")
    await expect(tab.get(".prompt")).to_have_text("one\ntwo")
    await expect(tab.get("#prompt")).to_have_value("")
    await tab.answered()


async def test_enter_that_confirms_a_conversion_does_not_send(tab: Tab) -> None:
    await tab.open()
    await tab.get("#prompt").focus()
    browser = await tab.page.context.new_cdp_session(tab.page)
    await browser.send("Input.imeSetComposition", {"text": "にほんご", "selectionStart": 4, "selectionEnd": 4})
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    await browser.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    await browser.send("Input.insertText", {"text": "日本語"})
    await browser.send("Input.dispatchKeyEvent", {"type": "keyUp", **key, "windowsVirtualKeyCode": 13})
    await expect(tab.get("#prompt")).to_have_value("日本語")
    # Where the browser ends the conversion first, and the key comes after it.
    key_after = "{key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}"
    await tab.get("#prompt").evaluate(f"field => field.dispatchEvent(new KeyboardEvent('keydown', {key_after}))")
    await expect(tab.get(".turn")).to_have_count(0)
    await tab.get("#prompt").press("Enter")
    await expect(tab.get(".prompt")).to_have_text("日本語")
    await tab.answered()


async def test_nothing_is_sent_of_white_space(tab: Tab) -> None:
    await tab.open()
    await tab.get("#prompt").fill("  \n ")
    await tab.get("#prompt").press("Enter")
    await expect(tab.get("#send")).to_have_attribute("aria-disabled", "true")
    await expect(tab.get("#prompt")).to_have_value("  \n ")
    assert not [each for each in tab.requested if each.method == "POST"]


async def test_a_draft_is_kept_for_each_conversation_until_it_is_sent_or_one_signs_out(tab: Tab) -> None:
    await tab.open()
    await tab.say("first")
    await tab.get("#prompt").fill("half a thought")
    await tab.get("#new").click()
    await expect(tab.get("#prompt")).to_have_value("")
    await tab.get("#prompt").fill("another")
    await tab.page.reload()
    await expect(tab.get("#prompt")).to_have_value("another")
    await tab.page.get_by_role("link", name="first").click()
    await expect(tab.get("#prompt")).to_have_value("half a thought")
    await tab.get("#prompt").press("Enter")
    await tab.answered()
    await tab.page.reload()
    await expect(tab.get("#prompt")).to_have_value("")
    await tab.choose(tab.get("#me"), "Sign out")
    await expect(tab.get("#sign-in")).to_be_visible()
    assert await tab.page.evaluate("Object.keys(localStorage)") == []


async def test_an_answer_is_stopped_and_what_there_was_is_kept(tab: Tab, model: TaughtModel) -> None:
    model.teach("endless", "It begins ", None)
    await tab.open()
    await tab.say("endless", wait=False)
    await expect(tab.reply()).to_contain_text("It begins")
    await tab.page.get_by_role("button", name="Stop").click()
    await tab.answered()
    await expect(tab.get(".ending")).to_have_text("Stopped.")
    await expect(tab.reply()).to_contain_text("It begins")


async def test_answers_beside_each_other_are_switched_with_what_followed_them(tab: Tab) -> None:
    await tab.open()
    await tab.say("question")
    await tab.say("and then")
    await tab.get(".turn").first.get_by_role("button", name="Answer again").click()
    await tab.answered()
    await expect(tab.get(".turn")).to_have_count(1)
    await expect(tab.get(".where")).to_have_text("2/2")
    await tab.page.get_by_role("button", name="Version before").click()
    await expect(tab.get(".where")).to_have_text("1/2")
    await expect(tab.get(".turn")).to_have_count(2)
    await tab.page.get_by_role("button", name="Version after").click()
    await expect(tab.get(".turn")).to_have_count(1)
    await tab.page.reload()
    await expect(tab.get(".where")).to_have_text("2/2")


async def test_a_message_is_edited_beside_the_first_one(tab: Tab) -> None:
    await tab.open()
    await tab.say("qestion")
    await tab.page.get_by_role("button", name="Edit the message").click()
    await tab.get(".edit-field").press("Escape")
    await expect(tab.get(".prompt")).to_have_text("qestion")
    await tab.page.get_by_role("button", name="Edit the message").click()
    await tab.get(".edit-field").fill("question")
    await tab.get(".edit").get_by_role("button", name="Send").click()
    await tab.answered()
    await expect(tab.get(".prompt")).to_have_text("question")
    await expect(tab.reply()).to_have_text("You said: question")
    await expect(tab.get(".where")).to_have_text("2/2")


async def test_messages_answers_and_code_are_copied(tab: Tab, model: TaughtModel) -> None:
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.teach("code", "Look:\n\n```python\nprint('<b>')\n```\n")
    await tab.open()
    await tab.say("code")
    clipboard = "navigator.clipboard.readText()"
    await tab.page.get_by_role("button", name="Copy the code").click()
    await expect(tab.page.get_by_role("button", name="Copied")).to_be_visible()
    assert await tab.page.evaluate(clipboard) == "print('<b>')\n"
    await tab.page.get_by_role("button", name="Copy the answer").click()
    await expect(tab.page.get_by_role("button", name="Copied")).to_have_count(2)
    assert await tab.page.evaluate(clipboard) == "Look:\n\n```python\nprint('<b>')\n```\n"
    await tab.page.get_by_role("button", name="Copy the message").click()
    await expect(tab.page.get_by_role("button", name="Copied")).to_have_count(3)
    assert await tab.page.evaluate(clipboard) == "code"


async def test_feedback_is_given_explained_and_taken_back(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.say("rate me")
    conversation_id = tab.page.url.rpartition("/")[2]
    bad = tab.page.get_by_role("button", name="Bad answer")
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await tab.page.get_by_role("button", name="Add a comment").click()
    await tab.page.get_by_label("Comment").fill("It is wrong.")
    await tab.page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await expect(tab.page.get_by_role("dialog")).to_have_count(0)
    await tab.page.reload()
    await expect(bad).to_have_attribute("aria-pressed", "true")
    (turn,) = await person.turns(conversation_id)
    assert turn["feedback"] == {"rating": -1, "comment": "It is wrong."}
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "false")
    (turn,) = await person.turns(conversation_id)
    assert turn["feedback"] is None


async def test_a_conversation_has_its_model_and_its_system_prompt(tab: Tab, model: TaughtModel) -> None:
    asked = list(model.asked)
    await tab.open()
    await tab.get("#settings").click()
    await tab.page.get_by_role("combobox", name="Model").select_option("small-one")
    await tab.page.get_by_role("textbox", name="System prompt").fill("You are brief.")
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.get("#model")).to_have_text("small-one")
    await tab.say("hi")
    assert model.asked == [*asked, ("small-one", "You are brief.")]
    await tab.get("#settings").click()
    await expect(tab.page.get_by_role("textbox", name="System prompt")).to_have_value("You are brief.")
    await tab.page.get_by_role("textbox", name="System prompt").fill("")
    await tab.page.get_by_role("combobox", name="Model").select_option("")
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.page.get_by_role("dialog")).to_have_count(0)
    await tab.say("again")
    assert model.asked[-1:] == [("taught", None)]


@pytest.mark.parametrize(("locale", "usual"), [("en-GB", "Default (taught)"), ("ja-JP", "既定（taught）")])
async def test_a_model_is_chosen_from_the_servers_own_list(
    browser: Browser, service: RunningService, person: Person, locale: str, usual: str
) -> None:
    gone = await person.conversation(model="gone-one")
    listed = (await person.client.get("/api/v1/models")).json()
    assert listed == {"items": [{"id": "taught", "default": True}, {"id": "small-one", "default": False}]}
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.get("#model").click()
        choice = tab.get("dialog select")
        await expect(choice.locator("option")).to_have_text([usual, "taught", "small-one"])
        await assert_accessible(tab)
        await choice.select_option("small-one")
        await tab.get("dialog .main").click()
        await expect(tab.get("#model")).to_have_text("small-one")
        await tab.open(f"/c/{gone}")
        await expect(tab.get("#model")).to_have_text("gone-one")
        await tab.get("#model").click()
        await expect(choice).to_have_value("gone-one")
        await tab.page.keyboard.press("Escape")
        tab.expected.append("status of 503")
        await tab.page.route(
            "**/api/v1/models", lambda route: route.fulfill(status=503, json={"code": "models_unavailable"})
        )
        await tab.open()
        await tab.get("#settings").click()
        await expect(choice).to_be_visible()


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("again", ["say", "regenerate"])
async def test_what_is_asked_while_settings_are_saved_waits_for_them(
    tab: Tab, model: TaughtModel, again: str, works: bool
) -> None:
    tab.expected = [] if works else ["status of 503"]
    await tab.open()
    await tab.say("hi")
    asked = len(model.asked)
    saved = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method != "PATCH":
            return await route.continue_()
        await saved.wait()
        return await (route.continue_() if works else route.fulfill(status=503))

    async def ask() -> None:
        if again == "say":
            await tab.get("#prompt").press("Enter")
        else:
            await tab.get("[data-act=regenerate]").click()

    await tab.page.route("**/api/v1/conversations/*", hold)
    await tab.get("#settings").click()
    await tab.page.get_by_role("combobox", name="Model").select_option("small-one")
    await tab.page.get_by_role("button", name="Save").click()
    await expect(tab.page.get_by_role("dialog")).to_have_count(0)
    await tab.get("#prompt").fill("again")
    await ask()
    await ask()  # in doubt whether the first time was noticed
    await asyncio.sleep(0.2)  # time enough to be sent too early
    saved.set()
    if not works:
        await expect(tab.get(".toast")).to_be_visible()
        await expect(tab.get("#prompt")).to_have_value("again")
        assert len(model.asked) == asked
        await ask()
    if again == "say":
        await expect(tab.get(".turn")).to_have_count(2)
    else:
        await expect(tab.get(".where")).to_have_text("2/2")
    await tab.answered()
    assert model.asked[asked:] == [("small-one" if works else "taught", None)]


async def test_a_failing_model_is_told_and_can_be_asked_again(tab: Tab, model: TaughtModel) -> None:
    model.teach("fail", "Half ", ModelError("The model server is down."))
    await tab.open()
    await tab.say("fail")
    await expect(tab.get(".ending")).to_have_text("The model failed. The model server is down.")
    await expect(tab.reply()).to_contain_text("Half")
    model.teach("fail", "Whole.", None)
    await tab.get(".turn").get_by_role("button", name="Try again").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.get("#stop")).to_be_focused()
    model.go_on("fail")
    await tab.answered()
    await expect(tab.get("#send")).to_be_focused()
    await expect(tab.reply()).to_have_text("Whole.")


async def test_a_refused_message_comes_back_into_the_field(tab: Tab, person: Person, model: TaughtModel) -> None:
    tab.expected = ["status of 409"]
    model.teach("slow", "Wait… ", None, "done.")
    await tab.open()
    await tab.say("hello")
    conversation_id = tab.page.url.rpartition("/")[2]
    async with person.client.stream(
        "POST", f"/api/v1/conversations/{conversation_id}/turns", json={"content": "slow", "stream": True}
    ):
        await tab.get("#prompt").fill("mine")
        await tab.get("#prompt").press("Enter")
        await expect(tab.get(".toast.bad")).to_contain_text("An answer is still being written.")
        await expect(tab.get("#prompt")).to_have_value("mine")
        await expect(tab.reply()).to_contain_text("Wait…")
        model.go_on("slow")
        await expect(tab.reply()).to_contain_text("done.")


async def test_a_conversation_that_is_not_there_says_so(tab: Tab) -> None:
    tab.expected = ["status of 404"]
    await tab.open("/c/01980000-0000-7000-8000-000000000000")
    await expect(tab.get("#missing")).to_contain_text("There is no such conversation here")
    await tab.get("#missing").get_by_role("link").click()
    await expect(tab.get("#empty")).to_be_visible()


async def test_an_ended_session_asks_to_sign_in_and_keeps_the_draft(tab: Tab, person: Person) -> None:
    tab.expected = ["status of 401"]
    await tab.open()
    await tab.get("#prompt").fill("not lost")
    await person.client.post("/api/v1/auth/logout")
    await tab.get("#prompt").press("Enter")
    await expect(tab.get("#sign-in .lead")).to_contain_text("Your session has ended.")
    await tab.page.get_by_label("Username").fill(person.username)
    await tab.page.get_by_label("Password").fill(PASSWORD)
    await tab.page.get_by_label("Password").press("Enter")
    await expect(tab.get("#prompt")).to_have_value("not lost")
