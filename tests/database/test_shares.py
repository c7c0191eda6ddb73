"""Callers take connections for transactions in turn."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from chatkeep.database.database import Database
from chatkeep.database.shares import caller
from chatkeep.errors import DatabaseUnavailable

CONNECTIONS = 8
LOCK = text("SELECT pg_advisory_xact_lock(7)")


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    # Half of them are for transactions.
    database = await Database.connect(shared_database_url, pool_size=2 * CONNECTIONS)
    yield database
    await database.close()


async def hold(database: Database, user: str) -> None:
    caller.set(user)
    async with database.transaction() as connection:
        await connection.execute(LOCK)


async def ask(database: Database, user: str | None) -> int:
    caller.set(user)
    async with database.transaction() as connection:
        return (await connection.execute(text("SELECT 1"))).scalar_one()


async def test_one_callers_queue_for_a_lock_leaves_connections_to_others(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(LOCK)
        queue = [asyncio.create_task(hold(database, "one")) for _ in range(10 * CONNECTIONS)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(1):  # far less than anybody's patience
            answers = [asyncio.create_task(ask(database, user)) for user in ("another", "a third", None)]
            assert await asyncio.gather(*answers) == [1, 1, 1]
    await asyncio.gather(*queue, return_exceptions=True)


async def test_a_caller_who_waits_in_vain_is_told_in_time(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(LOCK)
        queue = [asyncio.create_task(hold(database, "one")) for _ in range(CONNECTIONS)]
        await asyncio.sleep(0.2)
        with pytest.raises(DatabaseUnavailable):
            await asyncio.create_task(ask(database, "one"))
    await asyncio.gather(*queue, return_exceptions=True)
    assert await asyncio.create_task(ask(database, "one")) == 1


async def test_a_transaction_within_another_does_not_wait_for_itself(database: Database) -> None:
    async def nest(depth: int) -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            if depth:
                await nest(depth - 1)

    async def one() -> None:
        caller.set("one")
        await nest(CONNECTIONS // 2)

    async with asyncio.timeout(2):
        await asyncio.create_task(one())
