"""A batch of an import is compared with what its user has by keys, however much that is.

Where PostgreSQL has not counted the rows yet, too, as in the first minutes of a large import: it went through all that
had been imported for each batch, so that the tenth megabyte took three times as long as the first.
"""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from chatkeep.ids import new_id
from chatkeep.transfer import grown_queries, import_queries
from tests.admin.bulk_data import Filled
from tests.admin.plans import measured_plan
from tests.admin.test_plans import Run, statements_of, told
from tests.support.urls import driver_url

IMPORTED = 5_000
BATCH = 250
CONVERSATIONS = """
INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at)
SELECT $1, gen_random_uuid(), now(), now(), now() FROM generate_series(1, $2)"""
SOURCES = """
INSERT INTO imported_conversations (user_id, source, source_id, conversation_id, imported_at)
SELECT user_id, 'chatgpt', 'talk-' || row_number() OVER (), id, now() FROM conversations"""

TURNS = """
INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, created_at)
SELECT user_id, gen_random_uuid(), id, 0, 'complete', '', now() FROM conversations"""
TURN_SOURCES = """
INSERT INTO imported_turns (user_id, conversation_id, source_id, turn_id)
SELECT user_id, conversation_id, 'message-' || row_number() OVER (), id FROM turns"""

SEARCH = """
INSERT INTO {0} (user_id, turn_id, part, parts, version, lexemes) SELECT user_id, id, 0, 1, 0, NULL FROM turns"""
UNUSUAL = "INSERT INTO unusual_turns (user_id, turn_id, status) SELECT user_id, id, 'stopped' FROM turns"
FILES = """
INSERT INTO files (user_id, id, name, media_type, size, sha256, tokens, created_at)
SELECT user_id, id, 'a', 'text/plain', 1, sha256(convert_to(id::text, 'UTF8')), 1, now() FROM turns"""
ANSWERS = 20


def answer() -> dict[str, Any]:
    """Return a row of a turn that was unanswered; what it says does not matter."""
    return dict.fromkeys(grown_queries.ANSWER) | {
        "id": new_id(),
        "status": "complete",
        "params": {},
        "user_id": new_id(),
    }


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(driver_url(database_url))
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(
            lambda connection, filled: import_queries.known_sources(
                connection, filled.user_id, [("chatgpt", f"talk-{number}") for number in range(BATCH)]
            ),
            id="sources",
        ),
        pytest.param(
            lambda connection, filled: import_queries.own_conversations(
                connection, filled.user_id, [new_id() for _ in range(BATCH)]
            ),
            id="ids",
        ),
        pytest.param(
            lambda connection, filled: grown_queries.known_turns(
                connection, filled.user_id, new_id(), [f"message-{number}" for number in range(BATCH)]
            ),
            id="turns",
        ),
        pytest.param(
            lambda connection, filled: grown_queries.count_imported_turns(connection, filled.user_id, new_id()),
            id="imported turns",
        ),
        pytest.param(
            lambda connection, filled: grown_queries.answer_turns(
                connection, filled.user_id, new_id(), [answer() for _ in range(ANSWERS)]
            ),
            id="answers",
        ),
        pytest.param(
            lambda connection, filled: import_queries.refer_to_files(
                connection, filled.user_id, [(new_id(), new_id()) for _ in range(BATCH)]
            ),
            id="files",
        ),
        pytest.param(
            lambda connection, filled: import_queries.kept_turns(connection, filled.user_id, new_id(), range(BATCH)),
            id="kept turns",
        ),
    ],
)
async def test_a_batch_is_compared_by_keys(
    database_url: str, connection: "asyncpg.Connection[asyncpg.Record]", run: Run
) -> None:
    user_id = new_id()
    searched = ("turn_search", "reasoning_search")
    tables = ("conversations", "imported_conversations", "turns", "imported_turns", "unusual_turns", "files", *searched)
    for table in tables:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await connection.execute(
        "INSERT INTO users (id, username, username_key, created_at, name_pairs) VALUES ($1, 'a', 'a', now(), '{}')",
        user_id,
    )
    await connection.execute(CONVERSATIONS, user_id, IMPORTED)
    for statement in (SOURCES, TURNS, TURN_SOURCES, UNUSUAL, FILES, *map(SEARCH.format, searched)):
        await connection.execute(statement)
    filled = Filled(0, user_id, new_id(), new_id(), new_id())
    for sql, arguments in await statements_of(database_url, run, filled):
        plan = await measured_plan(connection, sql, arguments)
        assert plan.rows_visited() <= 3 * BATCH, told(plan)
