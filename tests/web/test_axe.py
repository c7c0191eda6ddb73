"""Every page, dialog and open menu by the rules of axe-core, in both themes."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from chatkeep.web.console import SECTIONS
from tests.support.running_service import Person, RunningService
from tests.web.browser import PHONE, Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import END_ANIMATIONS
from tests.web.test_formulas_page import REPLY

# Open menus lie over the page, outside of its landmarks. No criterion of WCAG asks for more.
OPTIONS = {"resultTypes": ["violations"], "rules": {"region": {"enabled": False}}}
LOOKS = [("en-GB", "light", {}), ("ja-JP", "dark", {}), ("ja-JP", "light", {"viewport": PHONE})]


async def require_none(tab: Tab) -> None:
    await tab.page.evaluate(END_ANIMATIONS)
    found = (await Axe().run(tab.page, options=OPTIONS)).response["violations"]
    assert not [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


@pytest.fixture(params=LOOKS, ids=lambda look: "-".join([*look[:2], *look[2]]))
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    locale, scheme, others = request.param
    return {"locale": locale, "color_scheme": scheme, "reduced_motion": "reduce", **others}


async def test_pages_before_signing_in(browser: Browser, service: RunningService, look: dict[str, Any]) -> None:
    async with browsing(browser, service, None, **look) as tab:
        tab.expected += ["status of 409", "status of 404"]
        await tab.open()
        await expect(tab.get("#sign-in")).to_be_visible()
        await tab.get(".forgotten summary").click()
        await require_none(tab)
        await tab.get("button[data-mode]").click()
        await require_none(tab)
        await tab.open("/set-password#x")
        await expect(tab.get("#home")).to_be_visible()
        await require_none(tab)
        await tab.open("/nowhere")
        await require_none(tab)


async def test_the_reference_of_the_api(browser: Browser, service: RunningService, look: dict[str, Any]) -> None:
    async with browsing(browser, service, None, **look) as tab:
        await tab.open("/docs")
        await expect(tab.get("h1")).to_be_visible()
        assert await tab.get("summary a").count() == 0
        await require_none(tab)


async def test_the_chat_its_dialogs_and_its_menus(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, look: dict[str, Any]
) -> None:
    model.teach("show", REPLY)
    conversation = await person.conversation(title="Tea")
    await person.say(conversation, "show")
    async with browsing(browser, service, person, **look) as tab:
        await tab.open()
        await expect(tab.get("#empty")).to_be_visible()
        await require_none(tab)
        await tab.open(f"/c/{conversation}")
        await expect(tab.get(".turn math").first).to_be_attached()
        await require_none(tab)
        await tab.get("#more").click()
        await expect(tab.get("[role=menu]")).to_be_visible()
        await require_none(tab)
        await tab.get("[role=menuitem]").first.click()
        await expect(tab.get("dialog")).to_be_visible()
        await require_none(tab)
        await tab.page.keyboard.press("Escape")
        await tab.get("#settings").click()
        await expect(tab.get("dialog select")).to_be_visible()
        await require_none(tab)
        await tab.page.keyboard.press("Escape")
        await tab.get("#settings").focus()
        await tab.page.keyboard.press("?")
        await expect(tab.get("dialog dl")).to_be_visible()
        await require_none(tab)
        await tab.page.keyboard.press("Escape")
        await tab.get("[data-act=edit]").click()
        await require_none(tab)
        await tab.open("/account")
        await expect(tab.get("#sessions strong")).to_have_count(1)
        await require_none(tab)


async def test_the_console_its_dialogs_and_its_menus(
    browser: Browser, service: RunningService, person: Person, look: dict[str, Any]
) -> None:
    conversation = await person.conversation(title="Tea")
    await person.say(conversation, "tea")
    async with browsing(browser, service, await service.administrator(), **look) as tab:
        for section in SECTIONS:
            await tab.open(f"/console/{section}")
            await expect(tab.get("#console h1")).to_be_visible()
            await expect(tab.get(".spinner:visible")).to_have_count(0)
            await require_none(tab)
        await tab.open("/console/users")
        await tab.get("#list .tool").first.click()
        await expect(tab.get("[role=menu]")).to_be_visible()
        await require_none(tab)
        await tab.get("[role=menuitem].dangerous").click()
        await expect(tab.get("dialog")).to_be_visible()
        await require_none(tab)
        await tab.open(f"/console/users/{person.id}")
        await expect(tab.get("#sessions strong")).to_have_count(1)
        await require_none(tab)
        await tab.open(f"/console/history?user_id={person.id}")
        await tab.get("#filters .main").click()
        await expect(tab.get("#list li")).to_have_count(1)
        await require_none(tab)
        await tab.open(f"/console/conversations/{conversation}")
        await tab.get("#f-reason").fill("a case")
        await tab.get("#why .main").click()
        await expect(tab.get(".turn")).to_have_count(1)
        await require_none(tab)
