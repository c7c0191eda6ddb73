"""The way to PostgreSQL: statements, failures, and what a database must promise."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Integer, bindparam, select, text

from chatkeep.database import durability
from chatkeep.database.database import Database
from chatkeep.database.statement import Statement
from chatkeep.errors import DatabaseUnavailable, QueryTooSlow, UnsafeDatabase
from tests.support.databases import name_of, run


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=4)
    yield database
    await database.close()


async def test_a_statement_takes_its_parameters_by_name(database: Database) -> None:
    a, b = bindparam("a", type_=Integer), bindparam("b", type_=Integer)
    statement = Statement(select((a - b).label("difference"), (b + 10).label("more"), a.label("again")))
    row = await database.row(statement, b=2, a=5)
    assert row is not None
    assert dict(row) == {"difference": 3, "more": 12, "again": 5}
    with pytest.raises(KeyError, match="c"):
        await database.row(statement, a=1, b=2, c=3)


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("CREATE TABLE gone (x int)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT to_regclass('gone')")) is None


async def test_a_read_only_transaction_cannot_write_and_is_stopped_in_time(database: Database) -> None:
    async with database.read_only(timeout_seconds=5) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    with pytest.raises(Exception, match="read-only"):
        async with database.read_only(timeout_seconds=5) as connection:
            await connection.execute(text("CREATE TABLE x (y int)"))
    with pytest.raises(QueryTooSlow):
        async with database.read_only(timeout_seconds=0.05) as connection:
            await connection.execute(text("SELECT pg_sleep(5)"))


async def test_an_exhausted_pool_refuses_in_time(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POOL_TIMEOUT_SECONDS", "HOT_POOL_TIMEOUT_SECONDS"):
        monkeypatch.setattr(f"chatkeep.database.database.{name}", 0.1)
    database = await Database.connect(database_url, pool_size=2)
    try:
        async with database.transaction():
            with pytest.raises(DatabaseUnavailable):
                async with database.transaction():
                    pass
        slow = Statement(select(text("pg_sleep(0.5)")))
        answers = await asyncio.gather(database.row(slow), database.row(slow), return_exceptions=True)
        assert sum(isinstance(answer, DatabaseUnavailable) for answer in answers) == 1
        await database.ping()
    finally:
        await database.close()


async def test_connections_cut_off_are_replaced(database: Database, server_url: str, database_url: str) -> None:
    for _ in range(3):
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        await run(server_url, f"{kill}'{name_of(database_url)}'")
        for _ in range(50):
            try:
                await database.ping()
                async with database.transaction() as connection:
                    await connection.execute(text("SELECT 1"))
            except DatabaseUnavailable:
                await asyncio.sleep(0.02)
            else:
                break
        else:
            pytest.fail("the database is there, and no connection to it")


async def test_where_nothing_listens_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database.connect("postgresql://nobody@127.0.0.1:1/none")


async def test_a_database_that_may_forget_is_refused(database: Database, database_url: str, server_url: str) -> None:
    await durability.require_safe(database)
    await run(server_url, f"ALTER DATABASE {name_of(database_url)} SET synchronous_commit = off")
    forgetful = await Database.connect(database_url)
    try:
        assert await durability.unsafe_settings(forgetful) == [
            "synchronous_commit is off: a crash may lose what was acknowledged."
        ]
        with pytest.raises(UnsafeDatabase, match="CHATKEEP_ALLOW_UNSAFE_DATABASE"):
            await durability.require_safe(forgetful)
    finally:
        await forgetful.close()


async def test_who_waited_for_one_connection_waits_less_for_the_next(database_url: str) -> None:
    """A request is answered within 3 s, where all connections are taken, too."""
    database = await Database.connect(database_url, pool_size=2)
    one = Statement(select(bindparam("one", type_=Integer)))
    try:
        async with database.transaction():
            async with database._pool.acquire():
                waiting = asyncio.create_task(_use_both(database, one))
                await asyncio.sleep(1)
            with pytest.raises(DatabaseUnavailable):
                async with asyncio.timeout(2):  # of 3 s, and one is gone
                    await waiting
    finally:
        await database.close()


async def _use_both(database: Database, statement: Statement[Any]) -> None:
    assert await database.row(statement, one=1) is not None
    async with database.transaction():
        raise AssertionError("there was no connection left")
