"""Errors of a server, by which of them mean "not now", and which of them cost the connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Text, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError

from chatkeep.database.database import Database
from chatkeep.database.statement import Statement
from chatkeep.errors import DatabaseUnavailable, ReadOnlyDatabase
from tests.support.databases import name_of, run
from tests.support.running_service import running

FAIL = Statement(
    select(func.fail(bindparam("code", type_=Text), bindparam("message", type_=Text)).label("never")),
)
PID = Statement(select(func.pg_backend_pid().label("pid")))
ENDING = [
    ("25006", "cannot execute INSERT in a read-only transaction"),
    ("08006", "connection to the remote node worker-1:5432 failed"),
    ("08P01", "server conn crashed?"),
    ("57P01", "terminating connection due to administrator command"),
    ("57P03", "the database system is starting up"),
    ("25P03", "terminating connection due to idle-in-transaction timeout"),
    ("26000", 'prepared statement "__asyncpg_stmt_1__" does not exist'),
    ("42P05", 'prepared statement "__asyncpg_stmt_1__" already exists'),
    ("XX000", "failure on connection marked as essential: worker-1:5432"),
    ("XX000", "cannot assign TransactionIds during recovery"),
    ("XX000", "writing to worker nodes is not currently allowed"),
]
PASSING = [("53100", "could not extend file"), ("40001", "could not serialize access"), ("58030", "could not fsync")]
OURS = [("XX000", "some other fault"), ("0A000", "cannot do that"), ("22012", "division by zero")]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await run(
        database_url,
        "CREATE FUNCTION fail(code text, message text) RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END $$",
    )
    database = await Database.connect(database_url, pool_size=2)
    yield database
    await database.close()


async def pids(database: Database) -> tuple[int, int]:
    """Return the server's processes behind the hot connection and the other one."""
    row = await database.row(PID)
    assert row is not None
    async with database.transaction() as connection:
        return row["pid"], (await connection.execute(select(func.pg_backend_pid()))).scalar_one()


async def connections(database: Database, url: str) -> int:
    count = text(f"SELECT count(*) AS n FROM pg_stat_activity WHERE datname = '{name_of(url)}'")
    (row,) = await database.rows(Statement(count))
    return int(row["n"])


async def fail_cold(database: Database, code: str, message: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("SELECT fail(:code, :message)"), {"code": code, "message": message})


@pytest.mark.parametrize(("code", "message"), ENDING)
async def test_what_ends_a_connection_is_not_now_and_costs_it(database: Database, code: str, message: str) -> None:
    hot, cold = await pids(database)
    with pytest.raises(DatabaseUnavailable) as refused:
        await database.row(FAIL, code=code, message=message)
    assert isinstance(refused.value, ReadOnlyDatabase) == (code == "25006" or "recovery" in message)
    with pytest.raises(DatabaseUnavailable):
        await fail_cold(database, code, message)
    now_hot, now_cold = await pids(database)
    assert now_hot != hot
    assert now_cold != cold


@pytest.mark.parametrize(("code", "message"), PASSING)
async def test_what_passes_costs_no_connection(database: Database, code: str, message: str) -> None:
    before = await pids(database)
    with pytest.raises(DatabaseUnavailable):
        await database.row(FAIL, code=code, message=message)
    with pytest.raises(DatabaseUnavailable):
        await fail_cold(database, code, message)
    assert await pids(database) == before


@pytest.mark.parametrize(("code", "message"), OURS)
async def test_other_faults_are_no_excuse(database: Database, code: str, message: str) -> None:
    before = await pids(database)
    with pytest.raises(Exception, match=message) as raised:
        await database.row(FAIL, code=code, message=message)
    assert not isinstance(raised.value, DatabaseUnavailable)
    with pytest.raises(DBAPIError):
        await fail_cold(database, code, message)
    assert await pids(database) == before


async def test_a_statement_is_planned_anew_where_a_table_has_changed(database: Database, database_url: str) -> None:
    """A migration under a running service: at worst the statement is to be tried again."""
    await run(database_url, "CREATE TABLE changing (x int)", "INSERT INTO changing VALUES (7)")
    asking = Statement(text("SELECT x FROM changing"))
    for kind in ("bigint", "text"):
        await database.row(asking)
        async with database.transaction() as connection:
            await connection.execute(text("SELECT x FROM changing"))
        await run(database_url, f"ALTER TABLE changing ALTER x TYPE {kind}")
        assert await database.row(asking) is not None
        for _ in range(2):
            try:
                async with database.transaction() as connection:
                    await connection.execute(text("SELECT x FROM changing"))
                break
            except DatabaseUnavailable:
                continue
        else:
            pytest.fail("it was tried again, and failed again")


async def test_one_read_only_answer_costs_all_that_are_open(database_url: str, server_url: str) -> None:
    database = await Database.connect(database_url, pool_size=8)
    try:
        await asyncio.gather(*(database.row(Statement(select(func.pg_sleep(0.2)))) for _ in range(4)))
        assert await connections(database, database_url) == 4
        with pytest.raises(ReadOnlyDatabase):
            async with database.read_only(timeout_seconds=5) as connection:
                await connection.execute(text("CREATE TABLE never (x int)"))
        async with asyncio.timeout(10):
            while await connections(database, database_url) > 1:
                await asyncio.sleep(0.05)
    finally:
        await database.close()


async def test_a_reply_is_kept_although_its_last_statement_is_cancelled(database_url: str) -> None:
    """By an administrator, by a standby that lags, by a timeout of somebody's."""
    async with running(database_url) as service:
        person = await service.person()
        conversation = await person.conversation()
        await run(
            database_url,
            "CREATE SEQUENCE tries",
            "CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.status = 'complete' AND nextval('tries') < 3 THEN RAISE SQLSTATE '57014'; END IF;"
            " RETURN NEW; END $$",
            "CREATE TRIGGER cancel BEFORE UPDATE ON turns FOR EACH ROW EXECUTE FUNCTION cancel()",
        )
        turn = await person.say(conversation, "hello")
        assert turn["status"] == "complete"
