"""Texts that would run or load something if they were taken for more than text, in every place that a text can have.

`injections.jsonl` holds them, one a line. Each calls `ran()`, or loads something from `evil.invalid`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from playwright.async_api import Browser

from tests.support.running_service import Person, RunningService
from tests.support.urls import driver_url
from tests.web.browser import Tab, browsing

LINES = Path(__file__).with_name("injections.jsonl").read_text(encoding="utf-8").splitlines()
INJECTIONS: list[str] = [json.loads(line) for line in LINES]
EVERYTHING = "\n".join(INJECTIONS)
# What a page may hold of elements, and what of attributes; anything else came in with somebody's text.
LOOK = r"""() => {
  const elements = ["style", "link", "meta", "base", "img", "image", "iframe", "frame", "object", "embed", "video",
    "audio", "source", "picture", "foreignObject", "animate", "template", "script"];
  const addresses = ["href", "src", "action", "formaction", "data", "poster", "background", "ping", "srcdoc"];
  const faults = [];
  for (const each of document.querySelectorAll("body *")) {
    if (each.localName === "math" && !each.closest(".reply")) faults.push(each.outerHTML.slice(0, 200));
    if (elements.includes(each.localName)) faults.push(each.outerHTML.slice(0, 200));
    for (const { name, value } of each.attributes) {
      const runs = /^on/i.test(name) || (addresses.includes(name) && /^\s*(javascript|data|vbscript):/i.test(value));
      if (runs || (name === "style" && !/^(height|top|left)/.test(value))) faults.push(`${name}=${value}`);
    }
  }
  return faults;
}"""
SESSIONS = """
INSERT INTO login_sessions (digest, id, user_id, created_at, last_seen_at, expires_at, ip, user_agent)
SELECT sha256(convert_to('session ' || n, 'UTF8')), gen_random_uuid(), $1, now(), now(), now() + '1 day', it, it
FROM unnest($2::text[]) WITH ORDINALITY AS given (it, n)
"""
TOKENS = """
INSERT INTO access_tokens (digest, id, user_id, created_at, name)
SELECT sha256(convert_to('token ' || n, 'UTF8')), gen_random_uuid(), $1, now(), it
FROM unnest($2::text[]) WITH ORDINALITY AS given (it, n)
"""
USERS = """
INSERT INTO users (id, username, username_key, display_name, email, created_at)
SELECT gen_random_uuid(), it, 'named ' || n, it, it, now() FROM unnest($1::text[]) WITH ORDINALITY AS given (it, n)
"""
# A process of its own, which nobody takes for dead, is answering each of the users who are called so.
RUNNING = """
WITH process AS (
    INSERT INTO replicas (id, started_at, lease_expires_at) VALUES (gen_random_uuid(), now(), now() + '1 day')
    RETURNING id
), begun AS (
    INSERT INTO conversations (user_id, id, title, created_at, updated_at, last_turn_at)
    SELECT id, gen_random_uuid(), username, now(), now(), now() FROM users WHERE username = ANY ($1) RETURNING *
), turn AS (
    INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, model, created_at)
    SELECT user_id, gen_random_uuid(), id, 0, 'streaming', title, title, now() FROM begun RETURNING *
)
INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id)
SELECT user_id, turn.id, conversation_id, process.id FROM turn, process
"""
COUNTED = """
INSERT INTO statistics (hour, model, measure, bucket, count)
SELECT date_trunc('hour', now()), it, 'complete', 0, 1 FROM unnest($1::text[]) AS given (it)
"""
ON_RECORD = """
WITH numbered AS (SELECT id, row_number() OVER (ORDER BY chain, seq) AS n FROM audit_events)
UPDATE audit_events SET reason = it, address = it, action = it, details = jsonb_build_object(it, it)
FROM numbered JOIN unnest($1::text[]) WITH ORDINALITY AS given (it, n) USING (n) WHERE audit_events.id = numbered.id
"""


@asynccontextmanager
async def watching(browser: Browser, service: RunningService, person: Person) -> AsyncIterator[Tab]:
    """Open a tab where what runs is told; `Tab` itself tells what is loaded from elsewhere, and every dialog."""
    async with browsing(browser, service, person) as tab:
        await tab.page.add_init_script("globalThis.ran = () => { throw new Error('an injection ran'); };")
        yield tab
        await look(tab)


async def look(tab: Tab) -> None:
    assert await tab.page.evaluate(LOOK) == []


def _turn(number: int, text: str, parent: str | None) -> dict[str, Any]:
    failed = number % 3 == 0
    return {
        "id": f"01980000-0000-7000-8000-{number:012x}",
        "parent_id": parent,
        "status": "failed" if failed else "complete",
        "prompt": {"content": text},
        "reply": {"content": text},
        "model": text[:200],
        "error": {"code": "model_error", "detail": text} if failed else None,
        "feedback": {"rating": -1, "comment": text},
        "created_at": "2026-01-01T00:00:00Z",
    }


def _conversation(number: int, text: str, turns: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format": "chatkeep/1",
        "id": f"01980000-0001-7000-8000-{number:012x}",
        "title": text,
        "system_prompt": text,
        "model": text[:200],
        "metadata": {text: text},
        "created_at": "2026-01-01T00:00:00Z",
        "turns": turns,
    }


def account_file() -> bytes:
    """An export of this service's: a conversation of all, and one of each, with it in every field."""
    path: list[dict[str, Any]] = []
    for number, text in enumerate(INJECTIONS):
        path.append(_turn(number, text, path[-1]["id"] if path else None))
    whole = [_conversation(0, INJECTIONS[0], path)]
    whole += [_conversation(n + 1, text, [_turn(1000 + n, text, None)]) for n, text in enumerate(INJECTIONS)]
    return "\n".join(map(json.dumps, whole)).encode()


