"""Every time that PostgreSQL can hold is read, and written back as it was."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, select, text

from chatkeep.database.database import Database
from chatkeep.database.statement import Statement
from chatkeep.database.tables import TIME
from chatkeep.database.times import EARLIEST, LATEST, FarTime, cursor_text, time_in_cursor

FAR = {
    "-infinity": EARLIEST,
    "infinity": LATEST,
    "4713-01-01 00:00:00+00 BC": EARLIEST,
    "0001-12-31 23:59:59.999999+00 BC": EARLIEST,
    "0001-01-01 00:00:00+00": EARLIEST,
    "9999-12-31 23:59:59.999999+00": LATEST,
    "10000-01-01 00:00:00+00": LATEST,
    "294276-12-31 23:59:59.999999+00": LATEST,
}


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url, pool_size=2)
    yield database
    await database.close()


async def hot(database: Database, sql: str, value: object) -> Any:
    statement = Statement(select(bindparam("value", type_=TIME).label("value")))
    statement.sql = sql
    row = await database.row(statement, value=value)
    assert row is not None
    return row["value"]


async def cold(database: Database, sql: str, value: object) -> Any:
    async with database.transaction() as connection:
        return await connection.scalar(
            text(sql.replace("$1::timestamptz", "CAST(:value AS timestamptz)")), {"value": value}
        )


@pytest.mark.parametrize("ask", [hot, cold])
@pytest.mark.parametrize("stored", FAR)
async def test_a_time_beyond_the_calendar_reads_as_its_end_and_is_written_back_as_it_was(
    database: Database, ask: Any, stored: str
) -> None:
    time = await _read(database, ask, stored)
    assert (time, time.tzinfo) == (FAR[stored], UTC)
    again = time_in_cursor(cursor_text(time))
    for each in (time, again):
        assert await ask(database, f"SELECT $1::timestamptz = '{stored}'::timestamptz AS value", each) is True


async def _read(database: Database, ask: Any, stored: str) -> datetime:
    found = await ask(database, f"SELECT '{stored}'::timestamptz AS value WHERE $1::timestamptz IS NOT NULL", EARLIEST)
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize("ask", [hot, cold])
async def test_times_of_the_calendar_are_what_they_were(database: Database, ask: Any) -> None:
    tokyo = timezone(timedelta(hours=9))
    for time in (
        EARLIEST + timedelta(microseconds=1),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, 0, 1, tokyo),
        LATEST - timedelta(microseconds=1),
    ):
        found = await ask(database, "SELECT $1::timestamptz AS value", time)
        assert (found, found.tzinfo) == (time, UTC)


async def test_a_time_without_its_offset_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await hot(database, "SELECT $1::timestamptz AS value", datetime(2026, 1, 1))  # noqa: DTZ001  that is the case


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_names_every_place(stored: int) -> None:
    time = time_in_cursor(f"@{stored}")
    assert EARLIEST <= time <= LATEST
    assert time_in_cursor(cursor_text(time)) == time
    if isinstance(time, FarTime):
        assert cursor_text(time) == f"@{stored}"
