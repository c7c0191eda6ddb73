"""Turns of more than text: streamed, kept, followed anywhere, sent back to the model, and what happens when a process
dies in the middle.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkeep.chat.history.fragments import Fragment
from chatkeep.chat.models import (
    End,
    Item,
    ModelError,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TextWasReasoning,
    Usage,
)
from chatkeep.chat.models.context import GO_ON
from chatkeep.chat.reply_log import ReplyLog, stretches_of
from chatkeep.database.database import Database
from tests.chat.history.test_store import begin, new_conversation, new_user, turn
from tests.chat.test_reply_log import replies
from tests.support.events import Event, read_events, streaming
from tests.support.models import HeldModel
from tests.support.process import serving
from tests.support.replicas import ReplicaStore
from tests.support.running_service import Person, RunningService, running
from tests.support.settled import settle
from tests.support.urls import driver_url

CALL = {"type": "function_call", "call_id": "c1", "name": "search", "arguments": '{"q": "お茶"}'}
ODD = {"type": "web_search_call", "action": {"query": "tea", "line\u2028end": [1, None, 2.5]}}
WHOLE: tuple[Piece, ...] = (
    Reasoning("They want ", "reasoning_content"),
    Reasoning("tea. 👍", "reasoning_content"),
    Text("Tea "),
    Text("is\u2028good."),
    Item(CALL),
    Item(ODD),
    Reasoning("And now?", "reasoning_content"),
    Text(" 終わり"),
    Refusal("Not "),
    Refusal("more."),
)
LENGTH = 16 + 12 + 2 + 8 + 4 + 1


def path(conversation: str, turn: str, *rest: str) -> str:
    return "/".join([f"/api/v1/conversations/{conversation}/turns", turn, *rest])


def on(person: Person, service: RunningService) -> Person:
    """The same person, on another replica."""
    return Person(service.client(cookies=person.client.cookies), person.id, person.username)


def without_seconds(items: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if items is None else [{**each, "seconds": None} if "seconds" in each else each for each in items]


def as_stored(value: Any) -> Any:
    """Return a value with its numbers as JSON has them: `jsonb` writes 5e16 as 50000000000000000, which is the same."""
    return json.loads(json.dumps(value), parse_int=Decimal, parse_float=Decimal)


def said(events: Sequence[Event]) -> list[tuple[str, Any]]:
    """The items that came, neighbours of a kind as one."""
    found: list[tuple[str, Any]] = []
    for each in events:
        if each.name == "item":
            found.append(("item", each.data))
        elif each.name in ("delta", "reasoning"):
            if found and found[-1][0] == each.name:
                found[-1] = (each.name, found[-1][1] + each.data["text"])
            else:
                found.append((each.name, each.data["text"]))
    return found


SAID = [
    ("reasoning", "They want tea. 👍"),
    ("delta", "Tea is\u2028good."),
    ("item", CALL),
    ("item", ODD),
    ("reasoning", "And now?"),
    ("delta", " 終わり"),
    ("item", {"type": "refusal", "refusal": "Not more."}),
]
ITEMS = [
    {"type": "reasoning", "text": "They want tea. 👍", "seconds": None, "field": "reasoning_content"},
    {"type": "message", "start": 0, "end": 12},
    CALL,
    ODD,
    {"type": "reasoning", "text": "And now?", "seconds": None, "field": "reasoning_content"},
    {"type": "message", "start": 12, "end": 16},
    {"type": "refusal", "refusal": "Not more."},
]


async def events_from(person: Person, conversation: str, turn: str, start: int) -> list[Event]:
    headers = {"Last-Event-ID": str(start)}
    async with person.client.stream("GET", path(conversation, turn, "events"), headers=headers) as answer:
        assert answer.status_code == 200
        return [event async for event in read_events(answer.aiter_lines())]


def require_rising(events: Sequence[Event], start: int) -> None:
    """Each event's id is the position after it."""
    at = start
    for event in events[1:-1]:
        at += 1 if event.name == "item" else len(event.data["text"])
        assert event.id == at
    assert (events[-1].id, max(at, LENGTH)) == (LENGTH, max(start, LENGTH))


