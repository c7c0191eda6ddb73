"""Whatever people and models write stays text: nothing of it runs, and nothing of it is loaded, in any view."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, FilePayload, Locator, expect

from chatkeep.prose.markdown import render
from tests.audit.audit_fixtures import tamper, write
from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab
from tests.web.injections import (
    COUNTED,
    EVERYTHING,
    INJECTIONS,
    ON_RECORD,
    RUNNING,
    chatgpt_file,
    look,
    run,
    watching,
    write_everywhere,
)
from tests.web.models import TaughtModel

ALL = len(INJECTIONS)
BAD = ("<script", "<img", "<svg", "<iframe", "<style", "<form", "<input", "<object", 'href="javascript')


@dataclass
class Author:
    """Somebody who wrote all of it, wherever one can write."""

    person: Person
    conversation_id: str


@pytest.fixture(scope="module")
async def author(service: RunningService, shared_database_url: str) -> Author:
    person = await service.person()
    return Author(person, await write_everywhere(service, shared_database_url, person))


@pytest.fixture
async def watched(browser: Browser, service: RunningService, author: Author) -> AsyncIterator[Tab]:
    """The author's own tab."""
    async with watching(browser, service, author.person) as tab:
        yield tab


@pytest.fixture
async def console(browser: Browser, service: RunningService, author: Author) -> AsyncIterator[Tab]:
    """An administrator's tab."""
    async with watching(browser, service, await service.administrator()) as tab:
        yield tab


async def read_on(rows: Locator, more: Locator) -> None:
    """Ask for more until there is no more."""
    await expect(rows.first).to_be_attached()
    while await more.count():
        shown = await rows.count()
        await more.click()
        await expect(rows.nth(shown)).to_be_attached()


def test_there_are_more_than_a_hundred() -> None:
    assert len(set(INJECTIONS)) == ALL > 100


def test_rendered_markdown_holds_no_more_than_it_may() -> None:
    for text in INJECTIONS:
        html = render(text).lower()
        assert not [bad for bad in BAD if bad in html], text
        # What stands in quotation marks is a value: the name of a block of code.
        tags = re.findall(r'<(?:[^>"]|"[^"]*")*>', html)
        assert not [tag for tag in tags if " on" in re.sub(r'"[^"]*"', "", tag)], text


async def test_prompts_and_replies_stay_text(watched: Tab, author: Author) -> None:
    await watched.open(f"/c/{author.conversation_id}")
    first = watched.get(".turn[aria-label='Turn 1']")
    while not await first.count():
        await watched.get("#scroller").evaluate("e => e.scrollTo(0, 0)")
        await watched.page.wait_for_timeout(60)
        await look(watched)
    await expect(first.locator(".prompt")).to_have_text(INJECTIONS[0])
    await expect(first.locator(".ending")).to_contain_text(INJECTIONS[0])
    await watched.get("#settings").click()
    await expect(watched.page.get_by_role("dialog").locator("textarea")).to_have_value(INJECTIONS[0])


