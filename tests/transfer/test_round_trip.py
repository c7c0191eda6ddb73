"""An export that is imported into an empty account is the same history."""

import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkeep.ids import id_at, new_id
from tests.support.running_service import Person, RunningService
from tests.support.unread import add_long_turns
from tests.support.urls import driver_url
from tests.transfer.upload_client import history, imported

NO_ITEMS = {"prompt_items": None, "reply_items": None}
Export = Callable[[Person, str], Awaitable[list[bytes]]]

BEGINNING = datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC)

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
    st.sampled_from(
        ["", " ", "こんにちは、世界", "e\u0301", "\u202e\ufeff", "\\u0000 \\ud800", "😀👩‍👩‍👧", '"]}\n{"', "\u2028"]
    ),
)
objects = st.dictionaries(
    texts,
    st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.lists(texts, max_size=2)),
    max_size=3,
)
params = st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 2), "seed": st.integers(-(2**63), 2**63 - 1)})
models = st.one_of(st.none(), st.sampled_from(["llama3.2", "モデル"]))


items = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.sampled_from(["x", "function_call"])}, optional={"value": texts}),
        st.builds(
            lambda text: {"type": "reasoning", "text": text, "seconds": None, "field": "reasoning"}, texts.filter(bool)
        ),
        st.builds(lambda text: {"type": "refusal", "refusal": text}, texts),
    ),
    max_size=3,
)


@st.composite
def turn(draw: st.DrawFn, number: int) -> dict[str, Any]:
    status = draw(st.sampled_from(["complete", "complete", "incomplete", "stopped", "failed", "interrupted"]))
    reply = draw(st.one_of(st.none(), texts))
    reply_items = draw(st.none() | items) if reply is not None else None
    if reply_items is not None and reply:
        reply_items.insert(draw(st.integers(0, len(reply_items))), {"type": "message", "start": 0, "end": len(reply)})
    tokens = draw(st.one_of(st.none(), st.integers(0, 2**31 - 1)))
    rating = draw(st.sampled_from([None, None, 1, -1]))
    return {
        "parent": draw(st.one_of(st.none(), st.integers(0, number - 1))) if number else None,
        "pause": draw(st.sampled_from([0, 0, 1, 999, 1000, 60_000_000])),
        # Clocks that differ, and an id that is made before its time is read.
        "skew": draw(st.sampled_from([0, 0, 700, -700])),
        "status": status,
        "prompt": draw(texts),
        "reply": reply,
        "reply_items": reply_items,
        "prompt_items": draw(st.none() | items),
        "finish_reason": draw(st.sampled_from([None, "stop", "length", "content_filter", "tool_calls"])),
        "cached_tokens": draw(st.sampled_from([None, 0, 7])) if tokens is not None else None,
        "reasoning_tokens": draw(st.sampled_from([None, 0, 7])) if tokens is not None else None,
        "left_out": draw(st.sampled_from([None, 0, 1])),
        "continues": draw(st.sampled_from([None, None, True])) if number else None,
        "model": draw(models),
        "params": draw(objects),
        "input_tokens": tokens,
        "output_tokens": tokens,
        "error_code": "model_unreachable" if status == "failed" else None,
        "error_detail": draw(texts) if status == "failed" else None,
        "rating": rating,
        "comment": draw(st.one_of(st.none(), texts)) if rating else None,
        "took": draw(st.one_of(st.none(), st.integers(0, 10**9))),
    }


@st.composite
def conversation(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(0, 6))
    return {
        "title": draw(st.one_of(st.none(), texts.filter(bool))),
        "system_prompt": draw(st.one_of(st.none(), texts)),
        "model": draw(models),
        "params": draw(params),
        "metadata": draw(objects),
        "archived": draw(st.booleans()),
        "pinned": draw(st.booleans()),
        "turns": [draw(turn(number)) for number in range(count)],
        "head": draw(st.integers(0, count - 1)) if count else None,
    }


