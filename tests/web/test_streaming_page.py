"""An answer while it is written: reloaded, opened elsewhere, cut off and back."""

import asyncio

from playwright.async_api import APIResponse, Browser, Route, expect

from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab, browsing, tab_in
from tests.web.models import TaughtModel


async def test_a_page_that_is_reloaded_in_the_middle_goes_on_where_it_was(tab: Tab, model: TaughtModel) -> None:
    model.teach("story", "Once upon 🍵 a time", None, " there was **tea**.")
    await tab.open()
    await tab.say("story", wait=False)
    await expect(tab.reply()).to_contain_text("Once upon 🍵 a time")
    # Until it is written down; a page that is loaded before that has the stream bring it again.
    turns = tab.page.url.replace("/c/", "/api/v1/conversations/") + "/turns"
    while "a time" not in await (await tab.page.request.get(turns)).text():
        await asyncio.sleep(0.02)
    await tab.page.reload()
    await expect(tab.reply()).to_contain_text("Once upon 🍵 a time")
    await expect(tab.get("#stop")).to_be_visible()
    model.go_on("story")
    await tab.answered()
    await expect(tab.reply()).to_have_text("Once upon 🍵 a time there was tea.")
    await expect(tab.reply().locator("strong")).to_have_text("tea")
    follows = [each for each in tab.requested if each.url.endswith("/events")]
    assert [each.headers.get("last-event-id") for each in follows] == [str(len("Once upon 🍵 a time"))]


async def test_who_has_to_wait_for_others_is_told_so(tab: Tab, model: TaughtModel, service: RunningService) -> None:
    model.teach("busy", "Here ", None, "it is.")
    queue = service.chat.generations._queue
    queue._queue.resize(0)  # as where the model is busy with others
    await tab.open()
    await tab.say("busy", wait=False)
    await expect(tab.reply()).to_have_text("The model is busy. Your message is stored, and its answer comes in turn.")
    queue._queue.resize(1)
    await expect(tab.reply()).to_have_text("Here")
    model.go_on("busy")
    await tab.answered()
    await expect(tab.reply()).to_have_text("Here it is.")


async def test_a_second_tab_shows_the_same_answer_and_can_stop_it(tab: Tab, model: TaughtModel) -> None:
    model.teach("both", "Seen twice", None)
    await tab.open()
    await tab.say("both", wait=False)
    await expect(tab.reply()).to_contain_text("Seen twice")
    other = await tab_in(tab.page.context, tab.url)
    await other.open(tab.page.url.removeprefix(tab.url))
    await expect(other.reply()).to_contain_text("Seen twice")
    await other.page.get_by_role("button", name="Stop").click()
    await other.answered()
    await tab.answered()
    await expect(tab.get(".ending")).to_have_text("Stopped.")
    other.check()


