"""Sessions in PostgreSQL: through restarts, between processes, and where one dies in the middle."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chatkeep.accounts import session_queries
from chatkeep.database.database import Database
from chatkeep.errors import DatabaseUnavailable, InvalidText
from chatkeep.ids import new_id
from chatkeep.sessions import CannotKeep, Changes, DatabaseStore, SessionLimits, StoredSession, digest_of, new_secret
from tests.sessions.applications import notebook, served
from tests.support.urls import driver_url

PROJECT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=8)
    yield database
    await database.close()


def new_session_id() -> str:
    return digest_of(new_secret()).hex()


async def begun(store: DatabaseStore, *, idle: int = 3600, now: datetime = NOW, **attributes: Any) -> StoredSession:
    session = StoredSession(new_session_id(), new_id(), attributes, now, now, idle, now + timedelta(days=90))
    await store.create(session)
    return session


async def content(store: DatabaseStore, session_id: str, now: datetime = NOW) -> Any:
    found = await store.load(session_id, now)
    return None if found is None else found.attributes


async def rows(url: str, query: str, *values: object) -> list[Any]:
    connection = await asyncpg.connect(driver_url(url))
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def test_sessions_survive_a_restart_and_are_the_same_in_every_process(database_url: str) -> None:
    async with served(notebook(store=DatabaseStore(database_url))) as first:
        browser = first.browser()
        await browser.put(user="alice")
        async with served(notebook(store=DatabaseStore(database_url))) as replica:
            elsewhere = replica.browser(browser.cookies)
            assert await elsewhere.content() == {"user": "alice"}
            await elsewhere.put(note="from another process")
            assert await browser.content() == {"user": "alice", "note": "from another process"}
    async with served(notebook(store=DatabaseStore(database_url))) as again:
        assert (await again.browser(browser.cookies).content())["user"] == "alice"


async def test_nothing_in_the_table_opens_a_session(database_url: str) -> None:
    async with served(notebook(store=DatabaseStore(database_url))) as running:
        browser = running.browser()
        await browser.put(a=1)
        secret = browser.cookies["sid"].partition(".")[0]
        ((row,),) = await rows(database_url, "SELECT login_sessions::text FROM login_sessions")
        assert secret not in row
        assert digest_of(secret).hex() in row
        assert await rows(database_url, "SELECT user_id FROM login_sessions") == [(None,)]


async def test_requests_without_a_session_make_no_row(database_url: str) -> None:
    async with served(notebook(store=DatabaseStore(database_url))) as running:
        for _ in range(20):
            await running.browser().get()
    assert await rows(database_url, "SELECT 1 FROM login_sessions") == []


async def test_a_sign_in_of_the_service_is_not_a_session_of_the_library(database: Database) -> None:
    """And the other way round: each has rows that the other cannot see."""
    store, secret = DatabaseStore(database), new_secret()
    async with database.transaction() as connection:
        await session_queries.insert_session(
            connection,
            digest_of(secret),
            user_id=None,
            remember=False,
            now=NOW,
            ends_at=NOW + timedelta(days=90),
            ip=None,
            user_agent=None,
        )
    session_id = digest_of(secret).hex()
    assert await store.load(session_id, NOW) is None
    assert not await store.save(session_id, Changes({"a": 1}), NOW)
    assert await store.change_id(session_id, new_session_id(), Changes(), NOW) is None


async def test_the_services_sweep_leaves_sessions_with_limits_of_their_own(database: Database) -> None:
    store, limits = DatabaseStore(database), SessionLimits(idle_seconds=3600, max_seconds=86_400)
    patient, over = await begun(store, idle=0, a=1), await begun(store, idle=60)
    async with database.transaction() as connection:
        assert await session_queries.sweep_sessions(connection, NOW + timedelta(days=30), limits) == 1
    assert await content(store, patient.session_id, NOW + timedelta(days=30)) == {"a": 1}
    assert await store.load(over.session_id, NOW) is None


async def test_a_sweep_takes_some_at_a_time_and_ends(database: Database) -> None:
    store = DatabaseStore(database)
    await asyncio.gather(*(begun(store, idle=1) for _ in range(20)))
    alive = await begun(store, a=1)
    swept = 0
    while ended := await store.sweep(NOW + timedelta(minutes=1)):
        swept += len(ended)
    assert swept == 20
    assert await content(store, alive.session_id) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (object(), CannotKeep),
        ({1, 2}, CannotKeep),
        (b"bytes", CannotKeep),
        (float("nan"), CannotKeep),
        ("a\x00b", InvalidText),
        ({"deep": ["\x00"]}, InvalidText),
        ("\ud800", InvalidText),
    ],
)
async def test_what_json_cannot_say_is_refused_by_name(database: Database, value: Any, error: type[Exception]) -> None:
    store = DatabaseStore(database)
    session = await begun(store, a=1)
    with pytest.raises(error, match="'thing'"):
        await store.save(session.session_id, Changes({"thing": value, "b": 2}), NOW)
    with pytest.raises(error, match="'thing'"):
        await store.update(session.session_id, lambda kept: kept.update(thing=value), NOW)
    assert await content(store, session.session_id) == {"a": 1}


@pytest.mark.parametrize(
    "value", ["\\u0000", "\\\\u0000", "back\\slash", "日本語 🙂", "", {"": None}, [1.5, -0.0], 10**30]
)
async def test_other_values_come_back_as_they_were(database: Database, value: Any) -> None:
    store = DatabaseStore(database)
    session = await begun(store, thing=value)
    assert await content(store, session.session_id) == {"thing": value}


async def test_without_a_database_each_call_says_so() -> None:
    store = DatabaseStore("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        await store.load(new_session_id(), NOW)
    await store.close()


async def test_concurrent_first_requests_open_the_database_once(database_url: str) -> None:
    store = DatabaseStore(database_url, pool_size=2)
    try:
        await asyncio.gather(*(store.load(new_session_id(), NOW) for _ in range(20)))
        assert store._opened is not None
    finally:
        await store.close()


async def test_an_update_that_waits_sees_what_the_one_before_it_did(database: Database, database_url: str) -> None:
    """Another process holds the row; a merge and an update wait for it, and then work on what it left."""
    store = DatabaseStore(database)
    session = await begun(store, cart=["tea"], count=1)
    other = await asyncpg.connect(driver_url(database_url))
    try:
        async with other.transaction():
            changed = """UPDATE login_sessions SET data = data || '{"cart": ["tea", "coffee"], "count": 2}'"""
            await other.execute(changed)
            merge = asyncio.create_task(store.save(session.session_id, Changes({"note": 1}), NOW))
            update = asyncio.create_task(store.update(session.session_id, double, NOW))
            await asyncio.sleep(0.2)
            assert not merge.done()
            assert not update.done()
        await asyncio.gather(merge, update)
    finally:
        await other.close()
    assert await content(store, session.session_id) == {"cart": ["tea", "coffee"], "count": 4, "note": 1}


def double(kept: dict[str, Any]) -> None:
    kept["count"] *= 2


async def test_a_write_that_waited_for_an_end_keeps_nothing(database: Database, database_url: str) -> None:
    store = DatabaseStore(database)
    session = await begun(store, user="alice")
    other = await asyncpg.connect(driver_url(database_url))
    try:
        async with other.transaction():
            await other.execute("DELETE FROM login_sessions")
            save = asyncio.create_task(store.save(session.session_id, Changes({"user": "alice"}), NOW))
            move = asyncio.create_task(store.change_id(session.session_id, new_session_id(), Changes(), NOW))
            await asyncio.sleep(0.2)
        assert (await save, await move) == (False, None)
    finally:
        await other.close()
    assert await rows(database_url, "SELECT 1 FROM login_sessions") == []


async def test_a_session_that_was_used_while_it_was_swept_stays(database: Database, database_url: str) -> None:
    store = DatabaseStore(database)
    session = await begun(store, idle=60, a=1)
    late = NOW + timedelta(seconds=61)
    other = await asyncpg.connect(driver_url(database_url))
    try:
        async with other.transaction():
            await other.execute("UPDATE login_sessions SET expires_at = $1", late + timedelta(hours=1))
            sweep = asyncio.create_task(store.sweep(late))
            await asyncio.sleep(0.2)
        assert list(await sweep) == []
    finally:
        await other.close()
    assert await content(store, session.session_id, late) == {"a": 1}


DIES = """
import asyncio, os, sys
from datetime import datetime
from chatkeep.sessions import Changes, DatabaseStore
from chatkeep.sessions import database_store

