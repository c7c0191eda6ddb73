"""A real PgBouncer between the service and its database."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from chatkeep.database import durability, migrations, replication
from chatkeep.database.database import Database
from chatkeep.database.pooler import Opening, Pooling, probe_connection
from chatkeep.database.session import HOT, Found
from chatkeep.database.statement import Statement
from tests.app.gates import gate
from tests.http.test_bodies import code_of
from tests.support.databases import create_database, drop_database, run
from tests.support.poolers import Pooler, pooled
from tests.support.running_service import running
from tests.support.talk import readiness, require_kept, talking

# What somebody else leaves on the server's connections, which a pooler in transaction mode then lends to us.
LEFT_BEHIND = (
    "SET search_path = pg_catalog; SET statement_timeout = 200; SET default_transaction_isolation = serializable;"
    " SET synchronous_commit = off; SET lock_timeout = 1; SET TimeZone = 'Asia/Tokyo'; SET enable_indexscan = off"
)


async def stranger(pooler: Pooler) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(pooler.url, statement_cache_size=0)


async def test_as_installed_it_works(database_url: str) -> None:
    """Debian's PgBouncer: session mode, and it refuses parameters that it does not know."""
    async with pooled(database_url) as pooler, running(pooler.url) as service:
        assert service.database.pooling is Pooling.SESSION
        async with talking(service) as talk:
            await talk.more()
        assert set(talk.statuses) == {201}, talk.refusals
        assert await durability.unsafe_settings(service.database) == []
    await require_kept(database_url, talk)


async def test_without_one_there_is_none(database_url: str) -> None:
    async with running(database_url) as service:
        assert service.database.pooling is Pooling.DIRECT


@pytest.mark.parametrize("connections", [1, 3])
async def test_in_transaction_mode_it_works_however_few_connections_there_are(
    server_url: str, connections: int
) -> None:
    """From the first migration on. PgBouncer before 1.21 knows no statements with names."""
    url = await create_database(server_url)
    try:
        async with pooled(url, pool_mode="transaction", default_pool_size=connections) as pooler:
            await asyncio.to_thread(migrations.upgrade, pooler.url)
            other = await stranger(pooler)
            async with running(pooler.url) as service, talking(service, people=6) as talk:
                assert service.database.pooling is Pooling.TRANSACTION
                for _ in range(5):
                    await other.execute(LEFT_BEHIND)
                    await talk.more(10)
                assert await durability.unsafe_settings(service.database) == []
            await other.close()
        assert set(talk.statuses) == {201}, talk.refusals
        await require_kept(url, talk)
    finally:
        await drop_database(server_url, url)


async def test_in_transaction_mode_others_find_nothing_of_ours(database_url: str) -> None:
    async with pooled(database_url, pool_mode="transaction", default_pool_size=1) as pooler:
        other = await stranger(pooler)
        before = await settings_of(other)
        async with running(pooler.url) as service, talking(service) as talk:
            await talk.more()
            assert await settings_of(other) == before
            assert await other.fetch("SELECT name FROM pg_prepared_statements WHERE name <> ''") == []
        await other.close()


async def settings_of(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    async with connection.transaction():
        rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name <> 'application_name'")
    # The language's own are there from the first call of a function on.
    others = ("transaction_", "plpgsql.")
    return {row["name"]: row["setting"] for row in rows if not row["name"].startswith(others)}


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_that_restarts_under_load_costs_moments(database_url: str, mode: str) -> None:
    async with pooled(database_url, pool_mode=mode) as pooler:
        async with running(pooler.url) as service, talking(service) as talk:
            await talk.more()
            await pooler.stop()
            assert code_of(await readiness(service, 503), 503) == "database_unavailable"
            await pooler.start()
            await readiness(service, 200)
            await talk.more()
        await require_kept(database_url, talk)


async def test_a_server_that_stands_still_holds_nobody_up(database_url: str) -> None:
    async with (
        gate(database_url) as door,
        pooled(door.url, pool_mode="transaction") as pooler,
        running(pooler.url) as service,
    ):
        person = await service.person()
        await door.hold()
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(person.client.get("/api/v1/conversations") for _ in range(3)))
        assert {code_of(answer, 503) for answer in answers} == {"database_unavailable"}
        await door.open()
        await readiness(service, 200)
        assert (await person.client.get("/api/v1/conversations")).status_code == 200


async def test_a_statement_that_fails_costs_no_connection(database_url: str) -> None:
    async with pooled(database_url, pool_mode="transaction") as pooler:
        database = await Database.connect(pooler.url, pool_size=2)
        try:
            async with database._pool.acquire() as first:
                pass
            for _ in range(3):
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await database.row(Statement(text("SELECT 1 / 0")))
            async with database._pool.acquire() as second:
                assert second is first
                assert await second.fetchval("SELECT 1") == 1
        finally:
            await database.close()


