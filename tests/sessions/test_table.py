"""The table of sessions in the database of an application of one's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatkeep.database import migrations
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError, MigrationError
from chatkeep.sessions import DatabaseStore
from tests.sessions.applications import notebook, served
from tests.sessions.test_database_store import begun, content, rows
from tests.support.databases import create_database, drop_database, name_of, run
from tests.support.urls import parsed_url

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'login_sessions' ORDER BY 1"


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    url = await create_database(server_url)
    yield url
    await drop_database(server_url, url)


async def test_an_empty_database_gets_one_table_that_keeps_sessions(empty_url: str, database_url: str) -> None:
    store = DatabaseStore(empty_url)
    await store.create_table()
    session = await begun(store, color="green")
    assert await content(store, session.session_id) == {"color": "green"}
    await store.close()
    assert await rows(empty_url, TABLES) == [("login_sessions",)]
    assert await rows(empty_url, INDEXES) == await rows(database_url, INDEXES)


async def test_what_is_kept_stays_where_the_table_is_made_again(empty_url: str) -> None:
    store = DatabaseStore(empty_url)
    await store.create_table()
    session = await begun(store, color="green")
    await store.close()
    again = DatabaseStore(empty_url)
    await again.create_table()
    assert await content(again, session.session_id) == {"color": "green"}
    await again.close()


async def test_many_may_make_it_at_once(empty_url: str) -> None:
    stores = [DatabaseStore(empty_url, pool_size=2) for _ in range(8)]
    await asyncio.gather(*(store.create_table() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))
    assert await rows(empty_url, TABLES) == [("login_sessions",)]


async def test_the_services_own_table_is_left_as_it_is(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=2)
    await DatabaseStore(database).create_table()
    await database.close()
    assert await asyncio.to_thread(migrations.differences, database_url) == ""


async def test_a_missing_table_is_said_with_what_makes_it(empty_url: str) -> None:
    store = DatabaseStore(empty_url)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"no table login_sessions.*create_table\(\)"):
            await begun(store)
    await store.create_table()
    assert await begun(store)
    await store.close()


async def test_an_application_makes_the_table_when_it_starts(empty_url: str) -> None:
    store = DatabaseStore(empty_url)
    await store.create_table()
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        await browser.put(color="green")
    again = DatabaseStore(empty_url)
    async with served(notebook(store=again)) as running:
        assert await running.browser(browser.cookies).content() == {"color": "green"}


@pytest.fixture
async def humble_url(empty_url: str) -> AsyncIterator[str]:
    """A database whose schema lets its user make nothing."""
    ((superuser,),) = await rows(empty_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not superuser:
        await run(empty_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")
        yield empty_url
        return
    role = f"humble_{name_of(empty_url)[-12:]}"
    await run(empty_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    yield parsed_url(empty_url).set(drivername="postgresql", username=role, password=role).render_as_string(False)
    await run(empty_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_user_who_may_not_make_tables_is_told(humble_url: str) -> None:
    store = DatabaseStore(humble_url)
    with pytest.raises(ConfigurationError, match="may not make the table login_sessions"):
        await store.create_table()
    await store.close()


async def test_the_service_does_not_move_in_where_only_sessions_are(empty_url: str) -> None:
    store = DatabaseStore(empty_url)
    await store.create_table()
    await store.close()
    with pytest.raises(MigrationError, match="Give the service a database of its own"):
        await asyncio.to_thread(migrations.upgrade, empty_url)
    assert await rows(empty_url, TABLES) == [("login_sessions",)]
