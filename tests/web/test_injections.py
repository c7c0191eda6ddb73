"""Whatever people and models write stays text: nothing of it runs, and nothing of it is loaded, in any view.

`injections.jsonl` holds what is tried, one a line. Each calls `ran()`, or loads something from `evil.invalid`.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from service.web.markdown import render
from tests.support.running import PASSWORD, Person, RunningService
from tests.web.browsing import Tab, browsing
from tests.web.models import TaughtModel

LINES = Path(__file__).with_name("injections.jsonl").read_text(encoding="utf-8").splitlines()
INJECTIONS: list[str] = [json.loads(line) for line in LINES]
# What a page may hold of elements, and what of attributes; anything else came in with somebody's text.
LOOK = r"""() => {
  const elements = ["style", "link", "meta", "base", "img", "image", "iframe", "frame", "object", "embed", "video",
    "audio", "source", "picture", "math", "foreignObject", "animate", "template", "script"];
  const addresses = ["href", "src", "action", "formaction", "data", "poster", "background", "ping", "srcdoc"];
  const faults = [];
  for (const each of document.querySelectorAll("body *")) {
    if (elements.includes(each.localName)) faults.push(each.outerHTML.slice(0, 200));
    for (const { name, value } of each.attributes) {
      const runs = /^on/i.test(name) || (addresses.includes(name) && /^\s*(javascript|data|vbscript):/i.test(value));
      if (runs || (name === "style" && !/^(height|top|left)/.test(value))) faults.push(`${name}=${value}`);
    }
  }
  return faults;
}"""


@pytest.fixture
async def watched(browser: Browser, service: RunningService, person: Person) -> AsyncIterator[Tab]:
    """A tab where what runs is told; `Tab` itself tells what is loaded from elsewhere."""
    async with browsing(browser, service, person) as tab:
        await tab.page.add_init_script("globalThis.ran = () => { throw new Error('an injection ran'); };")
        yield tab
        assert await tab.page.evaluate(LOOK) == []


def test_there_are_more_than_a_hundred() -> None:
    assert len(set(INJECTIONS)) == len(INJECTIONS) > 100


def test_rendered_markdown_holds_no_more_than_it_may() -> None:
    for text in INJECTIONS:
        html = render(text).lower()
        for bad in (
            "<script",
            "<img",
            "<svg",
            "<iframe",
            "<style",
            "<form",
            "<input",
            "<math",
            "<object",
            'href="javascript',
        ):
            assert bad not in html, text
        assert not [tag for tag in html.split("<")[1:] if " on" in tag.partition(">")[0]], text


@pytest.fixture
async def conversation_id(person: Person) -> str:
    """A conversation in which everything was said and answered."""
    conversation_id = await person.conversation(title=INJECTIONS[0], system_prompt=INJECTIONS[1], model=INJECTIONS[0])
    for text in INJECTIONS:
        await person.say(conversation_id, text)
    return conversation_id


async def test_prompts_and_replies_stay_text(watched: Tab, model: TaughtModel, conversation_id: str) -> None:
    await watched.open(f"/c/{conversation_id}")
    await expect(watched.reply()).to_contain_text("You said:")
    for _ in range(12):
        await watched.get("#scroller").evaluate("e => e.scrollTo(0, 0)")
        await watched.page.wait_for_timeout(60)
        assert await watched.page.evaluate(LOOK) == []
    first = watched.get(".turn").first
    await expect(first.locator(".prompt")).to_have_text(INJECTIONS[0])
    await watched.get("#settings").click()
    await expect(watched.page.get_by_role("dialog").locator("textarea")).to_have_value(INJECTIONS[1])


async def test_a_reply_stays_text_while_it_is_written(watched: Tab, model: TaughtModel) -> None:
    text = "\n\n".join(INJECTIONS)
    halves = (text[: len(text) // 2], text[len(text) // 2 :])
    model.teach("write them all", halves[0], None, halves[1])
    await watched.open()
    await watched.say("write them all", wait=False)
    await expect(watched.reply().locator(".part").nth(1)).to_be_attached()
    assert await watched.page.evaluate(LOOK) == []
    model.go_on("write them all")
    await watched.answered()
    await expect(watched.reply()).to_contain_text("ran()")


async def test_titles_menus_dialogs_and_notices_stay_text(watched: Tab, person: Person) -> None:
    for text in INJECTIONS:
        await person.conversation(title=text)
    await watched.open()
    while await watched.get("#list a").count() < len(INJECTIONS):
        await watched.get("#listed").evaluate("e => e.scrollTo(0, e.scrollHeight)")
        await watched.page.wait_for_timeout(30)
    assert await watched.get("#list a").all_text_contents() == INJECTIONS[::-1]
    assert await watched.page.evaluate(LOOK) == []
    await watched.get("#list a").first.click()
    await watched.menu("Rename")
    await watched.page.get_by_role("textbox", name="Title").fill(INJECTIONS[16])
    await watched.page.get_by_role("textbox", name="Title").press("Enter")
    await expect(watched.get("h1#title")).to_have_text(INJECTIONS[16])
    assert await watched.page.title() == f"{INJECTIONS[16]} · Chatkeep"
    await watched.menu("Delete")
    await expect(watched.get(".toast")).to_contain_text(INJECTIONS[16])


async def test_search_results_stay_text(watched: Tab, conversation_id: str) -> None:
    await watched.open()
    for asked in ("ran", "<script>", "日本語", "onerror"):
        await watched.get("#search").fill(asked)
        await expect(watched.get("#list .hit mark").first).to_be_attached()
        assert await watched.page.evaluate(LOOK) == []
        await watched.get("#listed").evaluate("e => e.scrollTo(0, e.scrollHeight)")
    await expect(watched.get("#list .hit .snippet").first).to_contain_text("onerror=ran()")


async def test_names_sessions_and_tokens_stay_text(watched: Tab, service: RunningService, person: Person) -> None:
    for text in INJECTIONS[:40]:
        await person.client.post("/api/v1/auth/tokens", json={"name": text[:200]})
    agent = service.client(headers={"User-Agent": INJECTIONS[16]})
    await agent.post("/api/v1/auth/login", json={"username": person.username, "password": PASSWORD})
    await person.client.patch(
        "/api/v1/auth/me", json={"display_name": INJECTIONS[16], "email": "'\"<svg/onload=ran()>@x.y"}
    )
    await watched.open("/account")
    await expect(watched.get("#tokens li strong")).to_have_count(20)
    await watched.get("#tokens").get_by_role("button", name="More").click()
    await expect(watched.get("#tokens li strong")).to_have_count(40)
    await expect(watched.get("#sessions li").filter(has_text=INJECTIONS[16])).to_have_count(1)
    await expect(watched.get("#who")).to_contain_text(INJECTIONS[16])
    assert await watched.page.evaluate(LOOK) == []
    await watched.get("#tokens").get_by_role("button", name="Revoke").first.click()
    assert await watched.page.evaluate(LOOK) == []
    await watched.open()
    await expect(watched.get("#me")).to_contain_text(INJECTIONS[16])


@pytest.mark.parametrize("text", ["<script>ran()</script>", "'\"><img src=x onerror=ran()>", "javascript:ran()"])
async def test_addresses_and_cookies_stay_text(watched: Tab, text: str) -> None:
    watched.expected = ["status of 404"]
    cookies = [
        {"name": name, "value": "'\"><svg/onload=ran()>".replace('"', ""), "url": watched.url}
        for name in ("lang", "theme")
    ]
    await watched.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # their type names every field
    await watched.open("/c/x#" + text)
    await watched.open("/?q=" + text)
    await watched.open("/c/01980000-0000-7000-8000-000000000000#" + text)
    await expect(watched.get("#missing")).to_be_visible()