@asynccontextmanager
async def replicas(url: str, model: HeldModel) -> AsyncIterator[tuple[RunningService, RunningService]]:
    async with (
        running(url, model=model, flush_interval_ms=30) as one,
        running(url, model=model, flush_interval_ms=30) as two,
    ):
        yield one, two


async def test_each_kind_is_streamed_kept_and_followed_from_any_position_on_any_replica(
    shared_database_url: str,
) -> None:
    model = HeldModel(*WHOLE[:4], None, *WHOLE[4:], End("stop", Usage(7, 9, 3, 5)))
    async with replicas(shared_database_url, model) as (one, two):
        alice = await one.person()
        elsewhere = on(alice, two)
        conversation = await alice.conversation()
        starts = (0, 1, 16, 17, 20, 29)
        async with streaming(alice, conversation, "Tea?") as events:
            begun = await anext(events)
            await asyncio.sleep(0.2)  # written down by now
            streams = [
                (start, asyncio.create_task(events_from(person, conversation, begun.data["id"], start)))
                for person in (alice, elsewhere)
                for start in starts
            ]
            await asyncio.sleep(0.3)
            read = (await elsewhere.client.get(path(conversation, begun.data["id"]))).json()
            assert (read["status"], read["reply"]["content"]) == ("streaming", "Tea is\u2028good.")
            assert without_seconds(read["reply"]["items"]) == ITEMS[:2]
            model.go_on()
            found = [begun, *[event async for event in events]]
        assert said(found) == SAID
        require_rising(found, 0)
        done = found[-1].data
        assert (done["status"], done["finish_reason"]) == ("complete", "stop")
        assert (done["reply"]["content"], done["reply"]["refusal"]) == ("Tea is\u2028good. 終わり", "Not more.")
        assert without_seconds(done["reply"]["items"]) == ITEMS
        assert done["usage"] == {"input_tokens": 7, "output_tokens": 9, "cached_tokens": 3, "reasoning_tokens": 5}
        assert done["context"] == {"turns": 0, "left_out": 0}
        seconds = [each["seconds"] for each in done["reply"]["items"] if each["type"] == "reasoning"]
        assert all(isinstance(each, float) and each >= 0 for each in seconds)
        for start, stream in streams:
            require_rising(await stream, start)
            assert (await stream)[-1].data == done
        # Afterwards, too, from each position that there is, and beyond.
        for person in (alice, elsewhere):
            for start in (*range(LENGTH + 1), LENGTH + 100):
                later = await events_from(person, conversation, done["id"], start)
                require_rising(later, start)
                assert later[-1].data == done
        assert await elsewhere.turns(conversation) == [done]


async def test_unicodes_line_ends_do_not_end_a_line(shared_database_url: str) -> None:
    model = HeldModel(Reasoning("a\u2028b\u0085c", "think"), "x\u2029y", Item({"type": "z\u2028"}))
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        body = {"content": "line\u2028end", "stream": True}
        answer = await alice.client.post(f"/api/v1/conversations/{conversation}/turns", json=body)
        assert not {"\u2028", "\u2029", "\u0085"} & set(answer.text)
        assert len(answer.text.splitlines()) == len(answer.text.split("\n")) - 1
        (turn,) = await alice.turns(conversation)
        assert (turn["prompt"]["content"], turn["reply"]["content"]) == ("line\u2028end", "x\u2029y")


@pytest.mark.parametrize(
    ("script", "status", "reason", "code", "content"),
    [
        (("All.", End("stop")), "complete", "stop", None, "All."),
        (("Half", End("length")), "incomplete", "length", None, "Half"),
        (("Ha", End("content_filter")), "incomplete", "content_filter", None, "Ha"),
        ((End("content_filter"),), "incomplete", "content_filter", None, ""),
        ((Reasoning("hmm", "think"), End("length")), "incomplete", "length", None, ""),
        ((Item(CALL), End("tool_calls")), "complete", "tool_calls", None, ""),
        ((Reasoning("hmm", "think"), End("stop")), "complete", "stop", None, ""),
        ((End("stop"),), "failed", "stop", "empty_reply", ""),
        ((End("tool_calls"),), "failed", "tool_calls", "empty_reply", ""),
        (("Some", ModelError("Broken.")), "failed", None, "model_error", "Some"),
    ],
)
async def test_how_a_reply_ended_is_said_truly(
    shared_database_url: str,
    script: tuple[Any, ...],
    status: str,
    reason: str | None,
    code: str | None,
    content: str,
) -> None:
    async with running(shared_database_url, model=HeldModel(*script)) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        turn = await alice.say(conversation, "Hi")
        assert (turn["status"], turn["finish_reason"]) == (status, reason)
        assert ((turn["error"] or {}).get("code"), turn["reply"]["content"]) == (code, content)
        assert await alice.turns(conversation) == [turn]


