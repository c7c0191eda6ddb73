"""The field in which a message is edited: what is in it is never thrown away without a word."""

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models import Text
from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible


async def begin_to_edit(tab: Tab, text: str) -> None:
    await tab.get(".turn").last.get_by_role("button", name="Edit the message").click()
    await tab.get(".edit-field").fill(text)


async def test_it_is_there_again_after_a_reload_and_in_another_conversation(tab: Tab) -> None:
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "first, but better")
    await tab.page.reload()
    await expect(tab.get(".edit-field")).to_have_value("first, but better")
    await tab.get("#new").click()
    await expect(tab.get(".turn")).to_have_count(0)
    await tab.page.get_by_role("link", name="first").click()
    await expect(tab.get(".edit-field")).to_have_value("first, but better")
    await tab.get(".edit .main").click()
    await tab.answered()
    await expect(tab.get(".prompt")).to_have_text("first, but better")
    await tab.page.reload()
    await expect(tab.get(".prompt")).to_have_text("first, but better")
    await expect(tab.get(".edit-field")).to_have_count(0)


async def test_what_is_cancelled_or_says_the_same_is_not_kept(tab: Tab) -> None:
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "other")
    await tab.get(".edit-field").press("Escape")
    await begin_to_edit(tab, "first")
    await tab.page.reload()
    await expect(tab.get(".prompt")).to_have_text("first")
    await expect(tab.get(".edit-field")).to_have_count(0)


async def test_while_an_answer_is_written_it_stays_and_says_so(tab: Tab, model: TaughtModel) -> None:
    model.teach("slow", Text("So"), None, Text(" slow"))
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "better")
    await tab.say("slow", wait=False)
    await expect(tab.reply()).to_contain_text("So")
    await tab.get(".edit .main").click()
    await expect(tab.get(".toast")).to_contain_text("An answer is still being written.")
    await expect(tab.get(".edit-field")).to_have_value("better")
    model.go_on("slow")
    await tab.answered()
    await expect(tab.get(".edit-field")).to_have_value("better")


async def test_what_is_refused_is_in_it_again(tab: Tab) -> None:
    tab.expected.append("status of 429")
    await tab.open()
    await tab.say("first")
    await tab.page.route(
        "**/edit", lambda route: route.fulfill(status=429, json={"code": "too_many_generations", "detail": "Busy."})
    )
    await begin_to_edit(tab, "better")
    await tab.get(".edit .main").click()
    await expect(tab.get(".toast.bad")).to_contain_text("The service is busy.")
    await expect(tab.get(".edit-field")).to_have_value("better")


async def test_nothing_of_it_is_left_after_signing_out(tab: Tab) -> None:
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "secret")
    await tab.choose(tab.get("#me"), "Sign out")
    await expect(tab.get("#sign-in")).to_be_visible()
    assert "secret" not in str(await tab.page.evaluate("() => Object.values(localStorage)"))


@pytest.mark.parametrize("key", ["Enter", "Control+Enter"])
async def test_enter_sends_it_and_shift_enter_breaks_the_line(tab: Tab, key: str) -> None:
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "better")
    await tab.get(".edit-field").press("Shift+Enter")
    await tab.get(".edit-field").type("still")
    await tab.get(".edit-field").press(key)
    await tab.answered()
    await expect(tab.get(".prompt")).to_have_text("better\nstill")
    await expect(tab.get(".edit-field")).to_have_count(0)


async def test_an_input_methods_enter_sends_nothing(tab: Tab) -> None:
    await tab.open()
    await tab.say("first")
    await begin_to_edit(tab, "日本")
    await tab.get(".edit-field").dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})
    await expect(tab.get(".edit-field")).to_have_value("日本")


@pytest.mark.parametrize(("locale", "title"), [("en-GB", "Keys"), ("ja-JP", "キー操作")])
async def test_the_keys_are_shown_with_a_question_mark_outside_of_fields(
    browser: Browser, service: RunningService, person: Person, locale: str, title: str
) -> None:
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.get("#prompt").press("?")
        await expect(tab.get("dialog")).to_have_count(0)
        await tab.get("#new").focus()
        await tab.page.keyboard.press("?")
        await expect(tab.page.get_by_role("dialog", name=title)).to_be_visible()
        await assert_accessible(tab)
        await tab.page.keyboard.press("Escape")
        await expect(tab.get("dialog")).to_have_count(0)