async def test_a_tab_that_comes_back_shows_what_was_said_elsewhere(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.say("here")
    conversation_id = tab.page.url.rpartition("/")[2]
    await person.say(conversation_id, "from the phone")
    await tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(tab.get(".turn")).to_have_count(2)
    await expect(tab.get(".prompt").last).to_have_text("from the phone")


async def test_markdown_is_rendered_while_it_comes_and_finished_parts_stay(tab: Tab, model: TaughtModel) -> None:
    model.teach("parts", "# One\n\nfirst *part*\n\nsecond **pa", None, "rt**\n\n- a\n- b\n")
    await tab.open()
    await tab.say("parts", wait=False)
    await expect(tab.reply().locator("h3")).to_have_text("One")
    await expect(tab.reply().locator("em")).to_have_text("part")
    await expect(tab.reply().locator(".part")).to_have_count(2)
    model.go_on("parts")
    await tab.answered()
    await expect(tab.reply().locator("strong")).to_have_text("part")
    await expect(tab.reply().locator("li")).to_have_text(["a", "b"])
    await expect(tab.reply().locator(".part")).to_have_count(0)


# Notes the text of the reply after every change of the page.
NOTE_TEXTS = """() => {
  const text = () => document.querySelector(".reply")?.textContent ?? "";
  window.texts = [];
  const noting = new MutationObserver(() => window.texts.push(text()));
  noting.observe(document.body, { childList: true, characterData: true, subtree: true });
}"""


async def test_the_blank_between_two_words_is_there_at_every_moment(tab: Tab, model: TaughtModel) -> None:
    words = [f"word{number}" for number in range(40)]
    model.teach("blanks", "It *says* ", None, *(f"{word} " for word in words))
    await tab.open()
    await tab.say("blanks", wait=False)
    rendered = tab.reply().locator("p:has(em)")
    await expect(rendered).to_have_text("It says")
    assert await rendered.text_content() == "It says "
    turns = tab.page.url.replace("/c/", "/api/v1/conversations/") + "/turns"
    while "says" not in await (await tab.page.request.get(turns)).text():
        await asyncio.sleep(0.02)
    await tab.page.reload()
    await expect(rendered).to_have_text("It says")
    assert await rendered.text_content() == "It says "
    await tab.page.evaluate(NOTE_TEXTS)
    model.go_on("blanks")
    await tab.answered()
    whole = " ".join(["It", "says", *words])
    texts = await tab.page.evaluate("window.texts")
    assert len(texts) > 1
    assert [text for text in texts if not whole.startswith(" ".join(text.split()))] == []


async def test_a_lost_network_shows_and_the_answer_goes_on_by_itself(tab: Tab, model: TaughtModel) -> None:
    tab.expected = ["net::ERR_"]
    model.teach("far", "Before", None, " and after.")
    await tab.open()
    await tab.say("far", wait=False)
    await expect(tab.reply()).to_contain_text("Before")
    await tab.page.context.set_offline(True)
    await expect(tab.get("#network")).to_contain_text("No connection. Reconnecting…")
    model.go_on("far")
    await asyncio.sleep(0.3)
    await tab.page.context.set_offline(False)
    await tab.answered()
    await expect(tab.reply()).to_have_text("Before and after.")
    await expect(tab.get("#network")).to_be_hidden()


async def test_what_is_sent_without_a_network_is_sent_once_when_it_is_back(tab: Tab, person: Person) -> None:
    tab.expected = ["net::ERR_"]
    await tab.open()
    await tab.say("first")
    await tab.page.context.set_offline(True)
    await tab.say("second", wait=False)
    await expect(tab.get("#network")).to_be_visible()
    await expect(tab.get(".turn").last.locator(".spinner")).to_be_visible()
    await tab.page.context.set_offline(False)
    await tab.answered()
    await expect(tab.reply()).to_have_text("You said: second")
    turns = await person.turns(tab.page.url.rpartition("/")[2])
    assert [turn["prompt"]["content"] for turn in turns] == ["second", "first"]


async def test_an_answer_that_was_lost_on_its_way_is_not_asked_for_twice(tab: Tab, person: Person) -> None:
    tab.expected = ["net::ERR_"]
    await tab.open()
    await tab.say("first")
    lost: list[APIResponse] = []

    async def lose(route: Route) -> None:
        if lost:
            await route.continue_()
            return
        lost.append(await route.fetch())
        await route.abort("connectionreset")

    await tab.page.route("**/turns", lose)
    await tab.say("second")
    await expect(tab.reply()).to_have_text("You said: second")
    assert len(lost) == 1
    assert len(await person.turns(tab.page.url.rpartition("/")[2])) == 2


async def test_a_service_that_is_away_is_waited_for(tab: Tab) -> None:
    tab.expected = ["net::ERR_"]
    await tab.open()
    await tab.say("hello")
    away = True

    async def refuse(route: Route) -> None:
        await (route.abort("connectionrefused") if away else route.continue_())

    await tab.page.route("**/*", refuse)
    await tab.get("#new").click()
    await tab.get("#list a").first.click()
    await expect(tab.get("#network")).to_be_visible()
    away = False
    await expect(tab.get("#network")).to_be_hidden()
    await expect(tab.get(".turn")).to_have_count(1)


async def test_the_end_stays_in_sight_unless_one_has_scrolled_away(tab: Tab, model: TaughtModel) -> None:
    lines = "\n\n".join(f"line {number}" for number in range(60))
    model.teach("long", lines, None, "\n\nthe end")
    await tab.open()
    await tab.say("long", wait=False)
    await expect(tab.reply().locator("p")).to_have_count(60)
    distance = (
        "() => { const e = document.getElementById('scroller'); return e.scrollHeight - e.scrollTop - e.clientHeight }"
    )
    await tab.page.wait_for_function(f"({distance})() < 4")
    await tab.get("#scroller").evaluate("e => e.scrollTo(0, 200)")
    await expect(tab.get("#to-end")).to_be_visible()
    model.go_on("long")
    await tab.answered()
    assert await tab.page.evaluate(distance) > 400
    await tab.get("#to-end").click()
    await tab.page.wait_for_function(f"({distance})() < 4")
    await expect(tab.get("#to-end")).to_be_hidden()


async def test_leaving_a_conversation_leaves_its_answer_alone(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel
) -> None:
    model.teach("left", "It goes on", None, " without me.")
    async with browsing(browser, service, person) as tab:
        await tab.open()
        await tab.say("left", wait=False)
        await expect(tab.reply()).to_contain_text("It goes on")
        await tab.get("#new").click()
        await expect(tab.get("#send")).to_be_visible()
        await tab.say("meanwhile")
        model.go_on("left")
        await tab.page.get_by_role("link", name="left").click()
        await expect(tab.get(".turn")).to_have_count(1)
        await tab.answered()
        await expect(tab.reply()).to_have_text("It goes on without me.")