async def test_a_reply_stays_text_while_it_is_written(watched: Tab, model: TaughtModel) -> None:
    text = "\n\n".join(INJECTIONS)
    halves = (text[: len(text) // 2], text[len(text) // 2 :])
    model.teach("write them all", halves[0], None, halves[1])
    await watched.open()
    await watched.say("write them all", wait=False)
    await expect(watched.reply().locator(".part").nth(1)).to_be_attached()
    await look(watched)
    model.go_on("write them all")
    await watched.answered()
    await expect(watched.reply()).to_contain_text("ran()")


async def test_titles_menus_dialogs_and_notices_stay_text(watched: Tab, author: Author) -> None:
    await watched.open()
    links = watched.get("#list a")
    while await links.count() <= ALL:
        await watched.get("#listed").evaluate("e => e.scrollTo(0, e.scrollHeight)")
        await watched.page.wait_for_timeout(30)
    assert set(await links.all_text_contents()) >= set(INJECTIONS)
    await look(watched)
    await watched.get(f"#list a[href='/c/{author.conversation_id}']").click()
    await watched.menu("Rename")
    await watched.page.get_by_role("textbox", name="Title").fill(INJECTIONS[16])
    await watched.page.get_by_role("textbox", name="Title").press("Enter")
    await expect(watched.get("h1#title")).to_have_text(INJECTIONS[16])
    assert await watched.page.title() == f"{INJECTIONS[16]} · Chatkeep"
    await watched.menu("Delete")
    await expect(watched.get(".toast")).to_contain_text(INJECTIONS[16])
    await watched.page.get_by_role("button", name="Undo").click()


async def test_search_results_stay_text(watched: Tab) -> None:
    await watched.open()
    for asked in ("ran", "<script>", "日本語", "onerror"):
        await watched.get("#search").fill(asked)
        await expect(watched.get("#list .hit mark").first).to_be_attached()
        await look(watched)
        await watched.get("#listed").evaluate("e => e.scrollTo(0, e.scrollHeight)")
    await expect(watched.get("#list .hit .snippet").first).to_contain_text("onerror")


async def test_names_sessions_tokens_and_readers_stay_text(watched: Tab) -> None:
    await watched.open("/account")
    for name in ("tokens", "sessions"):
        rows = watched.get(f"#{name} li:has(strong)")
        await read_on(rows, watched.get(f"#{name}").get_by_role("button", name="More", exact=True))
        shown = await rows.all_text_contents()
        assert all(any(text in row for row in shown) for text in INJECTIONS)
    await expect(watched.get("#access li").first).to_contain_text(INJECTIONS[-1])
    await expect(watched.get("#who")).to_contain_text(INJECTIONS[-1])
    await look(watched)
    await watched.get("#tokens").get_by_role("button", name="Revoke").first.click()
    await look(watched)
    await watched.open()
    await expect(watched.get("#me")).to_contain_text(INJECTIONS[-1])


async def test_files_stay_text(watched: Tab) -> None:
    await watched.open("/account")
    file = FilePayload(name=f"{INJECTIONS[22]}.json", mimeType="application/json", buffer=chatgpt_file())
    await watched.get("#f-file").set_input_files(file)
    await watched.page.locator("#import .main").click()
    await expect(watched.get("#import-result")).to_contain_text("Imported: 1.")
    await expect(watched.get("#import-result li")).to_have_count(20)
    await expect(watched.get("#import-result li").first).to_contain_text(INJECTIONS[2])
    await look(watched)
    await watched.open()
    await watched.get("#list a").first.click()
    await expect(watched.get(".turn .prompt")).to_have_text(EVERYTHING)
    await expect(watched.reply()).to_contain_text(INJECTIONS[-1])


async def test_addresses_and_cookies_stay_text(watched: Tab) -> None:
    watched.expected = ["status of 404"]
    cookies = [{"name": name, "value": "'><svg/onload=ran()>", "url": watched.url} for name in ("lang", "theme")]
    await watched.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # their type names every field
    for text in ("<script>ran()</script>", "'\"><img src=x onerror=ran()>", "javascript:ran()"):
        await watched.open("/c/x#" + text)
        await watched.open("/?q=" + text)
        await look(watched)
    await watched.open("/c/01980000-0000-7000-8000-000000000000#<script>ran()</script>")
    await expect(watched.get("#missing")).to_be_visible()


async def test_the_consoles_users_stay_text(console: Tab) -> None:
    await console.open("/console")
    rows, more = console.get("#list li"), console.get("#state").get_by_role("button", name="More")
    await read_on(rows, more)
    assert set(INJECTIONS) <= set(await rows.locator(".who").all_text_contents())
    await look(console)
    row = rows.filter(has_text=INJECTIONS[16]).first
    await row.get_by_role("button").click()
    await look(console)
    await console.page.get_by_role("menuitem", name="Delete user").click()
    await expect(console.page.get_by_role("dialog").get_by_role("heading")).to_contain_text(INJECTIONS[16])


async def test_the_consoles_history_stays_text(console: Tab) -> None:
    await console.open("/console/history?q=ran&" + "username=%3Cimg%20src=x%20onerror=ran()%3E")
    await expect(console.get("#f-of-user")).to_have_value("<img src=x onerror=ran()>")
    await console.get("#f-of-user").fill("")
    await console.get("#f-q").fill("")
    rows, more = console.get("#list li"), console.get("#state").get_by_role("button", name="More")
    await console.page.get_by_role("button", name="Show").click()
    await read_on(rows, more)
    assert set(INJECTIONS) <= set(await rows.locator(".named a").all_text_contents())
    await look(console)
    await console.get("#f-q").fill('ran "<img"')
    await console.page.get_by_role("button", name="Show").click()
    await expect(rows.locator("mark").first).to_be_attached()


async def test_the_consoles_conversation_stays_text(console: Tab, author: Author) -> None:
    await console.open(f"/console/conversations/{author.conversation_id}")
    await console.page.get_by_label("Why are you reading").fill(EVERYTHING[:500].replace("\n", " "))
    await console.page.get_by_role("button", name="Read", exact=True).click()
    turns, more = console.get(".turn"), console.get("#state").get_by_role("button", name="More")
    await read_on(turns, more)
    assert await turns.locator(".prompt").all_text_contents() == INJECTIONS


@pytest.mark.usefixtures("author")
async def test_the_consoles_trail_stays_text(console: Tab, service: RunningService, shared_database_url: str) -> None:
    await write(service.database, service.audit, ALL)
    await tamper(shared_database_url)
    await run(shared_database_url, ON_RECORD, INJECTIONS)
    await console.open("/console/audit?actor=%22%3E%3Cimg%20src=x%20onerror=ran()%3E&action=%3Cscript%3E")
    await expect(console.get("#f-actor")).to_have_value('"><img src=x onerror=ran()>')
    await expect(console.get("#state")).to_contain_text("Nothing of this kind")
    await console.get("#f-actor").fill("")
    await console.page.get_by_role("button", name="Show").click()
    rows = console.get("#list li")
    await expect(rows.first).to_be_attached()
    while await console.get("#state :is(button, .spinner)").count():
        await rows.last.scroll_into_view_if_needed()
        await console.page.wait_for_timeout(50)
    assert set(await rows.locator(".why").all_text_contents()) >= set(INJECTIONS)
    assert set(await rows.locator(".badge").all_text_contents()) >= set(INJECTIONS)
    assert set(await rows.locator("code").all_text_contents()) >= {f"{text}: {text}" for text in INJECTIONS}
    assert EVERYTHING in await rows.locator(".who").all_text_contents()
    await console.page.get_by_role("button", name="Verify every row").click()
    await expect(console.get("#verdict .bad")).to_contain_text("NOT whole")


@pytest.mark.usefixtures("author")
async def test_what_the_console_says_is_running_stays_text(console: Tab, shared_database_url: str) -> None:
    half = INJECTIONS[: ALL // 2], INJECTIONS[ALL // 2 :]
    for texts in half:
        await run(shared_database_url, RUNNING, texts)
        await console.open("/console/running")
        rows = console.get("#list li")
        await expect(rows).to_have_count(len(texts))
        assert set(await rows.locator(".who").all_text_contents()) == set(texts)
        assert set(await rows.locator(".badge").all_text_contents()) == set(texts)
        await look(console)
        await run(shared_database_url, "DELETE FROM turns WHERE status = 'streaming'")


async def test_the_consoles_statistics_stay_text(console: Tab, shared_database_url: str) -> None:
    await run(shared_database_url, COUNTED, INJECTIONS)
    await console.open("/console/statistics?period=day")
    # What reads HTML takes every end of a line for the same.
    texts = {text.replace("\r\n", "\n") for text in INJECTIONS}
    assert set(await console.get(".models tbody th").all_text_contents()) >= texts
