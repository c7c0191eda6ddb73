"""The ends of what each column can hold, put where no code of the service would put them."""

from collections.abc import Sequence

import asyncpg
from sqlalchemy import BigInteger, Column, DateTime, Integer, SmallInteger, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from chatkeep.database.tables import metadata

TIMES = (
    "-infinity",
    "infinity",
    "4713-01-01 00:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "1601-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "294276-12-31 23:59:59.999999+00",
    "10000-01-01 00:00:00+00",
)
SMALL, WHOLE, BIG = (tuple(str(end) for end in (2 ** (bits - 1) - 1, 0, -(2 ** (bits - 1)))) for bits in (16, 32, 64))
TEXTS = ("", "x" * 10_000, "東京 😀 \u202e<script>\x1b[31m\r\n\x7f" * 40_000)
VALUES = (
    "null",
    "true",
    '"text"',
    "[1, [2]]",
    "{}",
    '{"import": [], "chatstream": 1, "temperature": "hot", "": ""}',
    '{"number": 1e400, "small": -1e-400, "long": 1e20000, "fraction": 1.5e308}',
    '{"large": ' + "9" * 400 + "." + "1" * 400 + "}",
    '{"text": "' + "\\\\ud800 \\u007f " * 50_000 + '"}',
    "[" * 500 + "]" * 500,
    '{"a":' * 1000 + "1" + "}" * 1000,
)
# Of what the service takes for more than a value: a number that more is added to, text that other text is found by.
OF_TYPE = (
    (DateTime, TIMES),
    (SmallInteger, SMALL),
    (BigInteger, BIG),
    (Integer, WHOLE),
    (JSONB, VALUES),
    (Text, TEXTS),
)


def extremes_of(column: "Column[object]") -> Sequence[str]:
    """Return the extreme values of a column, as PostgreSQL reads them; none for ids, flags and bytes."""
    return next((values for kind, values in OF_TYPE if isinstance(column.type, kind)), ())


MAX_ROWS = 12
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
# Where the next row of the audit trail goes: moved, nothing more is put on record, and so nothing is shown.
PLACES = {("audit_chains", "chain"), ("audit_chains", "seq")}
COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    for column in table.c
    if extremes_of(column) and (table.name, column.name) not in PLACES
]


async def keep_copy(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Remember what every table holds."""
    await connection.execute("GRANT ALL ON audit_events, audit_subjects, audit_chains TO CURRENT_USER")
    await connection.execute("CREATE SCHEMA kept")
    for table in metadata.sorted_tables:
        await connection.execute(f"CREATE TABLE kept.{table.name} AS TABLE {table.name}")


async def restore(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have every table hold again what it held."""
    async with connection.transaction():
        for table in reversed(metadata.sorted_tables):
            await connection.execute(f"DELETE FROM {table.name}")
        for table in metadata.sorted_tables:
            await connection.execute(f"INSERT INTO {table.name} TABLE kept.{table.name}")


async def put(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, column: str, *, but_not: str = "false", shift: int = 0
) -> int:
    """Put each extreme of a column into a row of its own; return how many the table's rules let in.

    Args:
        but_not: condition of the rows that stay as they are.
        shift: with another one, a row gets another extreme.
    """
    found = next(each for each in metadata.tables[table].c if each.name == column)
    kind, extremes = found.type.compile(_DIALECT), extremes_of(found)
    let_in = 0
    query = f"SELECT ctid FROM {table} WHERE NOT ({but_not}) ORDER BY md5(ctid::text) LIMIT {MAX_ROWS}"
    for place, row in enumerate(await connection.fetch(query)):
        for turn in range(len(extremes)):
            try:
                update = f'UPDATE {table} SET "{column}" = $2::text::{kind} WHERE ctid = $1'
                await connection.execute(update, row["ctid"], extremes[(place + turn + shift) % len(extremes)])
            except asyncpg.PostgresError:
                continue  # a rule of the table's, which is as good
            let_in += 1
            break
    return let_in