async def test_where_others_hold_every_connection_people_are_asked_to_come_again(database_url: str) -> None:
    async with pooled(database_url, default_pool_size=4) as pooler, running(pooler.url) as service:
        person = await service.person()
        await service.database._pool.close(timeout_seconds=5)
        others = [asyncio.create_task(held(pooler)) for _ in range(4)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(10):
            answer = await person.client.get("/api/v1/conversations")
        assert code_of(answer, 503) == "database_unavailable"
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def held(pooler: Pooler) -> None:
    connection = await stranger(pooler)
    try:
        await connection.execute("SELECT 1")
        await asyncio.sleep(60)
    finally:
        connection.terminate()


async def test_settings_that_a_pooler_drops_are_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler whose mode nobody noticed, which makes the server forget what it was told after each transaction."""

    async def unnoticed(opening: Opening) -> tuple[Found, Pooling]:
        found, _ = await probe_connection(opening)
        return found, Pooling.SESSION

    monkeypatch.setattr("chatkeep.database.connector.probe_connection", unnoticed)
    async with pooled(database_url, pool_mode="transaction", server_reset_query_always=1) as pooler:
        database = await Database.connect(pooler.url, pool_size=2)
        try:
            unsafe = await durability.unsafe_settings(database)
        finally:
            await database.close()
    assert "statement_timeout is 0 although 30s was set: a pooler before the database drops settings." in unsafe


# What the service has asked of a server, by what its functions meet: PgBouncer cannot tell it to ignore any of it.
IGNORED = (
    "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,jit,plan_cache_mode,enable_seqscan,search_path,"
    "synchronous_commit,TimeZone,options,extra_float_digits"
)
SEEN = ("plan_cache_mode", "enable_seqscan", "lock_timeout", "statement_timeout", "synchronous_commit", "search_path")
NOTED = f"""
CREATE TABLE seen_settings (event text, name text, value text);
CREATE FUNCTION note_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen_settings
    SELECT TG_OP, name, current_setting(name) FROM unnest(ARRAY{list(SEEN)}) AS name;
    RETURN NULL;
END $$;
CREATE TRIGGER note_settings AFTER INSERT OR UPDATE ON turns FOR EACH ROW EXECUTE FUNCTION note_settings();
"""


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_what_is_asked_of_a_session_holds_inside_the_functions(database_url: str, mode: str) -> None:
    """`begin_turn_1` inserts, `end_turn_1` updates: both see what the service asked for, whatever a pooler ignores."""
    await run(database_url, NOTED)
    async with pooled(database_url, pool_mode=mode, ignore_startup_parameters=IGNORED) as pooler:
        other = await stranger(pooler)
        async with running(pooler.url) as service:
            await other.execute(LEFT_BEHIND)
            person = await service.person()
            await person.say(await person.conversation(), "hello")
        await other.close()
        connection = await stranger(pooler)
        rows = await connection.fetch("SELECT DISTINCT event, name, value FROM public.seen_settings")
        await connection.close()
    wanted = {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "lock_timeout": HOT["lock_timeout"],
        "statement_timeout": HOT["statement_timeout"],
        "synchronous_commit": "on",
        "search_path": "public",
    }
    assert {(row["event"], row["name"]): row["value"] for row in rows} == {
        (event, name): value for event in ("INSERT", "UPDATE") for name, value in wanted.items()
    }


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_the_log_names_at_the_start_what_a_pooler_drops_of_the_address(
    database_url: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(replication.log, "warning", lambda event, **fields: said.append((event, fields)))
    async with (
        pooled(database_url, pool_mode=mode, ignore_startup_parameters="options") as pooler,
        running(f"{pooler.url}?options=-c%20work_mem%3D8192%20--statement-timeout%3D5s"),
    ):
        pass
    # The service sets the other one itself, so that it is not lost.
    assert [(event, fields["option"]) for event, fields in said] == [("option_not_in_force", "work_mem")]


@pytest.mark.parametrize("auth_type", ["scram-sha-256", "plain", "trust"])
async def test_however_it_asks_who_we_are(database_url: str, auth_type: str) -> None:
    async with pooled(database_url, auth_type=auth_type) as pooler:
        database = await Database.connect(pooler.url, pool_size=2)
        await database.close()


@pytest.mark.parametrize("settings", [{"server_round_robin": 1}, {"server_reset_query": ""}, {"server_lifetime": 1}])
async def test_its_mode_is_found_out_however_it_chooses_connections(
    database_url: str, settings: dict[str, object]
) -> None:
    for mode, expected in (("session", Pooling.SESSION), ("transaction", Pooling.TRANSACTION)):
        async with pooled(database_url, pool_mode=mode, min_pool_size=3, **settings) as pooler:
            for _ in range(3):
                database = await Database.connect(pooler.url, pool_size=2)
                assert database.pooling is expected
                await database.close()


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("connections", [1, 2, 3, 4])
async def test_transaction_mode_is_found_out_however_many_connections_are_open(
    database_url: str, connections: int, round_robin: int
) -> None:
    settings = {"default_pool_size": connections, "server_round_robin": round_robin}
    async with pooled(database_url, pool_mode="transaction", **settings) as pooler:
        await open_together(pooler, connections)
        for _ in range(3):
            database = await Database.connect(pooler.url, pool_size=2)
            assert database.pooling is Pooling.TRANSACTION
            await database.close()


async def open_together(pooler: Pooler, number: int) -> None:
    """Have the pooler open that many connections to the server, and keep them."""
    strangers = [await stranger(pooler) for _ in range(number)]
    for each in strangers:
        await each.execute("BEGIN")
    pids = {await each.fetchval("SELECT pg_backend_pid()") for each in strangers}
    assert len(pids) == number
    for each in strangers:
        await each.execute("COMMIT")
        await each.close()
