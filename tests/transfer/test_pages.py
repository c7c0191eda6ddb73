"""Conversations as pages: read in a real browser from a disk, and imported again from the ZIP that they come in."""

import io
import json
import re
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, Page

from chatkeep.clock import utc_now
from chatkeep.transfer.names import name_in_archive
from chatkeep.transfer.pages.archives import account_as_pages
from tests.chat.files.pictures import add, png
from tests.support.running_service import Person, RunningService
from tests.transfer.test_round_trip import without_ids
from tests.transfer.upload_client import history, imported
from tests.web.browser import browser_running
from tests.web.injections import INJECTIONS, LOOK

TEXT = "# Tea\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('茶')\n```\n\n![x](https://evil.invalid/x.png)"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browser_running() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that has no network, and whose every complaint is a failure."""
    context = await browser.new_context(offline=True, color_scheme="dark")
    page = await context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    yield page
    await context.close()
    assert faults == []


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


@pytest.fixture(scope="module")
async def talk(person: Person) -> dict[str, Any]:
    """A conversation with everything that a page shows, and its picture."""
    picture = await add(person, png(7, 5), "茶 & <tea>.png")
    text = await add(person, b"Sencha\n" * 50_000, "notes.txt")
    messages = [
        {"role": "user", "content": "<script>ran()</script>\n  two lines"},
        {
            "role": "assistant",
            "content": TEXT,
            "reasoning_content": "because <b>",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "brew", "arguments": '{"a": "</pre>"}'}}
            ],
        },
    ]
    report = await imported(person, {"id": "page", "title": 'Tea & "CON" / <b>茶</b>', "messages": messages})
    conversation_id = report["conversations"][0]["conversation_id"]
    items = [{"type": "image", "file_id": picture["id"]}, {"type": "file", "file_id": text["id"]}]
    for _ in range(2):
        await person.say(conversation_id, "Which is this?", items=items)
    return {"id": conversation_id, "picture": picture["id"], "text": text["id"]}


async def get(person: Person, path: str, file_format: str, language: str = "en") -> bytes:
    answer = await person.client.get(
        f"/api/v1/{path}", params={"format": file_format}, headers={"Accept-Language": language}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment;")
    return answer.content


async def saved(folder: Path, data: bytes, name: str = "page.html") -> str:
    (folder / name).write_bytes(data)
    return (folder / name).as_uri()


async def test_a_page_shows_a_conversation_without_this_service(
    person: Person, talk: dict[str, Any], page: Page, tmp_path: Path
) -> None:
    data = await get(person, f"conversations/{talk['id']}/export", "html")
    await page.goto(await saved(tmp_path, data))
    assert await page.title() == 'Tea & "CON" / <b>茶</b>'
    assert await page.locator("h1").text_content() == 'Tea & "CON" / <b>茶</b>'
    assert await page.locator(".prompt").first.text_content() == "<script>ran()</script>\n  two lines"
    assert await page.locator("article").count() == 3
    assert await page.locator(".reply table td").all_text_contents() == ["1", "2"]
    assert await page.locator(".reply pre code .nb").first.text_content() == "print"
    assert await page.locator("summary").all_text_contents() == ["Reasoning", "Tool call: brew"]
    await page.locator("summary").first.click()
    assert await page.locator("details pre").first.is_visible()
    # The picture is in the page, once; further down there is a link to it.
    assert await page.evaluate(
        "[...document.images].map((each) => [each.naturalWidth, each.naturalHeight, each.alt])"
    ) == [[7, 5, "茶 & <tea>.png"]]
    assert await page.locator("a.file").all_text_contents() == ["notes.txt", "茶 & <tea>.png", "notes.txt"]
    async with page.expect_download() as downloading:
        await page.locator("a.file[download]").first.click()
    assert Path(await (await downloading.value).path()).read_bytes() == b"Sencha\n" * 50_000
    # Dark, as the reader's system says; on paper it is light.
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    await page.emulate_media(media="print")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


async def test_a_page_lets_nothing_run_or_load(
    person: Person, talk: dict[str, Any], page: Page, tmp_path: Path
) -> None:
    data = await get(person, f"conversations/{talk['id']}/export", "html")
    assert not re.search(rb"<script|<link|\son\w+=|\sstyle=", data.split(b"</style>")[1].replace(b"&lt;script", b""))
    policy = re.findall(rb'Content-Security-Policy" content="([^"]+)"', data)[0].decode()
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    # Even if something slipped through.
    bad = data.replace(b"</main>", b"<script>document.title = 'ran'</script><style>body{display:none}</style></main>")
    context = await page.context.browser.new_context() if page.context.browser else page.context
    other = await context.new_page()
    await other.goto(await saved(tmp_path, bad, "bad.html"))
    assert await other.title() != "ran"
    assert await other.evaluate("getComputedStyle(document.body).display") == "block"
    await context.close()


async def test_pages_are_in_both_languages(person: Person, talk: dict[str, Any], page: Page, tmp_path: Path) -> None:
    data = await get(person, f"conversations/{talk['id']}/export", "html", "ja")
    await page.goto(await saved(tmp_path, data))
    assert await page.get_attribute("html", "lang") == "ja"
    assert await page.locator("summary").all_text_contents() == ["思考の過程", "ツールの呼び出し：brew"]
    assert "に書き出しました" in (await page.locator("header").text_content() or "")


async def test_whatever_was_written_stays_text_on_a_page(service: RunningService, page: Page, tmp_path: Path) -> None:
    person = await service.person()
    everything = "\n".join(INJECTIONS)
    items = [{"type": each, "name": each, "arguments": each, "refusal": each} for each in INJECTIONS[:20]]
    messages: list[Any] = []
    for each in (*INJECTIONS, everything):
        messages += [{"role": "user", "content": each}, {"role": "assistant", "content": each, "model": each[:100]}]
    report = await imported(person, {"id": "bad", "title": everything[:400], "messages": messages})
    conversation_id = report["conversations"][0]["conversation_id"]
    await person.say(conversation_id, everything, items=items)
    await page.add_init_script("window.ran = () => { document.title = 'it ran'; }")
    await page.goto(await saved(tmp_path, await get(person, f"conversations/{conversation_id}/export", "html")))
    assert await page.locator("article").count() == len(INJECTIONS) + 2
    assert await page.evaluate(f"({LOOK})()") == []
    assert "it ran" not in await page.title()


async def test_a_zip_for_a_person_is_read_and_imported_again(
    service: RunningService, person: Person, talk: dict[str, Any], page: Page, tmp_path: Path
) -> None:
    await person.conversation()
    titles = ["CON", "a/b\\c:d*e?", "x" * 300, "茶" * 200, ".", "same", "same", "\u202egpj.exe", "日本語 #1 50%.html"]
    for title in titles:
        await person.client.post("/api/v1/conversations", json={"title": title})
    data = await get(person, "export", "html")
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len({each.casefold() for each in names}) == len(names)
    assert {"README.txt", "index.html", "history.jsonl", f"files/{talk['picture']}.png"} <= set(names)
    archive.extractall(tmp_path)
    await page.goto((tmp_path / "index.html").as_uri())
    links = page.locator("a")
    assert await links.count() == len(history_ := await history(person))
    # Newest first.
    assert await links.first.text_content() == titles[-1]
    for number in range(await links.count()):
        await page.goto((tmp_path / "index.html").as_uri())
        heading = await links.nth(number).text_content()
        await links.nth(number).click()
        assert await page.locator("h1").text_content() == heading
    # The oldest is the one with the picture, which lies beside it.
    assert await page.evaluate("[...document.images].map((each) => each.naturalWidth)") == [7, 7]
    other = await service.person()
    report = await imported(other, data)
    assert (report["imported"], report["failed"], report["left_out"]) == (len(history_), [], [])
    assert told(await history(other)) == told(history_)
    assert (await imported(other, data))["skipped"] == len(history_)


def told(exported: list[dict[str, Any]]) -> Any:
    """Return a history without what is another in each account."""
    text = json.dumps(without_ids(exported))
    return re.sub(r'"file_id": "[^"]+"', '"file_id": ""', text)


async def test_a_conversations_zip_has_it_all_and_no_more(
    service: RunningService, person: Person, talk: dict[str, Any]
) -> None:
    await add(person, png(3, 3, shade=9), "another.png")
    # A branch that is not shown has a picture of its own.
    third = await add(person, png(4, 4, shade=9), "third.png")
    turns = await person.turns(talk["id"])
    path = f"/api/v1/conversations/{talk['id']}"
    edit = f"{path}/turns/{turns[0]['id']}/edit"
    body = {"content": "?", "stream": False, "items": [{"type": "image", "file_id": third["id"]}]}
    assert (await person.client.post(edit, json=body)).status_code == 201
    await person.client.patch(path, json={"head_turn_id": turns[0]["id"]})
    data = await get(person, f"conversations/{talk['id']}/export", "zip")
    archive = zipfile.ZipFile(io.BytesIO(data))
    files = {f"files/{talk['picture']}.png", f"files/{talk['text']}.txt", f"files/{third['id']}.png"}
    assert {each for each in archive.namelist() if each.startswith("files/")} == files
    suffixes = [each.rpartition(".")[2] for each in archive.namelist() if not each.startswith("files/")]
    assert suffixes == ["html", "md", "jsonl"]
    (markdown,) = [each for each in archive.namelist() if each.endswith(".md")]
    assert f"![茶 & \\<tea\\>.png](files/{talk['picture']}.png)" in archive.read(markdown).decode()
    other = await service.person()
    report = await imported(other, data)
    assert (report["imported"], report["failed"], report["left_out"]) == (1, [], [])
    own = [each for each in await history(person) if each["id"] == talk["id"]]
    assert told(await history(other)) == told(own)


async def test_a_piece_of_a_page_is_held_by_nobody_while_its_client_reads_it(
    service: RunningService, person: Person, talk: dict[str, Any]
) -> None:
    chunks = account_as_pages(service.chat.files, UUID(person.id), "en", utc_now())
    async with aclosing(chunks):
        count = 0
        while (piece := await anext(chunks, None)) is not None:
            count += 1
            assert sys.getrefcount(piece) == 2  # a name here, and the parameter of what counts
            del piece
    assert count > 3


@settings(max_examples=500, derandomize=True)
@given(
    st.integers(1, 99_999),
    st.text(max_size=300) | st.sampled_from(["CON", "nul.txt", "a. . .", "👩‍👩‍👧" * 60, "e\u0301" * 99]),
)
def test_names_are_taken_by_every_system(number: int, title: str) -> None:
    name = f"{name_in_archive(number, title)}.html"
    assert not set('<>:"/\\|?*') & set(name)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", name)
    assert len(name.encode()) <= 255
    assert len(name.encode("utf-16-le")) // 2 <= 120
    assert re.match(r"\d{5}[ .]", name)
    assert not re.search(r"[ .]\.html$", name)
