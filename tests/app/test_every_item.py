"""One turn of every kind of item, through all that can happen to it: its process killed while another replica follows
it, exported, imported, searched, read by an administrator and erased.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.accounts.client import rows
from tests.admin.test_erasure import left
from tests.chat.test_items import events_from, path, said, without_seconds
from tests.support.events import Event, streaming
from tests.support.models import HeldModel
from tests.support.process import serving
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.support.settled import settle
from tests.transfer.upload_client import history, imported

# No other text holds these characters: one of them anywhere gives away what is left.
MARK = "龘靐齉爩"
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": json.dumps({"q": MARK})}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": f"{MARK} is a word"}
CITATION = {"type": "url_citation", "url_citation": {"url": "https://tea.example/", "title": MARK}}
UNKNOWN = {"type": "telepathy", "thought": [None, 1.5, {MARK: MARK}]}
SAID: list[tuple[str, Any]] = [
    ("reasoning", f"What is {MARK}? 👍 kettle"),
    ("item", CALL),
    ("item", OUTPUT),
    ("delta", f"It is {MARK},\u2028teapot "),
    ("item", CITATION),
    ("item", UNKNOWN),
    ("item", {"type": "refusal", "refusal": f"No more {MARK}."}),
    ("reasoning", "And so on"),
]
# A refusal is whole when something else follows.
APPLICATION = f"""
import asyncio
from chatkeep.app import create_app
from chatkeep.chat.models import Item, Reasoning, Refusal, Text
from chatkeep.config import Settings

PIECES = (
    Reasoning("What is {MARK}? ", "reasoning_content"),
    Reasoning("👍 kettle", "reasoning_content"),
    Item({CALL!r}),
    Item({OUTPUT!r}),
    Text("It is {MARK},\\u2028"),
    Text("teapot "),
    Item({CITATION!r}),
    Item({UNKNOWN!r}),
    Refusal("No more "),
    Refusal("{MARK}."),
    Reasoning("And so on", "reasoning_content"),
)


class EveryKind:
    default_name = "every-kind"

    async def stream(self, prompt, *, model, params):
        for piece in PIECES:
            yield piece
            await asyncio.sleep(0.01)
        await asyncio.sleep(3600)

    async def close(self):
        pass


