"""Plans that were made before there was anything to plan for: hot connections keep them from the first minute on.

PostgreSQL makes them anew when it has counted the rows, up to a minute after an import.
"""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from chatkeep.database.database import Database
from chatkeep.database.pool import Connection
from chatkeep.ids import new_id
from tests.admin.bulk_data import Filled
from tests.admin.hot_statements import HOT, arguments_of
from tests.admin.plans import Plan, execution
from tests.support.long_conversations import lengthen
from tests.support.urls import driver_url

TURNS = 1_000
# Once through all that there is in every index, and no more: reading it all at each of a path's steps takes 30 s where
# there are 10,000 turns.
MAX_BLOCKS = 12 * TURNS
ENTRIES = """
INSERT INTO turn_entries (user_id, turn_id, version, lexemes)
SELECT user_id, id, 3, ARRAY[('x' || right(user_id::text, 7))::bit(28)::int, 77, 1000000 + position] FROM turns
ON CONFLICT DO NOTHING"""
OF_REASONING = ENTRIES.replace("turn_entries", "reasoning_entries")


@pytest.fixture(params=["never counted", "counted at thirty"])
async def hot(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[tuple[Connection, Filled]]:
    """A connection that has prepared everything before a long conversation came."""
    database = await Database.connect(database_url, pool_size=2)
    other = await asyncpg.connect(driver_url(database_url))
    user_id, conversation_id, few = new_id(), new_id(), 30
    filled = Filled(TURNS, user_id, conversation_id, UUID(int=TURNS), UUID(int=TURNS // 2))
    await other.execute("ALTER TABLE turns SET (autovacuum_enabled = off)")
    await other.execute("ALTER TABLE turn_entries SET (autovacuum_enabled = off)")
    await other.execute("ALTER TABLE reasoning_entries SET (autovacuum_enabled = off)")
    await other.execute(
        "INSERT INTO users (id, username, username_key, created_at, name_pairs) VALUES ($1, 'a', 'a', now(), '{}')",
        user_id,
    )
    await other.execute(
        "INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at) "
        "VALUES ($1, $2, now(), now(), now())",
        *(user_id, conversation_id),
    )
    if request.param == "counted at thirty":
        await lengthen(other, user_id, conversation_id, last=few)
        await other.execute(ENTRIES)
        await other.execute(OF_REASONING)
        await other.execute("ANALYZE")
    async with database._pool.acquire() as connection:
        for number, name in enumerate(HOT):
            await connection.execute(f"PREPARE hot_{number} AS {HOT[name].sql}")
            await connection.execute(f"EXPLAIN {execution(f'hot_{number}', _arguments(name, filled))}")
        first = few + 1 if request.param == "counted at thirty" else 1
        await lengthen(other, user_id, conversation_id, first=first, last=TURNS)
        await other.execute(ENTRIES)
        await other.execute(OF_REASONING)
        yield connection, filled
    await other.close()
    await database.close()


def _arguments(name: str, filled: Filled) -> list[object]:
    ends = {"start_id": filled.head_id, "turn_id": new_id() if "BEGIN" in name else UUID(int=1)}
    # A turn that is begun here refers to no file: there is none.
    files: dict[str, object] = {"file_ids": []} if "BEGIN" in name else {}
    return arguments_of(
        name, filled, **ends, **files, parent_id=filled.head_id, position=1, first=TURNS - 50, last=TURNS
    )


async def test_no_statement_reads_a_long_conversation_at_every_step(hot: tuple[Connection, Filled]) -> None:
    connection, filled = hot
    touched = {}
    for number, name in enumerate(HOT):
        transaction = connection.transaction()
        await transaction.start()
        execute = execution(f"hot_{number}", _arguments(name, filled))
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
        touched[name] = Plan(json.loads(told)[0]["Plan"]).blocks_touched()
        await transaction.rollback()
    assert {name: blocks for name, blocks in touched.items() if blocks > MAX_BLOCKS} == {}
    assert max(touched.values()) > TURNS
