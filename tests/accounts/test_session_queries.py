"""The library by itself, with sessions that are nobody's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from chatkeep.accounts import session_queries
from chatkeep.database.database import Database
from chatkeep.database.tables import login_sessions
from chatkeep.ids import new_id
from chatkeep.sessions import SessionLimits, digest_of, new_secret

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
LIMITS = SessionLimits(idle_seconds=3600, max_seconds=86400)
HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=8)
    yield database
    await database.close()


async def begin(database: Database, *, now: datetime = START) -> bytes:
    digest = digest_of(new_secret())
    async with database.transaction() as connection:
        await session_queries.insert_session(
            connection,
            digest,
            user_id=None,
            remember=False,
            now=now,
            ends_at=LIMITS.ends_at(now),
            ip="203.0.113.7",
            user_agent=None,
        )
    return digest


async def exists(database: Database, digest: bytes) -> bool:
    async with database.transaction() as connection:
        return await session_queries.session_exists(connection, digest)


async def test_a_session_needs_no_user(database: Database) -> None:
    digest = await begin(database)
    assert await exists(database, digest)
    async with database.transaction() as connection:
        await session_queries.end_session(connection, digest)
        await session_queries.end_session(connection, digest)
    assert not await exists(database, digest)


async def test_sweeping_deletes_what_is_idle_and_what_is_past_its_end(database: Database) -> None:
    past, idle, alive = [await begin(database, now=now) for now in (START - 25 * HOUR, START - HOUR, START)]
    async with database.transaction() as connection:
        assert await session_queries.sweep_sessions(connection, START, LIMITS) == 2
        assert await session_queries.sweep_sessions(connection, START, LIMITS) == 0
    assert [await exists(database, digest) for digest in (past, idle, alive)] == [False, False, True]


async def test_a_session_that_was_not_asked_to_is_not_renewed(database: Database) -> None:
    digest = await begin(database)
    async with database.transaction() as connection:
        assert await session_queries.retire_session(connection, digest, START) is None
        assert await session_queries.retire_session(connection, digest_of("another"), START) is None


async def test_of_many_who_renew_a_session_one_does(database: Database) -> None:
    digest = await begin(database)
    async with database.transaction() as connection:
        await connection.execute(update(login_sessions).values(renew=True))

    async def renewed() -> bool:
        async with database.transaction() as connection:
            return await session_queries.retire_session(connection, digest, START) is not None

    assert sorted(await asyncio.gather(*(renewed() for _ in range(6)))) == [False] * 5 + [True]
    async with database.transaction() as connection:
        # It works for some seconds more, and is then swept away.
        assert await session_queries.sweep_sessions(connection, START + session_queries.RENEWAL_GRACE / 2, LIMITS) == 0
        assert await session_queries.sweep_sessions(connection, START + session_queries.RENEWAL_GRACE, LIMITS) == 1


async def test_of_nobodys_sessions_none_is_listed_or_ended_by_id(database: Database) -> None:
    digest = await begin(database)
    async with database.transaction() as connection:
        found = await session_queries.sessions_of(connection, new_id(), now=START, limits=LIMITS, after=None, limit=10)
        assert list(found) == []
        assert not await session_queries.end_session_by_id(connection, new_id(), new_id())
        await session_queries.end_sessions_of(connection, new_id())
    assert await exists(database, digest)
