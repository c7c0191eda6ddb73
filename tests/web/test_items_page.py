"""Reasoning, tool calls, refusals and answers that were cut, on the page."""

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models import End, Item, ModelError, Reasoning, Refusal, Text
from chatkeep.chat.models.context import GO_ON
from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab, browsing
from tests.web.models import TaughtModel

CALL = Item({"type": "function_call", "call_id": "c", "name": "search", "arguments": '{"q":"<b>tea</b>"}'})


async def test_reasoning_is_streamed_folded_and_stays_unfolded(tab: Tab, model: TaughtModel) -> None:
    model.teach(
        "think", Reasoning("They want ", "think"), None, Reasoning("<i>tea</i>.", "think"), Text("**Tea** it is.")
    )
    await tab.open()
    await tab.say("think", wait=False)
    fold = tab.reply().locator("details")
    await expect(fold.locator("summary")).to_have_text("Thinking…")
    await expect(fold.locator(".words")).to_be_hidden()
    await fold.locator("summary").click()
    await expect(fold.locator(".words")).to_have_text("They want ")
    model.go_on("think")
    await tab.answered()
    await expect(fold.locator("summary")).to_contain_text("Thought for")
    await expect(fold.locator(".words")).to_have_text("They want <i>tea</i>.")
    await expect(fold.locator(".words")).to_be_visible()
    await expect(tab.reply().locator("strong")).to_have_text("Tea")
    await tab.page.reload()
    await expect(tab.reply().locator(".part")).to_have_text("Tea it is.")
    await expect(tab.reply().locator("details .words")).to_be_hidden()


async def test_a_reload_in_the_middle_of_several_kinds_goes_on_where_it_was(tab: Tab, model: TaughtModel) -> None:
    said = (Reasoning("hm 🍵", "think"), Text("One 🍵 "), CALL, Reasoning("again", "think"), Text("two"))
    model.teach("mixed", *said, None, Text(" three."), Reasoning("done", "think"))
    await tab.open()
    await tab.say("mixed", wait=False)
    await expect(tab.reply()).to_contain_text("two")
    turns = tab.page.url.replace("/c/", "/api/v1/conversations/") + "/turns"
    while "two" not in await (await tab.page.request.get(turns)).text():
        await tab.page.wait_for_timeout(50)
    await tab.page.reload()
    await expect(tab.reply()).to_contain_text("two")
    model.go_on("mixed")
    await tab.answered()
    follows = [each for each in tab.requested if each.url.endswith("/events")]
    assert [each.headers.get("last-event-id") for each in follows] == ["19"]
    await expect(tab.reply().locator(".part")).to_have_text(["One 🍵", "two three."])
    labels = tab.reply().locator("summary")
    await expect(labels).to_have_count(4)
    await expect(labels.nth(1)).to_have_text("Tool call: search")
    await labels.nth(1).click()
    await expect(tab.reply().locator("details").nth(1).locator("pre")).to_contain_text('"q": "<b>tea</b>"')


async def test_a_tools_result_has_the_name_of_its_tool(tab: Tab, model: TaughtModel) -> None:
    result = Item({"type": "function_call_output", "call_id": "c", "output": "[]"})
    stray = Item({"type": "function_call_output", "call_id": "?", "output": "1"})
    model.teach("look", CALL, result, stray, Text("No."))
    await tab.open()
    await tab.say("look")
    for _ in range(2):
        await expect(tab.reply().locator("summary")).to_have_text(
            ["Tool call: search", "Tool result: search", "Tool result"]
        )
        await tab.page.reload()


async def test_a_prompt_of_several_roles_says_who_speaks(tab: Tab, service: RunningService, person: Person) -> None:
    token = (await person.client.post("/api/v1/auth/tokens", json={"name": "x"})).json()["token"]
    said = [("developer", "Be 𝔰hort."), ("user", "<b>Hi</b>"), ("assistant", "Hello"), ("user", "And?")]
    asked = {"model": "m", "input": [{"role": role, "content": content} for role, content in said]}
    client = service.client(headers={"Authorization": f"Bearer {token}"})
    assert (await client.post("/v1/responses", json=asked)).status_code == 200
    [listed] = (await person.client.get("/api/v1/conversations")).json()["items"]
    await tab.open(f"/c/{listed['id']}")
    prompt = tab.get(".turn .prompt")
    await expect(prompt.locator("strong")).to_have_text(["System prompt", "User", "Assistant", "User"])
    assert await prompt.text_content() == (
        "System prompt\nBe 𝔰hort.\n\nUser\n<b>Hi</b>\n\nAssistant\nHello\n\nUser\nAnd?"
    )


async def test_a_refusal_is_said_in_words(tab: Tab, model: TaughtModel) -> None:
    model.teach("bad", Refusal("I cannot help "), Refusal("with <that>."))
    await tab.open()
    await tab.say("bad")
    await expect(tab.reply().locator(".refusal")).to_have_text(
        "The model declined to answer: I cannot help with <that>."
    )


@pytest.mark.parametrize(
    ("locale", "cut", "goes_on"),
    [
        ("en-GB", "The answer reached its length limit and was cut.", "Continue"),
        ("ja-JP", "長さの上限に達したため、回答が途中で終わりました。", "続ける"),
    ],
)
async def test_an_answer_that_was_cut_is_gone_on_with(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str, cut: str, goes_on: str
) -> None:
    model.teach("count", Text("one, "), End("length"))
    model.teach(GO_ON, Text("two."))
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.say("count")
        await expect(tab.get(".ending")).to_have_text(cut)
        await tab.page.get_by_role("button", name=goes_on, exact=True).click()
        await expect(tab.get(".turn")).to_have_count(2)
        await tab.answered()
        await expect(tab.reply()).to_have_text("two.")
        await expect(tab.get(".turn.continued .prompt")).to_have_count(0)
        await expect(tab.get(".turn .prompt")).to_have_count(1)
        await tab.page.reload()
        await expect(tab.reply()).to_have_text("two.")


@pytest.mark.parametrize(
    ("locale", "said", "again"),
    [
        ("en-GB", "The model failed. Broken.", "Try again"),
        ("ja-JP", "モデルでエラーが発生しました。 Broken.", "もう一度試す"),
    ],
)
async def test_after_a_failure_one_tries_again(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str, said: str, again: str
) -> None:
    model.teach("fail", Text("Half"), ModelError("Broken."))
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.say("fail")
        await expect(tab.get(".ending.bad")).to_have_text(said)
        model.teach("fail", Text("Whole."))
        await tab.page.get_by_role("button", name=again, exact=True).click()
        await expect(tab.reply()).to_have_text("Whole.")
        await tab.answered()


async def test_a_filtered_and_an_empty_answer_are_told_apart(tab: Tab, model: TaughtModel) -> None:
    model.teach("filtered", End("content_filter"))
    model.teach("nothing", End("stop"))
    await tab.open()
    await tab.say("filtered")
    await expect(tab.get(".ending")).to_have_text("The model's content filter stopped the answer.")
    await tab.open()
    await tab.say("nothing")
    await expect(tab.get(".ending.bad")).to_have_text("The model ended its answer without saying anything.")
