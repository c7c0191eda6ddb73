"""What the drivers raise, translated where it enters: the rest of the code never sees a driver's error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import DatabaseUnavailable, QueryTooSlow

# SQLSTATEs that mean "not now", most by their class: connection, sign-in at the database, no such database,
# deadlock and serialisation, a database that takes no connections, resources, operator intervention.
UNAVAILABLE = ("08", "28", "3D", "40", "53", "55000", "57")
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"

_CONNECTION_LOST = (
    asyncpg.InterfaceError,
    # A connection that the server ended while it lay idle, used before its last words were read.
    asyncpg.InternalClientError,
    asyncpg.exceptions.ConnectionDoesNotExistError,
    ConnectionError,
    TimeoutError,
    OSError,
    PoolTimeout,
)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that PostgreSQL gave, through whichever library it came."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    return getattr(error, "sqlstate", None)


def constraint_of(error: BaseException) -> str:
    """Return the name of the constraint that was violated, or an empty string.

    Compare by prefix: distributed databases add a shard's number to the name.
    """
    if isinstance(error, DBAPIError):
        error = getattr(error.orig, "__cause__", None) or error
    return getattr(error, "constraint_name", None) or ""


def means_unavailable(error: BaseException) -> bool:
    if isinstance(error, _CONNECTION_LOST):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error.orig, _CONNECTION_LOST):
            return True
        if isinstance(getattr(error.orig, "__cause__", None), _CONNECTION_LOST):
            return True
    state = sqlstate_of(error) or ""
    return state == LOCK_NOT_AVAILABLE or state.startswith(UNAVAILABLE)


TRANSLATED = (DBAPIError, asyncpg.PostgresError, *_CONNECTION_LOST)


def raise_translated(error: BaseException) -> NoReturn:
    """Raise what one of `TRANSLATED` means.

    Raises:
        DatabaseUnavailable: the database is lost, full or refusing.
        QueryTooSlow: the statement was stopped for its length.
        BaseException: `error` itself, where it is neither.
    """
    if sqlstate_of(error) == QUERY_CANCELED:
        raise QueryTooSlow("That took too long and was stopped. Narrow it: by user, by time, by status.") from error
    if means_unavailable(error):
        raise DatabaseUnavailable(
            "The database does not answer just now. Nothing was lost; try again in a moment."
        ) from error
    raise error


@contextmanager
def translated() -> Iterator[None]:
    """Let `raise_translated` raise what is raised inside."""
    try:
        yield
    except TRANSLATED as error:
        raise_translated(error)
