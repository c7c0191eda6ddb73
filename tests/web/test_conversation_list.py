"""The list of conversations: long, renamed, archived, deleted, and not quite deleted."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Browser, Route, expect

from tests.support.running_service import Person, RunningService
from tests.support.urls import driver_url
from tests.web.browser import Tab, browsing
from tests.web.models import TaughtModel


async def titles(person: Person, **params: str) -> list[str]:
    answer = await person.client.get("/api/v1/conversations", params={"limit": 200, **params})
    return [each["title"] for each in answer.json()["items"]]


@pytest.fixture
async def three(person: Person) -> None:
    for title in ("one", "two", "three"):
        await person.conversation(title=title)


async def test_an_empty_list_says_what_will_be_in_it(tab: Tab) -> None:
    await tab.open()
    await expect(tab.get("#list-state")).to_contain_text("No conversations yet")


async def test_the_newest_is_first_and_more_comes_while_one_scrolls(tab: Tab, person: Person) -> None:
    for number in range(95):
        await person.conversation(title=f"number {number}")
    await tab.open()
    await expect(tab.get("#list a").first).to_have_text("number 94")
    assert await tab.get("#list a").count() < 95
    while await tab.get("#list a").count() < 95:
        await tab.get("#listed").evaluate("e => e.scrollTo(0, e.scrollHeight)")
        await asyncio.sleep(0.05)
    shown = await tab.get("#list a").all_text_contents()
    assert shown == [f"number {number}" for number in reversed(range(95))]


@pytest.mark.usefixtures("three")
async def test_a_conversation_that_is_gone_on_with_goes_to_the_top(tab: Tab) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="one").click()
    await expect(tab.get("h1#title")).to_have_text("one")
    await tab.say("go on")
    await expect(tab.get("#list a")).to_have_text(["one", "three", "two"])


@pytest.mark.usefixtures("three")
async def test_a_conversation_is_renamed(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="two").click()
    await tab.menu("Rename")
    await tab.page.get_by_label("Title").fill("second")
    await tab.page.get_by_label("Title").press("Enter")
    await expect(tab.get("h1#title")).to_have_text("second")
    await expect(tab.get("#list a")).to_have_text(["three", "second", "one"])
    assert "second" in await titles(person)
    await tab.menu("Rename")
    await tab.page.get_by_role("button", name="Cancel").click()
    await expect(tab.get("h1#title")).to_have_text("second")


@pytest.mark.usefixtures("three")
async def test_a_conversation_is_archived_and_taken_back(tab: Tab, person: Person) -> None:
    await tab.open()
    row = tab.get(
        "#list li",
    ).filter(has_text="two")
    await row.hover()
    await tab.choose(row.get_by_role("button"), "Archive")
    await expect(tab.get("#list a")).to_have_text(["three", "one"])
    await expect(tab.page.get_by_role("link", name="one")).to_be_focused()
    await tab.page.get_by_role("button", name="Archived").click()
    await expect(tab.get("#list a")).to_have_text(["two"])
    assert await titles(person, archived="true") == ["two"]
    await tab.page.get_by_role("button", name="Archived").click()
    await expect(tab.get("#list a")).to_have_text(["three", "one"])
    await tab.page.get_by_role("button", name="Undo").click()
    await expect(tab.get("#list a").filter(has_text="two")).to_be_visible()
    assert await titles(person, archived="true") == []


@pytest.mark.usefixtures("three")
async def test_what_programs_began_is_hidden_and_shown_again(tab: Tab, person: Person) -> None:
    for origin in ("api", "ui"):
        await person.conversation(title=f"by {origin}", metadata={"origin": origin})
    await tab.open()
    await expect(tab.get("#list a")).to_have_text(["by ui", "by api", "three", "two", "one"])
    only = tab.page.get_by_role("button", name="Only from this page")
    await only.click()
    await expect(tab.get("#list a")).to_have_text(["three", "two", "one"])
    await expect(only).to_have_attribute("aria-pressed", "true")
    # It is so after a reload, too.
    await tab.open()
    await expect(tab.get("#list a")).to_have_text(["three", "two", "one"])
    await only.click()
    await expect(tab.get("#list a")).to_have_count(5)
    assert await tab.page.evaluate("Object.keys(localStorage)") == []


@pytest.mark.usefixtures("three")
async def test_a_deletion_is_undone_before_anything_was_deleted(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="two").click()
    await tab.menu("Delete")
    await expect(tab.get("#empty")).to_be_visible()
    await expect(tab.get("#list li:not([hidden]) a")).to_have_text(["three", "one"])
    await tab.page.get_by_role("button", name="Undo").click()
    await expect(tab.get("#list li:not([hidden]) a")).to_have_text(["three", "two", "one"])
    await expect(tab.get("h1#title")).to_have_text("two")
    assert await titles(person) == ["three", "two", "one"]
    assert not [each for each in tab.requested if each.method == "DELETE"]


@pytest.mark.usefixtures("three")
async def test_a_deletion_that_is_not_undone_is_carried_out(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="two").click()
    await tab.menu("Delete")
    await tab.page.get_by_role("button", name="Close", exact=True).click()
    await expect(tab.get("#list li")).to_have_count(2)
    async with asyncio.timeout(5):
        while "two" in await titles(person):
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("three")
async def test_a_deletion_is_carried_out_when_the_page_is_left(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="two").click()
    await tab.menu("Delete")
    await expect(tab.get(".toast")).to_be_visible()
    assert "two" in await titles(person)
    await tab.open("/account")
    async with asyncio.timeout(5):
        while "two" in await titles(person):
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("three")
async def test_the_browsers_way_back_leads_through_conversations(tab: Tab) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="one").click()
    await tab.page.get_by_role("link", name="two").click()
    await expect(tab.get("h1#title")).to_have_text("two")
    await tab.page.go_back()
    await expect(tab.get("h1#title")).to_have_text("one")
    await tab.page.go_back()
    await expect(tab.get("#empty")).to_be_visible()
    assert await tab.page.title() == "Chatkeep"


async def test_a_conversation_is_saved_to_be_read_alone(tab: Tab, person: Person) -> None:
    conversation_id = await person.conversation(title="お茶")
    await person.say(conversation_id, "Which?")
    await tab.open(f"/c/{conversation_id}")
    for item, suffix, beginning in (
        ("Save as a page (HTML)", "html", b"<!doctype html>"),
        ("Export as Markdown", "md", "# お茶".encode()),
        ("Export everything (ZIP)", "zip", b"PK\x03\x04"),
    ):
        async with tab.page.expect_download() as downloading:
            await tab.menu(item)
        download = await downloading.value
        assert download.suggested_filename == f"お茶.{suffix}"
        assert Path(await download.path()).read_bytes().startswith(beginning)


@pytest.mark.usefixtures("three")
async def test_a_menu_is_used_with_the_keyboard(tab: Tab) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="two").click()
    await tab.get("#more").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await tab.page.keyboard.press("ArrowDown")
    await expect(tab.page.get_by_role("menuitem", name="Pin")).to_be_focused()
    await tab.page.keyboard.press("End")
    await expect(tab.page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await tab.page.keyboard.press("Escape")
    await expect(tab.get("#more")).to_be_focused()
    await expect(tab.get("#more")).to_have_attribute("aria-expanded", "false")
    await expect(tab.page.get_by_role("menu")).to_have_count(0)


@pytest.mark.usefixtures("three")
async def test_a_row_that_goes_to_the_top_keeps_its_open_menu_and_the_keyboard(tab: Tab, model: TaughtModel) -> None:
    model.teach("slowly", "It begins", None)
    await tab.open()
    await tab.page.get_by_role("link", name="one").click()
    await expect(tab.get("h1#title")).to_have_text("one")
    async with tab.page.expect_response(lambda answer: answer.url.endswith("/turns")) as begun:
        await tab.get("#prompt").fill("slowly")
        await tab.get("#prompt").press("Enter")
    assert (await begun.value).ok
    button = tab.page.get_by_role("button", name="Menu of “one”")
    await button.focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await expect(tab.get("#list a")).to_have_text(["one", "three", "two"])
    model.go_on("slowly")
    await tab.answered()
    await expect(tab.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await tab.page.keyboard.press("Escape")
    await expect(button).to_be_focused()


@pytest.mark.usefixtures("three")
async def test_what_is_written_while_another_conversation_is_read_is_said_there(tab: Tab, person: Person) -> None:
    await tab.open()
    await tab.page.get_by_role("link", name="one").click()
    await tab.say("in the first")
    waiting = asyncio.Event()

    async def wait(route: Route) -> None:
        await waiting.wait()
        await route.continue_()

    await tab.page.route(re.compile("/api/v1/conversations/[^/?]+$"), wait)
    await tab.page.get_by_role("link", name="two").click()
    await expect(tab.get("h1#title")).to_have_text("two")
    await tab.get("#prompt").fill("in the second")
    await tab.get("#prompt").press("Enter")
    await expect(tab.get("#prompt")).to_have_value("in the second")
    waiting.set()
    await tab.answered()
    await expect(tab.reply()).to_have_text("You said: in the second")
    (turn,) = await person.turns(tab.page.url.rpartition("/")[2])
    assert turn["prompt"]["content"] == "in the second"


@pytest.mark.usefixtures("three")
async def test_a_conversation_that_cannot_be_read_says_why_and_is_tried_again(tab: Tab) -> None:
    tab.expected = ["status of 503"]
    await tab.open()
    turns = re.compile("/web/conversations/")
    problem = {
        "type": "about:blank",
        "title": "Unavailable",
        "status": 503,
        "detail": "Busy.",
        "code": "database_unavailable",
    }
    await tab.page.route(turns, lambda route: route.fulfill(status=503, json=problem))
    await tab.page.get_by_role("link", name="two").click()
    await expect(tab.get("#above").get_by_role("alert")).to_be_visible()
    await tab.page.unroute(turns)
    await tab.get("#above").get_by_role("button", name="Try again").click()
    await expect(tab.get("h1#title")).to_have_text("two")
    await tab.say("now it goes")
    await expect(tab.reply()).to_have_text("You said: now it goes")


@pytest.mark.usefixtures("three")
async def test_what_is_waited_for_shows_that_it_is_on_its_way(tab: Tab) -> None:
    waiting = asyncio.Event()

    async def wait(route: Route) -> None:
        await waiting.wait()
        await route.continue_()

    await tab.page.route(re.compile("/api/v1/conversations[?]|/web/conversations/|/search[?]"), wait)
    await tab.open()
    await expect(tab.get("#list-state .spinner")).to_be_visible()
    waiting.set()
    link = tab.page.get_by_role("link", name="two")
    await expect(link).to_be_visible()
    waiting.clear()
    await link.click()
    await expect(tab.get("#above .spinner")).to_be_visible()
    await tab.get("#search").fill("two")
    await expect(tab.get("#list-state .spinner")).to_be_visible()
    waiting.set()
    await expect(tab.get(".spinner:visible")).to_have_count(0)


NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
AGES = {
    "now": 0,
    "this morning": 0.25,
    "last night": 1,
    "this week": 5,
    "this month": 20,
    "in May": 60,
    "in May too": 61,
    "a year ago": 400,
}
HEADINGS = {
    "en-GB": ["Pinned", "Today", "Yesterday", "Last 7 days", "Last 30 days", "May 2026", "June 2025"],
    "ja-JP": ["ピン留め", "今日", "昨日", "過去7日間", "過去30日間", "2026年5月", "2025年6月"],
}


@pytest.fixture
async def aged(person: Person, shared_database_url: str) -> None:
    """Conversations of every age, as of `NOON`; a very old one is pinned, and one of today."""
    ages = {**dict(reversed(AGES.items())), "of old": 800, "now and pinned": 0}
    connection = await asyncpg.connect(driver_url(shared_database_url))
    for title, days in ages.items():
        conversation_id = await person.conversation(title=title)
        await connection.execute(
            "UPDATE conversations SET last_turn_at = $2, pinned = $3 WHERE id = $1",
            UUID(conversation_id),
            NOON - timedelta(days=days, minutes=1),
            title in ("of old", "now and pinned"),
        )
    await connection.close()


@pytest.mark.usefixtures("aged")
@pytest.mark.parametrize("locale", HEADINGS)
async def test_the_list_is_grouped_by_the_readers_own_days(
    browser: Browser, service: RunningService, person: Person, locale: str
) -> None:
    async with browsing(browser, service, person, locale=locale, timezone_id="UTC") as tab:
        await tab.page.clock.install(time=NOON)
        await tab.open()
        await expect(tab.get("#list h3")).to_have_text(HEADINGS[locale])
        await expect(tab.get("#list a")).to_have_text(["now and pinned", "of old", *AGES])
        # Each list is named by its heading, below the one of all.
        may = tab.page.get_by_role("list", name=HEADINGS[locale][5])
        await expect(may.get_by_role("link")).to_have_text(["in May", "in May too"])
        await expect(tab.get("#sidebar h2")).to_have_count(1)
    async with browsing(browser, service, person, locale=locale, timezone_id="Pacific/Kiritimati") as far:
        # There it is two in the morning of the next day.
        await far.page.clock.install(time=NOON)
        await far.open()
        for heading, there in (("Today", ["now"]), ("Yesterday", ["this morning", "last night"])):
            name = HEADINGS[locale][HEADINGS["en-GB"].index(heading)]
            await expect(far.page.get_by_role("list", name=name).get_by_role("link")).to_have_text(there)


@pytest.mark.usefixtures("aged")
async def test_midnight_changes_the_headings_and_neither_the_rows_nor_the_keyboard(
    browser: Browser, service: RunningService, person: Person
) -> None:
    async with browsing(browser, service, person, timezone_id="UTC") as tab:
        await tab.page.clock.install(time=NOON)
        await tab.open()
        rows = ["now and pinned", "of old", *AGES]
        await expect(tab.get("#list a")).to_have_text(rows)
        link = tab.page.get_by_role("link", name="this week")
        await link.focus()
        await tab.page.clock.fast_forward("12:00:01")
        await expect(tab.get("#list h3")).to_have_text(
            ["Pinned", "Yesterday", "Last 7 days", "Last 30 days", "May 2026", "June 2025"]
        )
        await expect(tab.get("#list a")).to_have_text(rows)
        await expect(link).to_be_focused()


@pytest.mark.usefixtures("three")
async def test_a_conversation_is_pinned_and_unpinned_and_keeps_the_keyboard(tab: Tab, person: Person) -> None:
    await tab.open()
    await expect(tab.get("#list h3")).to_have_text(["Today"])
    await tab.page.get_by_role("link", name="one").click()
    await expect(tab.get("h1#title")).to_have_text("one")
    button = tab.page.get_by_role("button", name="Menu of “one”")
    await button.focus()
    await tab.page.keyboard.press("Enter")
    await tab.page.get_by_role("menuitem", name="Pin", exact=True).press("Enter")
    await expect(tab.get("#list h3")).to_have_text(["Pinned", "Today"])
    await expect(tab.get("#list a")).to_have_text(["one", "three", "two"])
    await expect(button).to_be_focused()
    assert await titles(person, pinned="true") == ["one"]
    await tab.open()
    await expect(tab.get("#list a")).to_have_text(["one", "three", "two"])
    # It stays there while others are gone on with.
    await tab.page.get_by_role("link", name="two").click()
    await tab.say("go on")
    await expect(tab.get("#list a")).to_have_text(["one", "two", "three"])
    row = tab.get("#list li").filter(has_text="one")
    await row.hover()
    await tab.choose(row.get_by_role("button"), "Unpin")
    await expect(tab.get("#list h3")).to_have_text(["Today"])
    await expect(tab.get("#list a")).to_have_text(["two", "three", "one"])
    assert await titles(person, pinned="true") == []


@pytest.mark.usefixtures("three")
async def test_a_group_whose_rows_are_hidden_shows_no_heading(tab: Tab) -> None:
    await tab.open()
    row = tab.get("#list li").filter(has_text="one")
    await row.hover()
    await tab.choose(row.get_by_role("button"), "Pin")
    await row.hover()
    await tab.choose(row.get_by_role("button"), "Delete")
    await expect(tab.get("#list h3:visible")).to_have_text(["Today"])
    await tab.page.get_by_role("button", name="Undo").click()
    await expect(tab.get("#list h3:visible")).to_have_text(["Pinned", "Today"])