async def main(url, what, session_id, new_id, now):
    store, now = DatabaseStore(url), datetime.fromisoformat(now)

    def stop(*_):
        print("in the middle", flush=True)
        os.kill(os.getpid(), 19)  # stands still here until it is killed

    if what == "change_id":
        database_store._changed = stop
        await store.change_id(session_id, new_id, Changes({"user": "alice"}), now)
    else:
        await store.update(session_id, stop, now)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("what", ["change_id", "update"])
async def test_a_process_killed_in_the_middle_of_a_write_changes_nothing(
    database: Database, database_url: str, what: str
) -> None:
    """The two worst places: the row is deleted under the old id and not yet inserted under the new one; the row is
    locked and the new value is not yet written. Meanwhile others wait, and then they go on."""
    store = DatabaseStore(database)
    session, new = await begun(store, theme="dark", count=1), new_session_id()
    arguments = (database_url, what, session.session_id, new, NOW.isoformat())
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, *arguments, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert dying.stdout is not None
    assert await dying.stdout.readline() == b"in the middle\n"
    waiting = asyncio.create_task(store.update(session.session_id, double, NOW))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    # Who planted the cookie sees no more than before.
    assert await content(store, session.session_id) == {"theme": "dark", "count": 1}
    dying.send_signal(signal.SIGKILL)
    await dying.wait()
    async with asyncio.timeout(5):
        assert await waiting == {"theme": "dark", "count": 2}
    assert await store.load(new, NOW) is None
    assert await content(store, session.session_id) == {"theme": "dark", "count": 2}


async def test_connections_that_were_cut_do_no_lasting_harm(database_url: str) -> None:
    async with served(notebook(store=DatabaseStore(database_url))) as running:
        browser = running.browser()
        await browser.put(a=1)
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        assert await rows(database_url, f"SELECT pg_terminate_backend(pid) {others}") != []
        answers = [await browser.ask("PUT", "/", {"b": number}) for number in range(4)]
        assert {answer.status_code for answer in answers} <= {200, 500}
        assert answers[-1].status_code == 200
        assert await browser.content() == {"a": 1, "b": 3}