NEWER = (
    "prompt_items",
    "reply_items",
    "finish_reason",
    "cached_tokens",
    "reasoning_tokens",
    "left_out",
    "continues",
)


async def keep(connection: "asyncpg.Connection[asyncpg.Record]", person: Person, drawn: dict[str, Any]) -> None:
    """Put a conversation straight into the tables."""
    user_id, conversation_id = UUID(person.id), new_id()
    time = BEGINNING
    rows: list[tuple[Any, ...]] = []
    ids: list[UUID] = []
    depths: list[int] = []
    for number, each in enumerate(drawn["turns"]):
        time += timedelta(microseconds=each["pause"])
        ids.append(id_at(time, number, conversation_id.int % 2**62))
        parent = each["parent"]
        depths.append(0 if parent is None else depths[parent] + 1)
        begun = time + timedelta(milliseconds=each["skew"])
        ended = None if each["took"] is None else begun + timedelta(microseconds=each["took"])
        names = ("status", "prompt", "reply", "model", "params", "input_tokens", "output_tokens")
        more = ("error_code", "error_detail", "rating", "comment", *NEWER)
        rows.append(
            (
                *(user_id, ids[-1], conversation_id, None if parent is None else ids[parent], depths[-1], begun, ended),
                *(each[name] for name in (*names, *more)),
            )
        )
    last = max((row[5] for row in rows), default=BEGINNING)
    await connection.execute(
        "INSERT INTO conversations (user_id, id, title, system_prompt, model, params, metadata, archived, head_turn_id,"
        " turn_count, created_at, updated_at, last_turn_at, pinned)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
        *(user_id, conversation_id, drawn["title"], drawn["system_prompt"], drawn["model"], drawn["params"]),
        *(drawn["metadata"], drawn["archived"], None if drawn["head"] is None else ids[drawn["head"]], len(rows)),
        *(BEGINNING, last, last, drawn["pinned"]),
    )
    await connection.executemany(
        "INSERT INTO turns (user_id, id, conversation_id, parent_id, position, created_at, completed_at, status,"
        " prompt, reply, model, params, input_tokens, output_tokens, error_code, error_detail, rating, comment,"
        f" {', '.join(NEWER)}) VALUES ({', '.join(f'${number + 1}' for number in range(18 + len(NEWER)))})",
        rows,
    )