app = create_app(Settings.read(), model=EveryKind())
"""
SETTINGS: dict[str, Any] = {"lease_seconds": 2, "flush_interval_ms": 30}


async def test_every_item_survives_its_process_and_goes_wherever_its_turn_does(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "every_kind.py").write_text(APPLICATION)
    async with running(database_url, model=HeldModel("!"), **SETTINGS) as service:
        author = await service.person(f"author-{secrets.token_hex(4)}")
        conversation = await author.conversation(title="Words")
        turn = await killed_and_followed(service, author, conversation, database_url, tmp_path)
        assert turn["status"] == "interrupted"
        reader = await service.person()
        await exported_and_imported(author, reader, turn)
        for person in (author, reader):
            await found(service, person)
        await read_by_an_administrator(service, author, conversation, turn)
        await erased(service, (author, reader))


async def killed_and_followed(
    service: RunningService, author: Person, conversation: str, database_url: str, tmp_path: Path
) -> dict[str, Any]:
    """Stream the turn from a process that is killed, followed from several places on another; return it as it ended."""
    async with serving(tmp_path, "--app", "every_kind:app", database_url=database_url, **SETTINGS) as process:
        there = Person(service.client(cookies=author.client.cookies), author.id, author.username)
        there.client.base_url = httpx2.URL(process.url)
        seen: list[Event] = []
        async with streaming(there, conversation, f"{MARK}?") as events:
            async for event in events:
                seen.append(event)
                if said(seen) == SAID:
                    break
            turn_id = seen[0].data["id"]
            places = [0, 5, *(event.id or 0 for event in seen if event.name == "item")]
            following = [asyncio.create_task(events_from(author, conversation, turn_id, place)) for place in places]
            await asyncio.sleep(0.5)  # longer than it takes to write down what was seen
            await process.end(signal.SIGKILL)
    end = require_rising(seen[1:], 0)
    for place, followed in zip(places, await asyncio.gather(*following), strict=True):
        assert require_rising(followed[1:-1], place) == max(place, end)
        assert (followed[0].name, followed[-1].name, followed[-1].id) == ("turn", "done", end)
        assert said(followed) == from_place(place)
    whole = await events_from(author, conversation, turn_id, 0)
    assert said(whole) == SAID
    ended: dict[str, Any] = (await author.client.get(path(conversation, turn_id))).json()
    assert ended == whole[-1].data
    return ended


def require_rising(events: Sequence[Event], at: int) -> int:
    """Hold each event to its id, the position after it; return the last."""
    for event in events:
        at += 1 if event.name == "item" else len(event.data["text"])
        assert event.id == at
    return at


def from_place(place: int) -> list[tuple[str, Any]]:
    """Return the items from a position on."""
    rest = []
    for name, what in SAID:
        length = 1 if name == "item" else len(what)
        if place < length:
            rest.append((name, what if name == "item" else what[place:]))
        place = max(0, place - length)
    return rest


async def exported_and_imported(author: Person, reader: Person, turn: dict[str, Any]) -> None:
    assert without_seconds(turn["reply"]["items"]) == [
        {"type": "reasoning", "text": SAID[0][1], "seconds": None, "field": "reasoning_content"},
        CALL,
        OUTPUT,
        {"type": "message", "start": 0, "end": len(SAID[3][1])},
        CITATION,
        UNKNOWN,
        SAID[6][1],
        {"type": "reasoning", "text": "And so on", "seconds": None, "field": "reasoning_content"},
    ]
    file = (await author.client.get("/api/v1/export")).content
    assert (await imported(reader, file))["imported"] == 1
    ((kept,),) = [each["turns"] for each in await history(reader)]
    names = ("status", "finish_reason", "prompt", "reply", "usage", "error", "created_at", "completed_at")
    assert {name: kept[name] for name in names} == {name: turn[name] for name in names}
    assert (await imported(reader, file))["skipped"] == 1


async def found(service: RunningService, person: Person) -> None:
    """A turn is found by its words, by its reasoning only where that is asked for, and not by the work of tools."""
    async with asyncio.timeout(20):
        while await rows(service.database, "SELECT 1 FROM reasoning_entries WHERE lexemes IS NULL LIMIT 1"):
            await asyncio.sleep(0.05)
    for query, many in (("teapot", 1), ("kettle", 0), ("in:reasoning kettle", 1), ("in:reasoning teapot", 0)):
        answer = await person.client.get("/api/v1/search", params={"q": query})
        assert len(answer.json()["items"]) == many, query
    assert (await person.client.get("/api/v1/search", params={"q": "telepathy"})).json()["items"] == []


async def read_by_an_administrator(
    service: RunningService, author: Person, conversation: str, turn: dict[str, Any]
) -> None:
    administrator = await service.administrator()
    listed = (await administrator.client.get(f"/api/v1/admin/conversations/{conversation}/turns")).json()
    assert [each["reply"] for each in listed["items"]] == [turn["reply"]]
    params = {"user_id": author.id, "q": "in:reasoning kettle"}
    searched = (await administrator.client.get("/api/v1/admin/history", params=params)).json()
    assert [each["reply"] for each in searched["items"]] == [turn["reply"]]
    audit = (await administrator.client.get("/api/v1/admin/audit", params={"subject_id": author.id})).text
    assert "history" in audit
    assert MARK not in audit


async def erased(service: RunningService, people: tuple[Person, ...]) -> None:
    await settle(service.chat.turn_store)
    assert "turns" in await left(service, MARK)
    # What turns are found by is numbers, and known by the account.
    assert {"turn_entries", "reasoning_entries"} <= await left(service, ids=(people[0].id,))
    for person in people:
        gone = await person.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})
        assert gone.status_code == 204
    assert await left(service, MARK, ids=tuple(person.id for person in people)) == set()
