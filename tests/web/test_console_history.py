"""The console's history: filtered, exported, and a conversation read for a reason that goes on record."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models import ModelError, Reasoning, Text
from tests.accounts.client import change
from tests.chat.files.pictures import add, png
from tests.support.running_service import Person, RunningService
from tests.web.browser import Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible

REASON = "苦情 #12 😀"
# Keeps what is told while a file comes, which may be over in no time.
WATCH_EXPORT = """() => {
  globalThis.told = [];
  const place = document.getElementById("exporting");
  const note = (changes) => told.push(...changes.flatMap((each) => [...each.addedNodes].map((node) => node.data)));
  new MutationObserver(note).observe(place, { childList: true });
}"""


@pytest.fixture
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture
async def console(browser: Browser, service: RunningService, administrator: Person) -> AsyncIterator[Tab]:
    async with browsing(browser, service, administrator, accept_downloads=True) as tab:
        yield tab


async def reasons(administrator: Person, person: Person, action: str) -> list[str | None]:
    query = {"subject_id": person.id, "action": action}
    answer = await administrator.client.get("/api/v1/admin/audit", params=query)
    assert answer.status_code == 200, answer.text
    return [each["reason"] for each in answer.json()["items"]]


async def test_nothing_is_read_until_it_is_asked_for(console: Tab, administrator: Person, person: Person) -> None:
    await person.say(await person.conversation(title="first"), "green tea")
    await console.open(f"/console/history?username={person.username}")
    await expect(console.get("#f-of-user")).to_have_value(person.username)
    await expect(console.get("#list li")).to_have_count(0)
    assert await reasons(administrator, person, "history_read") == []
    await console.page.get_by_label("Reason").fill(REASON)
    await console.page.get_by_role("button", name="Show").click()
    await expect(console.get("#list li")).to_have_count(1)
    await expect(console.get("#list li")).to_contain_text("You said: green tea")
    assert await reasons(administrator, person, "history_read") == [REASON]


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
async def test_a_reason_is_of_one_reading_alone(
    browser: Browser, service: RunningService, administrator: Person, locale: str
) -> None:
    """A reason about one person must never be recorded for another, nor for an act that was not asked about."""
    first, second = await service.person(), await service.person()
    for each in (first, second):
        await each.say(await each.conversation(title="tea"), "green tea")
    async with browsing(browser, service, administrator, locale=locale) as tab:
        await tab.open(f"/console/history?username={first.username}")
        await tab.get("#f-reason").fill(REASON)
        await tab.get("#filters .main").click()
        await expect(tab.get("#list li")).to_have_count(1)
        await expect(tab.get("#f-reason")).to_have_value("")
        await tab.get("#f-of-user").fill(second.username)
        await tab.get("#filters .main").click()
        await expect(tab.get("#list li")).to_contain_text(second.username)
        await tab.get("#list li .named a").last.click()
        await expect(tab.get("#f-reason")).to_have_value("")
        await tab.open("/console/history")
        await expect(tab.get("#f-reason")).to_have_value("")
        await tab.open("/console")
        await tab.get("#f-q").fill(second.username)
        await expect(tab.get("#list li")).to_have_count(1)
        await tab.get("#list li .tool").click()
        await tab.get("[role=menuitem].dangerous").click()
        await expect(tab.get("dialog input[name=reason]")).to_have_value("")
        assert REASON not in str(await tab.page.evaluate("Object.values(sessionStorage)"))
    assert await reasons(administrator, first, "history_read") == [REASON]
    assert await reasons(administrator, second, "history_read") == [None]


async def test_a_refused_reading_keeps_its_reason(console: Tab) -> None:
    console.expected.append("status of 422")
    await console.open("/console/history?user_id=none")
    await console.get("#f-reason").fill(REASON)
    await console.get("#filters .main").click()
    await expect(console.get("#state .problem")).to_be_visible()
    await expect(console.get("#f-reason")).to_have_value(REASON)


async def test_filters_narrow_the_history(console: Tab, model: TaughtModel, person: Person) -> None:
    conversation = await person.conversation(title="first")
    good = await person.say(conversation, "green tea")
    await person.say(conversation, f"{'much later ' * 40} black **coffee**")
    rating = f"/api/v1/conversations/{conversation}/turns/{good['id']}/feedback"
    await person.client.put(rating, json={"rating": 1})
    await console.open(f"/console/history?username={person.username}")
    show, rows = console.page.get_by_role("button", name="Show"), console.get("#list li")
    await show.click()
    await expect(rows).to_have_count(2)
    await console.page.get_by_label("Words").fill("coffee")
    await show.click()
    await expect(rows).to_have_count(1)
    # The lines around the match; in replies without Markdown's signs.
    await expect(rows.locator("mark")).to_have_text(["coffee", "coffee"])
    await expect(rows.locator(".said").first).to_contain_text("black **coffee**")
    await expect(rows.locator(".replied")).to_contain_text("black coffee")
    await console.page.get_by_label("Words").fill("")
    await console.page.get_by_label("Rating").select_option("1")
    await show.click()
    await expect(rows).to_contain_text("green tea")
    await console.page.get_by_label("From").fill("2001-01-01")
    await console.page.get_by_label("To", exact=True).fill("2001-01-02")
    await show.click()
    await expect(console.get("#state")).to_contain_text("No turn fits")
    await expect(console.page).to_have_url(
        f"{console.url}/console/history?username={person.username}&rating=1&from=2001-01-01&to=2001-01-02"
    )


async def test_reasoning_is_shown_where_it_was_looked_for(console: Tab, model: TaughtModel, person: Person) -> None:
    model.teach("think", Reasoning("The kettle hums.", "think"), Text("A kettle."))
    await person.say(await person.conversation(), "think")
    await console.open(f"/console/history?username={person.username}")
    await console.page.get_by_label("Words").fill("in:reasoning kettle")
    await console.page.get_by_role("button", name="Show").click()
    row = console.get("#list li")
    await expect(row.locator("mark")).to_have_text(["kettle"])
    await expect(row.locator(".thought")).to_contain_text("The kettle hums.")


async def test_every_filter_narrows_the_history(console: Tab, model: TaughtModel, person: Person) -> None:
    model.teach("fail", "Half ", ModelError("The model server is down."))
    one, other = await person.conversation(model="tiny"), await person.conversation()
    said = [await person.say(one, "hello"), await person.say(other, "fail")]
    await console.open(f"/console/history?username={person.username}")
    show, rows = console.page.get_by_role("button", name="Show"), console.get("#list li")
    today = said[0]["created_at"][:10]
    for field, value, found in (
        ("#f-model", "tiny", "hello"),
        ("#f-status", "failed", "fail"),
        ("#f-conversation", one, "hello"),
        ("#f-user", person.id, None),
        ("#f-q", '"you said" HELLO', "hello"),
        ("#f-from", today, None),
        ("#f-to", today, None),
    ):
        control = console.get(field)
        await (control.select_option(value) if field == "#f-status" else control.fill(value))
        await show.click()
        await expect(rows).to_have_count(1 if found else 2)
        await expect(rows.first.locator(".said").first).to_have_text(found or "fail")
        await (control.select_option("") if field == "#f-status" else control.fill(""))


async def test_a_conversation_is_shown_as_its_user_saw_it(console: Tab, model: TaughtModel, person: Person) -> None:
    model.teach("show", "# Tea\n\n```python\nbrew(3)\n```\n\n| a |\n|---|\n| 1 |")
    model.teach("fail", "Half ", ModelError("The model server is down."))
    conversation = await person.conversation(title="tea", system_prompt="Be <b>brief</b>.")
    turns = f"/api/v1/conversations/{conversation}/turns"
    first = await person.say(conversation, "show")
    again = (await person.client.post(f"{turns}/{first['id']}/regenerate", json={"stream": False})).json()
    await person.client.put(f"{turns}/{again['id']}/feedback", json={"rating": -1, "comment": "Cold."})
    await person.say(conversation, "fail")
    await console.open(f"/console/conversations/{conversation}")
    await console.page.get_by_label("Why are you reading").fill(REASON)
    await console.page.get_by_role("button", name="Read", exact=True).click()
    shown = console.get(".turn")
    await expect(shown.first.get_by_role("heading", name="Tea")).to_be_visible()
    await expect(shown.first.locator(".code pre")).to_have_text("brew(3)\n")
    await expect(shown.first.locator("td")).to_have_text("1")
    await expect(shown.first.locator(".about")).to_contain_text("Version 2 of 2Bad answerCold.")
    await expect(shown.last.locator(".reply")).to_have_text("Half")
    await expect(shown.last.locator(".ending.bad")).to_contain_text("The model failed. The model server is down.")
    await console.page.get_by_text("System prompt").click()
    await expect(console.get("details p")).to_have_text("Be <b>brief</b>.")


async def test_a_wrong_filter_is_told(console: Tab) -> None:
    console.expected.append("status of 422")
    await console.page.set_viewport_size({"width": 390, "height": 780})
    await console.open("/console/history")
    await console.page.get_by_label("User id").fill("not an id")
    await console.page.get_by_role("button", name="Show").click()
    await expect(console.get("#state")).to_contain_text("Check ids and days")
    await expect(console.get("#state .problem")).to_be_in_viewport()


async def test_the_history_is_exported_with_its_filters(console: Tab, administrator: Person, person: Person) -> None:
    await person.say(await person.conversation(), "green tea")
    await console.open(f"/console/history?username={person.username}")
    await console.page.evaluate(WATCH_EXPORT)
    texts = {}
    for kind in ("JSONL", "CSV"):
        await console.page.get_by_label("Reason").fill(REASON)
        async with console.page.expect_download() as downloading:
            await console.page.get_by_role("button", name=f"Export as {kind}").click()
        download = await downloading.value
        assert download.suggested_filename == f"history.{kind.lower()}"
        texts[kind] = Path(await download.path()).read_text(encoding="utf-8")
    await expect(console.get("#exporting")).to_contain_text("Exported")
    told = await console.page.evaluate("told")
    assert [told[0], told[1][:10], told[-1][:9]] == ["Exporting…", "Exporting:", "Exported:"]
    assert texts["CSV"].startswith("\ufeff")  # by which spreadsheets know the encoding
    assert [json.loads(line)["prompt"]["content"] for line in texts["JSONL"].splitlines()] == ["green tea"]
    assert [row["prompt"] for row in csv.DictReader(io.StringIO(texts["CSV"].removeprefix("\ufeff")))] == ["green tea"]
    assert await reasons(administrator, person, "history_exported") == [REASON, REASON]


async def test_a_conversation_is_read_for_a_reason(console: Tab, administrator: Person, person: Person) -> None:
    conversation = await person.conversation(title="tea")
    for number in range(32):
        await person.say(conversation, f"number {number}")
    await console.open(f"/console/conversations/{conversation}")
    await console.page.get_by_role("button", name="Read", exact=True).click()
    await expect(console.get("#why .problem")).to_contain_text("Fill in")
    assert await reasons(administrator, person, "conversation_read") == []
    await console.page.get_by_label("Why are you reading").fill(REASON)
    await console.page.get_by_role("button", name="Read", exact=True).click()
    await expect(console.get("#title")).to_have_text("tea")
    await expect(console.get(".turn")).to_have_count(30)
    await expect(console.get(".turn .prompt").last).to_have_text("number 31")
    await console.page.get_by_role("button", name="More").click()
    await expect(console.get(".turn")).to_have_count(32)
    await expect(console.get(".turn .prompt").first).to_have_text("number 0")
    assert set(await reasons(administrator, person, "conversation_read")) == {REASON}


@pytest.mark.parametrize("signed_in", [True, False])
async def test_the_pages_turns_are_for_administrators(service: RunningService, person: Person, signed_in: bool) -> None:
    conversation = await person.conversation()
    client = (await service.person()).client if signed_in else service.client()
    answer = await client.get(f"/web/console/conversations/{conversation}/turns")
    assert answer.status_code == (403 if signed_in else 401)


async def test_pictures_of_others_are_shown_on_record_and_other_files_saved(
    console: Tab, administrator: Person, person: Person
) -> None:
    conversation = await person.conversation(title="Cups")
    picture, text = await add(person, png(60, 40), "cup.png"), await add(person, b"Sencha", "tea.txt")
    items = [{"type": "image", "file_id": picture["id"]}, {"type": "file", "file_id": text["id"]}]
    await person.say(conversation, "Which cup?", items=items)
    await console.open(f"/console/history?username={person.username}")
    await console.page.get_by_role("button", name="Show").click()
    await expect(console.get("#list li")).to_contain_text("Files: cup.png, tea.txt")
    assert await reasons(administrator, person, "file_read") == []
    await console.open(f"/console/conversations/{conversation}")
    await console.page.get_by_label("Why are you reading this conversation?").fill(REASON)
    await console.page.get_by_role("button", name="Read", exact=True).click()
    shown = console.page.get_by_role("img", name="cup.png")
    await expect(shown).to_be_visible()
    assert await shown.evaluate("(canvas) => [canvas.width, canvas.height]") == [60, 40]
    assert await console.height(".files > .file") < await console.height(".files > .picture")
    assert await reasons(administrator, person, "file_read") == [REASON]
    await assert_accessible(console)
    for name, data in (("cup.png", png(60, 40)), ("tea.txt", b"Sencha")):
        async with console.page.expect_download() as waiting:
            await console.page.get_by_role("button", name=name).click()
        assert Path(await (await waiting.value).path()).read_bytes() == data
    assert await reasons(administrator, person, "file_read") == [REASON, REASON]
    log = (await person.client.get("/api/v1/auth/me/access-log")).json()["items"]
    assert [each["action"] for each in log].count("file_read") == 2


async def test_a_picture_that_is_not_there_is_its_name(
    console: Tab, service: RunningService, administrator: Person, person: Person
) -> None:
    console.expected.append("404")
    conversation, kept = await person.conversation(), await add(person, png(60, 40, shade=2))
    await person.say(conversation, "Which?", items=[{"type": "image", "file_id": kept["id"]}])
    gone = "DELETE FROM files WHERE user_id = :id"
    await change(service.database, gone, id=UUID(person.id))
    await console.open(f"/console/conversations/{conversation}")
    await console.page.get_by_label("Why are you reading this conversation?").fill(REASON)
    await console.page.get_by_role("button", name="Read", exact=True).click()
    await expect(console.get(".file.missing")).to_have_text("tea.png (not available)")


async def test_a_picture_whose_data_is_cut_off_is_its_name_and_can_be_saved(console: Tab, person: Person) -> None:
    whole = png(60, 40, shade=5)
    cut = whole[: len(whole) // 2]
    conversation, kept = await person.conversation(), await add(person, cut)
    await person.say(conversation, "Which?", items=[{"type": "image", "file_id": kept["id"]}])
    await console.open(f"/console/conversations/{conversation}")
    await console.page.get_by_label("Why are you reading this conversation?").fill(REASON)
    await console.page.get_by_role("button", name="Read", exact=True).click()
    await expect(console.get(".file.missing")).to_have_text("tea.png (damaged, cannot be shown)")
    async with console.page.expect_download() as waiting:
        await console.page.get_by_role("button", name="tea.png").click()
    assert Path(await (await waiting.value).path()).read_bytes() == cut
