"""What the drivers raise, translated where it enters: the rest of the code never sees a driver's error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import DatabaseFull, DatabaseUnavailable, QueryTooSlow, ReadOnlyDatabase

READ_ONLY = "25006"
UNKNOWN_DATABASE = "3D000"
QUERY_CANCELED = "57014"
DISK_FULL = "53100"
LOCK_NOT_AVAILABLE = "55P03"
# The connection is another one than we know: a pooler lends it to others, too.
UNKNOWN_STATEMENT = ("26000", "42P05")

# SQLSTATEs after which a connection is of no use: no connection, a server that takes no changes (any more), a
# transaction that idled too long, a server that shuts down or starts.
_ENDED = ("08", READ_ONLY, "25P03", "25P04", *UNKNOWN_STATEMENT, "57P")
# SQLSTATEs that mean "not now", most by their class: those, sign-in at the database, no such database, deadlock and
# serialisation, resources, a database that takes no connections, operator intervention, the disk.
UNAVAILABLE = (*_ENDED, "28", "3D", "40", "53", "55000", "57", "58030")

INTERNAL_ERROR = "XX000"
# Errors without a code of their own that mean the same, by their words in English: these are translated nowhere. From
# Citus, of a worker that is gone; from a server that became a standby.
_ENDED_IN_WORDS = (
    "failure on connection marked as essential",
    "could not establish any connections",
    "writing to worker nodes is not currently allowed",
    "during recovery",
)

FEATURE_NOT_SUPPORTED = "0A000"
# A transaction that a standby cannot begin, by where in the server it comes from: the same in every language.
_STANDBY = ("GetSerializableTransactionSnapshot",)

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


def ends_connection(error: BaseException) -> bool:
    """Whether the connection that it came through must not be used again."""
    driver, state = _of_the_driver(error), sqlstate_of(error) or ""
    if getattr(driver, "severity_en", None) in ("FATAL", "PANIC") or state.startswith(_ENDED):
        return True
    if state == FEATURE_NOT_SUPPORTED:
        return getattr(driver, "server_source_function", None) in _STANDBY
    return state == INTERNAL_ERROR and any(words in str(driver) for words in _ENDED_IN_WORDS)


def ends_all_connections(error: BaseException) -> bool:
    """Whether the server takes no changes any more, so that every connection to it is of no use."""
    driver, state = _of_the_driver(error), sqlstate_of(error) or ""
    return ends_connection(error) and (
        state in (READ_ONLY, FEATURE_NOT_SUPPORTED) or (state == INTERNAL_ERROR and "during recovery" in str(driver))
    )


def means_unavailable(error: BaseException) -> bool:
    if isinstance(error, _CONNECTION_LOST):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error.orig, _CONNECTION_LOST):
            return True
        if isinstance(getattr(error.orig, "__cause__", None), _CONNECTION_LOST):
            return True
    if ends_connection(error):
        return True
    # The statement was prepared before a migration changed its tables; the next time it is prepared anew.
    if isinstance(_of_the_driver(error), asyncpg.InvalidCachedStatementError):
        return True
    state = sqlstate_of(error) or ""
    return state == LOCK_NOT_AVAILABLE or state.startswith(UNAVAILABLE)


def _of_the_driver(error: BaseException) -> BaseException:
    """Return asyncpg's own error, through whichever library it came."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "__cause__", None) or error.orig or error
    if isinstance(error, asyncpg.PostgresError):
        return error
    return error.__cause__ or error


TRANSLATED = (DBAPIError, asyncpg.PostgresError, *_CONNECTION_LOST)


def raise_translated(error: BaseException) -> NoReturn:
    """Raise what one of `TRANSLATED` means.

    Raises:
        DatabaseFull: its disk is full.
        ReadOnlyDatabase: the database takes no changes.
        DatabaseUnavailable: the database is lost, full or refusing.
        QueryTooSlow: the statement was stopped for its length.
        BaseException: `error` itself, where it is neither.
    """
    if sqlstate_of(error) == QUERY_CANCELED:
        raise QueryTooSlow("That took too long and was stopped. Narrow it: by user, by time, by status.") from error
    if sqlstate_of(error) == DISK_FULL:
        raise DatabaseFull from error
    if ends_all_connections(error):
        raise ReadOnlyDatabase from error
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
