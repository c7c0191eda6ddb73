"""No value that a column can hold keeps anybody from reading what is there."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from tests.database.extremes import COLUMNS, keep_copy, put, restore
from tests.database.filled import Filled, fill
from tests.database.readers import Failed, read_all
from tests.support.running_service import Person, RunningService, running
from tests.support.urls import driver_url

# The sessions and the account that the test itself reads with stay as they are.
OUR_OWN = {
    "users": "username IN ('admin', 'subject')",
    "login_sessions": "user_id IS NOT NULL AND ip IS DISTINCT FROM '127.0.0.1' OR user_agent LIKE 'python%'",
}
# For who looks for a fault: takes many times as long.
EACH_ALONE = "CHATKEEP_TEST_EACH_COLUMN" in os.environ
OF_ONE_ROW = ("user_activity", "audit_chains")
OF_CONVERSATIONS = (
    "conversations",
    "turns",
    "reply_fragments",
    "turn_search",
    "reasoning_search",
    "imported_conversations",
)

# None of these decides what is read of another one: their extremes are put in together.
TOGETHER = (
    ("statistics", "statistics_notes", "replicas", "login_attempts", "file_usage"),
    ("reply_fragments", "turn_search", "reasoning_search", "imported_conversations"),
)
TABLES = dict.fromkeys(table for table, _ in COLUMNS)
GROUPS = [*TOGETHER, *((table,) for table in TABLES if not any(table in group for group in TOGETHER))]


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, follower_timeout_seconds=1, max_body_bytes=64 * 1024**2) as service:
        yield service


@pytest.fixture(scope="module")
async def connection(shared_database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def admin(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture(scope="module")
async def filled(service: RunningService, connection: Any, admin: Person) -> Filled:
    found = await fill(service, connection, admin)
    await read_all(service, few(found), admin)
    await keep_copy(connection)
    return found


def few(filled: Filled) -> Filled:
    return replace(filled, conversations=filled.conversations[:1], turns=filled.turns[:1])


def test_every_table_is_in_one_group() -> None:
    assert sorted(table for group in GROUPS for table in group) == sorted(TABLES)


@pytest.mark.parametrize("tables", GROUPS, ids=" ".join)
async def test_every_extreme_of_every_column_can_be_read(
    service: RunningService, connection: Any, admin: Person, filled: Filled, tables: tuple[str, ...]
) -> None:
    wide = filled if set(tables) & set(OF_CONVERSATIONS) else few(filled)
    columns = [column for column in COLUMNS if column[0] in tables]
    failures: list[str] = []
    # Of some tables a user has one row, which is to hold each extreme in turn.
    for shift in range(3 if set(tables) & set(OF_ONE_ROW) else 1):
        together = [] if EACH_ALONE else await _failures(service, connection, admin, wide, columns, shift)
        if together or EACH_ALONE:
            print(*together, sep="\n")  # finding out which one it is may take longer than a test may
            for column in columns:
                failures += await _failures(service, connection, admin, wide, [column], shift)
        failures += together
    await restore(connection)
    assert not failures, "\n".join(failures)


async def _failures(
    service: RunningService,
    connection: Any,
    admin: Person,
    filled: Filled,
    columns: list[tuple[str, str]],
    shift: int,
) -> list[str]:
    await restore(connection)
    for table in dict.fromkeys(table for table, _ in columns):
        for place, column in enumerate(name for each, name in columns if each == table):
            await put(connection, table, column, but_not=OUR_OWN.get(table, "false"), shift=place + shift)
    try:
        await read_all(service, filled, admin)
    except Failed as error:
        return [f"{', '.join(map('.'.join, columns))}: {error}"]
    return []
