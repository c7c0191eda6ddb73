"""Both sides of a measurement hold the same, and keep the same."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench import plain_schema
from bench.bulk_data import WrongFilling, fill
from bench.contenders.chatkeep import Chatkeep
from bench.contenders.contender import PAGE_TURNS, Contender, Place, Reader, places
from bench.contenders.langchain import TABLE, is_installed
from bench.databases import Connection, bare_connection
from bench.measurements import Effort
from bench.run import Run, run_on
from bench.turns import everyone, readers
from chatkeep.ids import new_id
from tests.bench.benchmark import MESSAGES

PROMPT, REPLY = "What happens next, and why?", "It is a truth universally acknowledged."
KEPT_BY_US = """
SELECT role, content FROM turns, LATERAL (VALUES (0, 'user', prompt), (1, 'assistant', reply)) AS m (n, role, content)
WHERE user_id = $1 AND conversation_id = $2 ORDER BY position DESC, n DESC LIMIT 2"""
KEPT_PLAIN = "SELECT role, content FROM bench.messages WHERE conversation_id = $1 ORDER BY id DESC LIMIT 2"
KEPT_BY_LANGCHAIN = f"""
SELECT CASE message->>'type' WHEN 'human' THEN 'user' ELSE 'assistant' END, message->'data'->>'content'
FROM bench.{TABLE} WHERE session_id = $1 ORDER BY id DESC LIMIT 2"""


@pytest.fixture(scope="module")
async def bench_run(shared_database_url: str) -> AsyncIterator[Run]:
    await fill(shared_database_url, MESSAGES)
    async with run_on(shared_database_url, Effort(1, 0.02, MESSAGES), print) as run:
        yield run


async def test_both_sides_are_filled_with_the_same_messages(bench_run: Run) -> None:
    connection = bench_run.server.connection
    ours = await connection.fetch(
        "SELECT conversation_id, prompt FROM turns UNION ALL SELECT conversation_id, reply FROM turns ORDER BY 1, 2"
    )
    plain = await connection.fetch("SELECT conversation_id, content FROM bench.messages ORDER BY 1, 2")
    assert [tuple(each) for each in ours] == [tuple(each) for each in plain]
    assert len(plain) >= MESSAGES * 0.8
    conversations = "SELECT id, user_id FROM {}conversations ORDER BY id"
    assert await connection.fetch(conversations.format("")) == await connection.fetch(conversations.format("bench."))


async def test_every_turn_of_the_filling_is_findable(bench_run: Run) -> None:
    missing = await bench_run.server.connection.fetchval(
        "SELECT count(*) FROM turns LEFT JOIN turn_entries ON"
        " (turn_entries.user_id, turn_id) = (turns.user_id, turns.id)"
        " WHERE lexemes IS NULL"
    )
    assert missing == 0


async def test_every_contender_keeps_both_messages_of_a_turn(bench_run: Run) -> None:
    of = await places(bench_run.server.connection)
    async with everyone(bench_run) as contenders:
        assert len(contenders) == (5 if is_installed() else 4)
        for contender, place in zip(contenders, of, strict=False):
            await contender.add_turn(0, place, PROMPT, REPLY)
            await contender.settle()
            kept = await _kept(bench_run.server.connection, contender, place)
            assert kept == [("assistant", REPLY), ("user", PROMPT)], contender.name


async def test_the_plain_counter_counts_both_messages(bench_run: Run) -> None:
    connection, place = bench_run.server.connection, (await places(bench_run.server.connection))[9]
    counted = "SELECT message_count FROM bench.conversations WHERE id = $1"
    async with everyone(bench_run) as (_, two_commits, one_statement, core, *_):
        for contender in (two_commits, one_statement, core):
            before = await connection.fetchval(counted, place.conversation_id)
            await contender.add_turn(0, place, PROMPT, REPLY)
            assert await connection.fetchval(counted, place.conversation_id) == before + 2, contender.name


async def test_every_reader_reads_the_same_number_back(bench_run: Run) -> None:
    place = (await places(bench_run.server.connection, min_turns=PAGE_TURNS))[0]
    async with readers(bench_run) as opened:
        found = {reader.name: await _read(reader, place) for reader in opened}
    assert len(set(found.values())) == 1, found
    assert found["chatkeep"] == (50, 30)


async def test_conversations_of_other_users_are_left_alone(bench_run: Run) -> None:
    before = await places(bench_run.server.connection)
    async with readers(bench_run) as (ours, *_):
        assert isinstance(ours, Chatkeep)
        made = await ours.new_conversation(before[0].user_id)
    await bench_run.server.connection.execute(plain_schema.CREATE_CONVERSATION, made.conversation_id, new_id())
    assert await places(bench_run.server.connection) == before


async def test_a_filling_that_was_broken_off_is_refused(database_url: str) -> None:
    async with bare_connection(database_url) as connection:
        await connection.execute(
            "INSERT INTO users (id, username, username_key, created_at) VALUES (gen_random_uuid(), 'a', 'a', now())"
        )
    with pytest.raises(WrongFilling, match="filled in part"):
        await fill(database_url, MESSAGES)


async def _read(reader: Reader, place: Place) -> tuple[int, int]:
    return await reader.last_turns(0, place), await reader.list_conversations(0, place.user_id)


async def _kept(connection: "Connection[Any]", contender: Contender, place: Place) -> list[tuple[str, str]]:
    if contender.name == "chatkeep":
        rows = await connection.fetch(KEPT_BY_US, place.user_id, place.conversation_id)
    elif contender.name == "langchain-postgres":
        rows = await connection.fetch(KEPT_BY_LANGCHAIN, place.conversation_id)
    else:
        rows = await connection.fetch(KEPT_PLAIN, place.conversation_id)
    return [tuple(row) for row in rows]
