"""While an answer is written: the page says what it waits for, and hidden tabs hold no connection."""

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models import Text
from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab, browsing, tab_in
from tests.web.models import TaughtModel

# A browser without windows shows every tab.
HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# To one host, for all tabs together.
MAX_CONNECTIONS = 6


@pytest.mark.parametrize(
    ("locale", "waits", "busy"),
    [
        ("en-GB", "Waiting for the model…", "An answer is still being written. Wait for it or stop it."),
        ("ja-JP", "モデルの応答を待っています…", "回答を作成中です。終わるまで待つか、停止してください。"),
    ],
)
async def test_the_page_says_what_it_waits_for_and_why_enter_does_nothing(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str, waits: str, busy: str
) -> None:
    model.teach("slow", None, Text("Done."))
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.say("slow", wait=False)
        await expect(tab.reply().locator(".waiting")).to_have_text(waits)
        await tab.get("#prompt").fill("next")
        for _ in range(3):
            await tab.get("#prompt").press("Enter")
        await expect(tab.get(".toast")).to_have_text(busy)
        await expect(tab.get("#prompt")).to_have_value("next")
        model.go_on("slow")
        await tab.answered()
        await expect(tab.reply()).to_have_text("Done.")


async def test_hidden_tabs_give_their_streams_back_and_take_them_up_again(tab: Tab, model: TaughtModel) -> None:
    model.teach("slow", Text("One"), None, Text(" two."))
    tabs = [tab] + [await tab_in(tab.page.context, tab.url) for _ in range(MAX_CONNECTIONS)]
    for each in tabs:
        await each.open()
        await each.say("slow", wait=False)
        await expect(each.reply()).to_contain_text("One")
        if each is not tabs[-1]:
            await each.page.evaluate(HIDE, True)
    # The seventh tab was not kept waiting. Meanwhile the answers end.
    model.go_on("slow")
    await tabs[-1].answered()
    await expect(tab.reply()).not_to_contain_text("two")
    for each in tabs[:-1]:
        await each.page.evaluate(HIDE, False)
        await each.answered()
        await expect(each.reply()).to_have_text("One two.")
        each.check()


async def test_a_tab_that_is_hidden_for_a_moment_misses_nothing(tab: Tab, model: TaughtModel) -> None:
    model.teach("slow", Text("One"), None, Text(" two."))
    await tab.open()
    await tab.say("slow", wait=False)
    await expect(tab.reply()).to_contain_text("One")
    for is_hidden in (True, False, True, False):
        await tab.page.evaluate(HIDE, is_hidden)
    model.go_on("slow")
    await tab.answered()
    await expect(tab.reply()).to_have_text("One two.")
    await expect(tab.get("#network")).to_be_hidden()