async def test_a_reply_that_was_cut_is_gone_on_with_in_a_turn_below_it(shared_database_url: str) -> None:
    model = HeldModel("one, ", End("length"))
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        cut = await alice.say(conversation, "count")
        goes_on = path(conversation, cut["id"], "continue")
        model.script = ("two.",)
        answer = await alice.client.post(goes_on, json={"stream": False})
        turn = answer.json()
        assert (answer.status_code, turn["parent_id"], turn["continues"]) == (201, cut["id"], cut["id"])
        assert (turn["prompt"]["content"], turn["reply"]["content"], turn["index"]) == ("", "two.", 1)
        # Once more: another version of it, which goes on as well.
        again = await alice.client.post(path(conversation, turn["id"], "regenerate"), json={"stream": False})
        assert (again.json()["continues"], again.json()["siblings"]["count"]) == (cut["id"], 2)
        assert [each.get_contents()[-1].message for each in model.prompts] == ["count", GO_ON, GO_ON]
        # What is whole cannot be gone on with, and what is somebody else's is not there.
        refused = await alice.client.post(path(conversation, turn["id"], "continue"))
        assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_continue")
        bob = await service.person()
        assert (await bob.client.post(goes_on)).status_code == 404
        listed = await alice.turns(conversation)
        assert [each["continues"] for each in listed] == [cut["id"], None]
        await alice.say(conversation, "and now?")
        assert [each.message for each in model.prompts[-1].get_contents()] == ["count", "one, two.", "and now?"]


async def test_outputs_of_tools_are_a_prompt_and_go_to_the_model_with_their_call(shared_database_url: str) -> None:
    model = HeldModel(Reasoning("Look it up.", "reasoning_content"), Item(CALL), End("tool_calls"))
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        tools = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
        await alice.say(conversation, "Tea?", tools=tools, tool_choice="auto")
        assert model.prompts[-1].tools == {"tools": tools, "tool_choice": "auto"}
        model.script = ("Tea is good.",)
        output = {"type": "function_call_output", "call_id": "c1", "output": "good"}
        turn = await alice.say(conversation, "", items=[output])
        assert turn["prompt"] == {"content": "", "items": [output]}
        roles = [each["role"] for each in model.prompts[-1].to_openai_messages()]
        assert roles == ["user", "assistant", "tool"]
        assert model.prompts[-1].to_openai_messages()[1]["reasoning_content"] == "Look it up."
        # Asked again, it is shown the same.
        await alice.client.post(path(conversation, turn["id"], "regenerate"), json={"stream": False})
        assert model.prompts[-1].to_openai_messages() == model.prompts[-2].to_openai_messages()
        await alice.say(conversation, "Thanks")
        assert [each["role"] for each in model.prompts[-1].to_openai_messages()] == [
            *roles,
            "assistant",
            "user",
        ]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"content": "", "items": [{"type": "message", "text": "a"}]}, ("a", None)),
        (
            {"content": "a", "items": [{"type": "x", "y": 1}]},
            ("a", [{"type": "x", "y": 1}, {"type": "message", "start": 0, "end": 1}]),
        ),
        (
            {
                "content": "",
                "items": [{"type": "message", "text": "👍"}, {"type": "x"}, {"type": "message", "text": "b"}],
            },
            (
                "👍\n\nb",
                [{"type": "message", "start": 0, "end": 1}, {"type": "x"}, {"type": "message", "start": 1, "end": 4}],
            ),
        ),
        ({"content": "", "items": []}, None),
        ({"content": ""}, None),
        ({"content": "a", "items": [{"type": "message", "text": "a"}]}, None),
        ({"content": "a", "items": [{"type": "image", "file_id": "f"}]}, None),
        ({"content": "a", "items": [{"no": "type"}]}, None),
        ({"content": "a", "items": ["text"]}, None),
    ],
)
async def test_what_a_prompt_is_made_of(
    service: RunningService, body: dict[str, Any], kept: tuple[str, Any] | None
) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    answer = await alice.client.post(f"/api/v1/conversations/{conversation}/turns", json={**body, "stream": False})
    if kept is None:
        assert answer.status_code == 422, answer.text
        assert await alice.turns(conversation) == []
    else:
        assert answer.json()["prompt"] == {"content": kept[0], "items": kept[1]}