def without_ids(exported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a history in which turns are called by their place in the order of ids."""
    found = []
    for each in exported:
        ids = sorted(turn["id"] for turn in each["turns"])
        numbers = {name: number for number, name in enumerate(ids)} | {None: None}
        turns = [
            turn | {name: numbers[turn[name]] for name in ("id", "parent_id", "continues")} | {"conversation_id": None}
            for turn in sorted(each["turns"], key=lambda turn: str(turn["id"]))
        ]
        found.append(each | {"id": None, "head_turn_id": numbers[each["head_turn_id"]], "turns": turns})
    return sorted(found, key=str)


@pytest.fixture(scope="module")
async def connection(service: RunningService, shared_database_url: str) -> Any:
    opened = await asyncpg.connect(driver_url(shared_database_url))
    await opened.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def people(service: RunningService) -> list[Person]:
    return [await service.person() for _ in range(2)]


@pytest.fixture(scope="module")
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


async def of_account(person: Person, file_format: str) -> list[bytes]:
    return [(await person.client.get("/api/v1/export", params={"format": file_format})).content]


async def of_conversations(person: Person, file_format: str) -> list[bytes]:
    listed = [each["id"] for each in await history(person)]
    paths = [f"/api/v1/conversations/{each}/export" for each in listed]
    return [(await person.client.get(path, params={"format": file_format})).content for path in paths]


@pytest.mark.parametrize(
    ("export", "file_format"),
    [
        (of_account, "jsonl"),
        (of_account, "zip"),
        (of_account, "html"),
        (of_conversations, "json"),
        (of_conversations, "zip"),
    ],
)
@settings(
    max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=st.lists(conversation(), min_size=1, max_size=3))
async def test_export_and_import_give_an_equal_history(
    people: list[Person], connection: Any, export: Export, file_format: str, drawn: list[dict[str, Any]]
) -> None:
    author, reader = people
    # Which makes both accounts empty.
    await connection.execute("DELETE FROM conversations")
    for each in drawn:
        await keep(connection, author, each)
    files = await export(author, file_format)
    for file in files:
        assert (await imported(reader, file))["failed"] == []
    assert without_ids(await history(reader)) == without_ids(await history(author))
    again = [await imported(reader, file) for file in files]
    assert sum(each["imported"] for each in again) == 0
    assert sum(each["skipped"] for each in again) == len(drawn)


def heads_words(exported: dict[str, Any]) -> list[Any]:
    """Return a conversation without its turns, and what the last turn of its active path says."""
    by_id = {turn["id"]: [turn["prompt"], turn["reply"]] for turn in exported["turns"]}
    names = (
        "title",
        "system_prompt",
        "model",
        "params",
        "metadata",
        "archived",
        "pinned",
        "turn_count",
        "created_at",
        "updated_at",
    )
    return [by_id.get(exported["head_turn_id"]), *(exported[name] for name in names)]


@pytest.mark.parametrize("file_format", ["jsonl", "json"])
@settings(
    max_examples=12, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=st.lists(conversation(), min_size=1, max_size=3))
async def test_a_conversation_that_is_read_in_parts_is_the_same(
    people: list[Person], connection: Any, file_format: str, drawn: list[dict[str, Any]]
) -> None:
    """With limits so low that three turns are too much for a value, and each turn is a part and a batch of its own."""
    author, reader = people
    await connection.execute("DELETE FROM conversations")
    for each in drawn:
        # Clocks that differ order siblings that are in one part, and items are parts of JSON.
        await keep(connection, author, each | {"turns": [turn | {"skew": 0} | NO_ITEMS for turn in each["turns"]]})
    files = await (of_account if file_format == "jsonl" else of_conversations)(author, file_format)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatkeep.transfer.json_stream.MAX_PARTS", 130)
        patch.setattr("chatkeep.transfer.large_conversations.CHARACTERS_PER_PART", 1)
        patch.setattr("chatkeep.transfer.batch_reader.CHARACTERS_PER_BATCH", 0)
        reports = [await imported(reader, file) for file in files]
        assert [each["failed"] for each in reports] == [[]] * len(files)
        assert sum(each["imported"] for each in reports) == len(drawn)
        assert sum(each["continued"] + each["skipped"] for each in reports) == 0
        again = [await imported(reader, file) for file in files]
    # Turns of one millisecond in different parts may change places, where neither is below the other.
    theirs, own = await history(reader), await history(author)
    assert turns_in(theirs) == turns_in(own)
    assert sorted(map(heads_words, theirs), key=str) == sorted(map(heads_words, own), key=str)
    assert sum(each["imported"] + each["continued"] for each in again) == 0
    assert sum(each["skipped"] for each in again) == len(drawn)


# Of a turn, what its export has and its import keeps: the rest follows from its conversation or its place.
KEPT = ("status", "prompt", "reply", "model", "params", "usage", "error", "feedback", "created_at", "completed_at")


def turns_in(exported: list[dict[str, Any]]) -> list[Any]:
    """Return the turns of a history, whichever conversation they are of; each with its parent's words."""
    found = []
    for each in exported:
        by_id = {turn["id"]: turn for turn in each["turns"]}
        for turn in each["turns"]:
            above = by_id.get(turn["parent_id"])
            found.append([above and [above["prompt"], above["reply"]], *(turn[name] for name in KEPT)])
    return sorted(found, key=str)


@settings(
    max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=st.lists(conversation(), min_size=1, max_size=3))
async def test_an_administrators_lines_and_table_have_every_turn(
    people: list[Person], administrator: Person, connection: Any, drawn: list[dict[str, Any]]
) -> None:
    author, reader = people
    await connection.execute("DELETE FROM conversations")
    for each in drawn:
        await keep(connection, author, each)
    path = "/api/v1/admin/history/export"
    lines = (await administrator.client.get(path, params={"user_id": author.id})).content
    if lines:
        assert (await imported(reader, lines))["failed"] == []
    own = await history(author)
    assert turns_in(await history(reader)) == turns_in(own)
    table = (await administrator.client.get(path, params={"user_id": author.id, "format": "csv"})).content
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline=""))}
    turns = [turn for each in own for turn in each["turns"]]
    assert rows.keys() == {turn["id"] for turn in turns}
    for turn in turns:
        row = rows[turn["id"]]
        said = (
            turn["prompt"]["content"],
            (turn["reply"] or {}).get("content", ""),
            (turn["error"] or {}).get("detail", ""),
        )
        for cell, text in zip((row["prompt"], row["reply"], row["error_detail"]), said, strict=True):
            # Nothing is lost of it, and nothing of it runs.
            assert cell in (text, f"'{text}")
            assert not cell.strip().startswith(("=", "+", "-", "@"))
        assert json.loads(row["params"] or "{}") == turn["params"]


