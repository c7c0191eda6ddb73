"""Places in the server's log of changes (WAL), in bytes from its beginning, and whose log it is."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, cast, column, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

_BEGINNING: ColumnElement[Any] = literal_column("'0/0'::pg_lsn")


class Origin(NamedTuple):
    """Where the data come from; the same on a primary and on its standbys."""

    system: int
    database: int


class Place(NamedTuple):
    """A server's place.

    Attributes:
        is_standby: it follows another server.
        bytes: up to where it has applied what another server wrote.
    """

    origin: Origin
    is_standby: bool
    bytes: int


def _in_bytes(place: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_wal_lsn_diff(place, _BEGINNING)


async def place_of(connection: AsyncConnection) -> Place:
    """Return how far a server is, and whose data it has."""
    control = func.pg_control_system().table_valued("system_identifier")
    here = table("pg_database", column("oid"), column("datname", Text))
    database = select(here.c.oid).where(here.c.datname == cast(func.current_database(), Text)).scalar_subquery()
    # Null on a primary that was never a standby.
    applied = func.coalesce(func.pg_last_wal_replay_lsn(), _BEGINNING)
    query = select(control.c.system_identifier, database, func.pg_is_in_recovery(), _in_bytes(applied))
    system, oid, is_standby, place = (await connection.execute(query)).one()
    return Place(Origin(int(system), int(oid)), bool(is_standby), int(place))


async def written_up_to(connection: AsyncConnection) -> int:
    """Return where a primary writes: whatever is committed is before it."""
    return int(await connection.scalar(select(_in_bytes(func.pg_current_wal_insert_lsn()))) or 0)
