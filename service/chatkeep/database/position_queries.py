"""Places in the server's log of changes (WAL), in bytes from its beginning, and whose log it is."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, cast, column, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

_BEGINNING: ColumnElement[Any] = literal_column("'0/0'::pg_lsn")


class Place(NamedTuple):
    """A server's place.

    Attributes:
        is_standby: it follows another server.
        bytes: up to where it has applied what another server wrote.
    """

    is_standby: bool
    bytes: int


class Origin(NamedTuple):
    """Where the data come from; the same on a primary and on its standbys."""

    system: int
    database: int


def _in_bytes(place: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_wal_lsn_diff(place, _BEGINNING)


async def place_of(connection: AsyncConnection) -> Place:
    """Return how far a server is."""
    standby = func.pg_is_in_recovery()
    # Null on a primary that was never a standby.
    place = func.coalesce(func.pg_last_wal_replay_lsn(), _BEGINNING)
    row = (await connection.execute(select(standby, _in_bytes(place)))).one()
    return Place(row[0], int(row[1]))


async def written_up_to(connection: AsyncConnection) -> int:
    """Return where a primary writes: whatever is committed is before it."""
    return int(await connection.scalar(select(_in_bytes(func.pg_current_wal_insert_lsn()))) or 0)


async def origin_of(connection: AsyncConnection) -> Origin:
    """Return whose data a server has."""
    control = func.pg_control_system().table_valued("system_identifier")
    here = table("pg_database", column("oid"), column("datname", Text))
    database = select(here.c.oid).where(here.c.datname == cast(func.current_database(), Text)).scalar_subquery()
    row = (await connection.execute(select(control.c.system_identifier, database))).one()
    return Origin(int(row[0]), int(row[1]))