@settings(
    max_examples=20, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=conversation())
async def test_a_conversations_lines_are_its_active_path(
    people: list[Person], connection: Any, drawn: dict[str, Any]
) -> None:
    author, reader = people
    await connection.execute("DELETE FROM conversations")
    await keep(connection, author, drawn)
    (lines,) = await of_conversations(author, "jsonl")
    if lines:
        assert (await imported(reader, lines))["failed"] == []
    (own,) = await history(author)
    path, at = [], own["head_turn_id"]
    by_id = {turn["id"]: turn for turn in own["turns"]}
    while at is not None:
        path.append(by_id[at])
        at = by_id[at]["parent_id"]
    assert turns_in(await history(reader)) == turns_in([own | {"turns": path}])


async def test_what_was_said_here_is_the_same_elsewhere(service: RunningService) -> None:
    author, reader = await service.person(), await service.person()
    conversation_id = await author.conversation(title="お茶", params={"temperature": 0.5}, metadata={"a": {"b": [1]}})
    first = await author.say(conversation_id, "one")
    await author.say(conversation_id, "two")
    path = f"/api/v1/conversations/{conversation_id}/turns/{first['id']}"
    await author.client.post(f"{path}/regenerate", json={"stream": False})
    await author.client.post(f"{path}/edit", json={"content": "uno", "stream": False})
    await author.client.put(f"{path}/feedback", json={"rating": 1, "comment": "よい"})
    await imported(reader, (await author.client.get(f"/api/v1/conversations/{conversation_id}/export")).content)
    assert without_ids(await history(reader)) == without_ids(await history(author))
    # In the list, too, they stand where they stood.
    listed = [(await each.client.get("/api/v1/conversations")).json()["items"] for each in (author, reader)]
    assert [[each["title"] for each in items] for items in listed] == [["お茶"], ["お茶"]]


@pytest.mark.long
async def test_more_turns_than_one_value_may_have_come_back(
    service: RunningService, shared_database_url: str, people: list[Person]
) -> None:
    author, reader = await service.person(), await service.person()
    conversation_id = await author.conversation(title="Long")
    await add_long_turns(shared_database_url, author.id, conversation_id, 40_000, turn_bytes=300)
    file = (await author.client.get("/api/v1/export", timeout=600)).content
    answer = await reader.client.post("/api/v1/import", content=file, timeout=1_200)
    report = answer.json()
    assert (report["imported"], report["continued"], report["failed"]) == (1, 0, [])
    (mine,), (theirs,) = await history(author), await history(reader)
    assert len(theirs["turns"]) == 40_000
    assert [turn["index"] for turn in theirs["turns"]] == list(range(40_000))
    assert [turn["prompt"] for turn in theirs["turns"]] == [turn["prompt"] for turn in mine["turns"]]
    assert theirs["head_turn_id"] == theirs["turns"][-1]["id"]
