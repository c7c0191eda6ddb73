"""Rows into a table, column by column: one statement for hundreds of rows, whose parameters are arrays.

With a parameter for each value, a row of a few words costs the driver as much as one of a page.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.stored_json import dump_json

ROWS_PER_STATEMENT = 500

Rows = Sequence[Mapping[str, Any]]


async def insert_rows(connection: AsyncConnection, table: Table, rows: Rows, *, unless_there: bool = False) -> int:
    """Insert rows of one user in their order, all of which have the same columns; return how many there are new.

    Args:
        unless_there: leave out those whose key is there. Otherwise they are an error.
    """
    new = 0
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        part = rows[start : start + ROWS_PER_STATEMENT]
        values: dict[str, Any] = {"user_id": part[0]["user_id"]}
        for name in part[0]:
            column = [row[name] for row in part]
            # One of nothing but nulls is left out: most turns have a dozen of them.
            if name != "user_id" and any(value is not None for value in column):
                values[name] = _sent(table, name, column)
        new += (await connection.execute(_insert_of(table, tuple(values), unless_there), values)).rowcount
    return new


def _sent(table: Table, name: str, values: list[Any]) -> list[Any]:
    if isinstance(table.c[name].type, JSONB):
        return [None if value is None else dump_json(value) for value in values]
    return values


@lru_cache(maxsize=64)
def _insert_of(table: Table, names: tuple[str, ...], unless_there: bool) -> Any:
    """The statement that inserts columns of these names, of which the first is the user's id for all of them."""
    columns = [table.c[name] for name in names[1:]]
    arrays = [
        bindparam(column.key, type_=ARRAY(Text() if isinstance(column.type, JSONB) else column.type))
        for column in columns
    ]
    given = func.unnest(*arrays).table_valued(*names[1:], name="given").render_derived()
    user_id = bindparam("user_id", type_=table.c.user_id.type)
    rows = select(user_id, *(cast(given.c[column.key], column.type) for column in columns)).select_from(given)
    made = postgresql.insert(table).from_select(list(names), rows)
    return made.on_conflict_do_nothing() if unless_there else made