async def test_how_many_turns_were_left_out_is_kept(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("ok"), context_tokens=256) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        shown = [(await alice.say(conversation, "word " * 60))["context"] for _ in range(4)]
        assert shown[0] == {"turns": 0, "left_out": 0}
        assert [each["turns"] + each["left_out"] for each in shown] == [0, 1, 2, 3]
        assert shown[-1]["left_out"] > 0


async def test_a_thought_that_began_as_text_is_kept_as_one_also_when_the_process_dies(
    shared_database_url: str,
) -> None:
    model = HeldModel("They greet. ", None, TextWasReasoning("think"), "Hello!", None)
    async with replicas(shared_database_url, model) as (one, two):
        alice = await one.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            begun = await anext(events)
            assert (await anext(events)).data == {"text": "They greet. "}
            elsewhere = path(conversation, begun.data["id"])
            model.go_on()
            async with asyncio.timeout(20):
                while True:
                    read = (await on(alice, two).client.get(elsewhere)).json()
                    if read["reply"] and read["reply"]["content"] == "Hello!":
                        break
                    await asyncio.sleep(0.05)
            assert [each["type"] for each in read["reply"]["items"]] == ["reasoning", "message"]


async def test_a_plain_turn_writes_the_rows_and_bytes_that_it_always_did(database_url: str) -> None:
    model = HeldModel("Hello ", "world.", None, "!")
    async with running(database_url, model=model, flush_interval_ms=30) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        connection = await asyncpg.connect(driver_url(database_url))
        counted = "SELECT " + ", ".join(
            f"(SELECT count(*) FROM {table}) AS {table}"
            for table in (
                "turns",
                "turn_entries",
                "reasoning_entries",
                "reply_fragments",
                "unsettled_turns",
                "unusual_turns",
                "turn_files",
                "files",
                "file_usage",
            )
        )
        no_files = dict.fromkeys(("turn_files", "files", "file_usage"), 0)
        async with streaming(alice, conversation, "Hi") as events:
            begun = await connection.fetchrow(f"SELECT {', '.join(NEW)} FROM turns")
            assert begun is not None
            assert set(begun.values()) == {None}
            async with asyncio.timeout(10):
                while (await connection.fetchval("SELECT count(*) FROM reply_fragments")) == 0:
                    await asyncio.sleep(0.02)
            assert dict(await connection.fetchrow(counted) or {}) == {
                "turns": 1,
                "turn_entries": 0,
                "reasoning_entries": 0,
                "reply_fragments": 1,
                "unsettled_turns": 1,
                "unusual_turns": 0,
                **no_files,
            }
            model.go_on()
            assert [event.name async for event in events][-1] == "done"
        await settle(service.chat.turn_store)
        assert dict(await connection.fetchrow(counted) or {}) == {
            "turns": 1,
            "turn_entries": 1,
            "reasoning_entries": 0,
            "reply_fragments": 0,
            "unsettled_turns": 0,
            "unusual_turns": 0,
            **no_files,
        }
        now, before = await connection.fetchrow(
            f"SELECT pg_column_size(t.*), pg_column_size(ROW({', '.join(OLD)})) FROM turns t"
        ) or (0, 0)
        assert 0 < now <= before
        kept = await connection.fetchrow(f"SELECT {', '.join(NEW)} FROM turns")
        assert dict(kept or {}) == dict.fromkeys(NEW) | {"finish_reason": "stop", "left_out": 0}
        await connection.close()