def _mapping(model: str) -> dict[str, Any]:
    said = [("s", "system", None), ("u", "user", "s"), ("a", "assistant", "u")]
    content = {"content_type": "text", "parts": [EVERYTHING]}
    metadata = {"model_slug": model, "citations": INJECTIONS}
    return {
        name: {
            "id": name,
            "parent": parent,
            "message": {"author": {"role": role, "name": EVERYTHING}, "content": content, "metadata": metadata},
        }
        for name, role, parent in said
    }


def chatgpt_file() -> bytes:
    """An export of ChatGPT's: one conversation with all in every field, and some that cannot be kept."""
    kept = {"id": INJECTIONS[1], "title": EVERYTHING, "mapping": _mapping(INJECTIONS[16]), "current_node": "a"}
    refused = [{"id": text, "title": text, "mapping": {"a": {}}} for text in INJECTIONS[2:22]]
    return json.dumps([kept, *refused]).encode()


async def write_everywhere(service: RunningService, database_url: str, person: Person) -> str:
    """Give `person` all of it, their readers and the other users too; return their conversation of all."""
    answer = await person.client.post("/api/v1/import", content=account_file())
    assert answer.json()["imported"] == len(INJECTIONS) + 1, answer.text
    conversation_id = str(answer.json()["conversations"][0]["conversation_id"])
    reader = await service.person()
    administrator = await service.administrator()
    await administrator.client.patch(f"/api/v1/admin/users/{reader.id}", json={"role": "admin"})
    await reader.client.get(f"/api/v1/admin/conversations/{conversation_id}")
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        await connection.execute(SESSIONS, UUID(person.id), INJECTIONS)
        await connection.execute(TOKENS, UUID(person.id), INJECTIONS)
        await connection.execute(USERS, INJECTIONS)
        await connection.execute("UPDATE users SET username = $2 WHERE id = $1", UUID(reader.id), EVERYTHING)
        change = "UPDATE users SET display_name = $2, email = $2 WHERE id = $1"
        await connection.execute(change, UUID(person.id), EVERYTHING)
    finally:
        await connection.close()
    return conversation_id


async def run(database_url: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()
