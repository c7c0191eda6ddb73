"""Settings of a server, a database or a role that would change what this service promises, and do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select, text

from chatkeep.database import durability, migrations
from chatkeep.database.database import Database
from chatkeep.database.statement import Statement
from tests.support.clusters import cluster
from tests.support.databases import create_database, drop_database, name_of, run
from tests.support.poolers import pooled
from tests.support.running_service import RunningService, running

HOSTILE = {
    "statement_timeout": "'50ms'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'1ms'",
    "idle_session_timeout": "'300ms'",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "on",
    "default_transaction_read_only": "on",
    "search_path": "'pg_catalog'",
    "TimeZone": "'Asia/Tokyo'",
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "row_security": "off",
    "exit_on_error": "on",
    "client_encoding": "'LATIN1'",
    "gin_fuzzy_search_limit": "1",
    "jit": "on",
    "jit_above_cost": "0",
    "plan_cache_mode": "'force_custom_plan'",
    "enable_seqscan": "off",
}


def told(database_url: str, settings: dict[str, str]) -> list[str]:
    return [f"ALTER DATABASE {name_of(database_url)} SET {name} = {value}" for name, value in settings.items()]


async def talk(service: RunningService) -> None:
    """Have somebody register, chat and find it again."""
    person = await service.person()
    conversation = await person.conversation()
    turns = [await person.say(conversation, f"{word} \\ ' 日本 {word}") for word in ("bricks", "mortar")]
    assert [turn["status"] for turn in turns] == ["complete", "complete"]
    kept = list(reversed(await person.turns(conversation)))
    assert [turn["id"] for turn in kept] == [turn["id"] for turn in turns]
    assert [turn["created_at"] for turn in kept] == [turn["created_at"] for turn in turns]
    found = (await person.client.get("/api/v1/search", params={"q": "日本"})).json()
    assert len(found["items"]) == 2, found
    assert (await service.client().get("/readyz")).status_code == 200


async def test_hostile_settings_of_a_database_change_nothing(server_url: str, database_url: str) -> None:
    await run(server_url, *told(database_url, HOSTILE))
    async with running(database_url) as service:
        await talk(service)
        assert await service.database.settings_not_in_force() == {}
        assert await durability.unsafe_settings(service.database) == []


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_nor_do_they_behind_a_pooler(server_url: str, database_url: str, mode: str) -> None:
    # PgBouncer keeps connections that nobody uses just now, and the server must let it.
    await run(server_url, *told(database_url, HOSTILE | {"idle_session_timeout": "0"}))
    async with pooled(database_url, pool_mode=mode) as pooler, running(pooler.url) as service:
        await talk(service)
        assert await service.database.settings_not_in_force() == {}


async def test_a_migration_takes_the_time_that_it_takes(server_url: str) -> None:
    url = await create_database(server_url)
    try:
        await run(server_url, *told(url, HOSTILE))
        await asyncio.to_thread(migrations.upgrade, url)
        assert await asyncio.to_thread(migrations.differences, url) == ""
    finally:
        await drop_database(server_url, url)


async def test_commits_are_lasting_whatever_the_database_is_told_later(server_url: str, database_url: str) -> None:
    statement = Statement(select(text("current_setting('synchronous_commit') AS value")))
    async with running(database_url) as service:
        await run(server_url, *told(database_url, {"synchronous_commit": "off"}))
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(database_url)}'"
        await run(server_url, kill)
        await asyncio.sleep(0.2)
        row = await service.database.row(statement)
        assert row is not None
        assert row["value"] == "on"
        async with service.database.transaction() as connection:
            assert await connection.scalar(text("SHOW synchronous_commit")) == "on"


async def test_who_accepts_commits_that_may_be_lost_has_them(server_url: str, database_url: str) -> None:
    await run(server_url, *told(database_url, {"synchronous_commit": "off"}))
    async with (
        running(database_url, allow_unsafe_database=True) as service,
        service.database.transaction() as connection,
    ):
        assert await connection.scalar(text("SHOW synchronous_commit")) == "off"


@asynccontextmanager
async def own_schema(server_url: str, name: str) -> AsyncIterator[str]:
    """A database in which the role's schema is not `public`."""
    url = await create_database(server_url)
    try:
        await run(url, f'CREATE SCHEMA "{name}"')
        await run(server_url, f"""ALTER DATABASE {name_of(url)} SET search_path = "{name}", public""")
        yield url
    finally:
        await drop_database(server_url, url)


async def test_tables_are_in_the_schema_of_the_role(server_url: str) -> None:
    async with own_schema(server_url, "it's Chat\\keep") as url:
        await asyncio.to_thread(migrations.upgrade, url)
        async with running(url) as service:
            await talk(service)
            async with service.database.transaction() as connection:
                schemas = (
                    await connection.scalars(text("SELECT schemaname FROM pg_tables WHERE tablename = 'turns'"))
                ).all()
                assert schemas == ["it's Chat\\keep"]


async def test_tables_of_others_hide_nothing(server_url: str, database_url: str) -> None:
    """A schema that somebody put before it later, with a table of the same name."""
    await run(database_url, "CREATE SCHEMA other", "CREATE TABLE other.turns (x int)")
    await run(server_url, f"ALTER DATABASE {name_of(database_url)} SET search_path = other, public")
    async with running(database_url) as service:
        await talk(service)


async def test_a_role_that_checks_no_foreign_keys_is_refused() -> None:
    async with cluster() as server:
        await server.ask("ALTER ROLE postgres SET session_replication_role = replica")
        database = await Database.connect(server.url)
        try:
            assert await durability.unsafe_settings(database) == [
                "session_replication_role is replica: what belongs together is not checked."
            ]
        finally:
            await database.close()