NEW = (
    "finish_reason",
    "prompt_items",
    "reply_items",
    "cached_tokens",
    "reasoning_tokens",
    "left_out",
    "continues",
)
# A turn's row as it was before there were items, with the process that generated it.
OLD = (
    *("t.user_id", "t.id", "t.conversation_id", "t.parent_id", "t.position", "t.status", "t.prompt", "t.reply"),
    *("t.model", "t.params", "t.input_tokens", "t.output_tokens", "t.error_code", "t.error_detail", "t.rating"),
    *("t.comment", "t.idempotency_key", "t.request_digest", "t.stop_requested", "t.user_id", "t.created_at"),
    "t.completed_at",
)


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url, pool_size=8)
    yield database
    await database.close()


@settings(max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=replies, cuts=st.lists(st.integers(0, 40), max_size=4))
async def test_of_the_dead_sql_keeps_what_the_process_would_have_kept(
    database: Database, pieces: list[Piece], cuts: list[int]
) -> None:
    dead = ReplicaStore(database, lease_seconds=600)
    await dead.replica.renew_lease()
    user_id = await new_user(database)
    begun = await begin(dead, (user_id, await new_conversation(database, user_id)))
    log = ReplyLog()
    for piece in pieces:
        log.append(piece)
    log.finish()
    written = 0
    for cut in [*sorted(cuts), log.length]:
        if min(cut, log.length) <= written:
            continue
        new = log.stretches(written, cut - written)
        sent = [Fragment(user_id, begun.id, each.position, each.text, each.kind) for each in new]
        for _ in range(2):  # it was not known whether the first arrived
            assert await dead.flush(sent) == {begun.id: False}
        written = new[-1].position + new[-1].length
        followed = await dead.written(begun, 0, 1000)
        assert followed is not None
        assert list(followed.stretches) == log.stretches(0, written)[: len(followed.stretches)]
    expected = (log.text(), as_stored(without_seconds(log.items())))
    streaming = await turn(database, begun)
    assert ((streaming["reply"] or ""), as_stored(streaming["reply_items"])) == expected
    await dead.replica.release_lease()
    await ReplicaStore(database, lease_seconds=10).recovery().interrupt_stalled()
    kept = await turn(database, begun)
    assert (kept["status"], kept["reply"] or "", as_stored(kept["reply_items"])) == ("interrupted", *expected)
    assert list(stretches_of(str(kept["reply"] or ""), log.items())) == log.stretches()


async def test_after_kill_9_in_the_middle_another_replica_has_all_that_was_seen(
    database_url: str, tmp_path: Path
) -> None:
    application = tmp_path / "thinking.py"
    application.write_text(APPLICATION)
    options = {"database_url": database_url, "lease_seconds": 2, "flush_interval_ms": 50}
    async with running(database_url, model=HeldModel("!"), lease_seconds=2, flush_interval_ms=50) as other:
        alice = await other.person(f"alice-{secrets.token_hex(4)}")
        conversation = await alice.conversation()
        async with serving(tmp_path, "--app", "thinking:app", **options) as service:
            there = Person(other.client(cookies=alice.client.cookies), alice.id, alice.username)
            there.client.base_url = httpx2.URL(service.url)
            seen: list[Event] = []
            async with streaming(there, conversation, "Think") as events:
                async for event in events:
                    seen.append(event)
                    if event.name == "item":
                        break
                await asyncio.sleep(0.4)
                await service.end(signal.SIGKILL)
        turn = seen[0].data["id"]
        rest = await events_from(alice, conversation, turn, seen[-1].id or 0)
        done = rest[-1].data
        assert done["status"] == "interrupted"
        whole = await events_from(alice, conversation, turn, 0)
        assert said(whole)[: len(said(seen))] == said(seen)
        assert [each["type"] for each in done["reply"]["items"]] == ["reasoning", "message", "function_call"]
        assert done["reply"]["content"] == "Well, "
        assert (await alice.say(conversation, "Go on"))["status"] == "complete"


APPLICATION = """
import asyncio
from chatkeep.app import create_app
from chatkeep.chat.models import Item, Reasoning, Text
from chatkeep.config import Settings


class Thinking:
    default_name = "thinking"

    async def stream(self, prompt, *, model, params):
        for each in (
            Reasoning("What is ", "reasoning"),
            Reasoning("asked?", "reasoning"),
            Text("Well, "),
            Item({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}),
        ):
            yield each
        await asyncio.sleep(3600)

    async def close(self):
        pass


app = create_app(Settings.read(), model=Thinking())
"""
