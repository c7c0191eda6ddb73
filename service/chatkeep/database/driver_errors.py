"""Errors of the drivers, translated where they enter: the rest of the code never sees one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatkeep.database.sqlstates import (
    DISK_FULL,
    FAULT,
    FEATURE_NOT_SUPPORTED,
    INSUFFICIENT_PRIVILEGE,
    INTERNAL_ERROR,
    READ_ONLY,
    Meaning,
    meaning_of,
)
from chatkeep.errors import (
    DatabaseFull,
    DatabaseUnavailable,
    InvalidText,
    MissingPrivilege,
    QueryTooSlow,
    ReadOnlyDatabase,
)

log = structlog.get_logger(__name__)

# Errors without a code of their own that mean the same, by their words in English: these are translated nowhere. From
# Citus, of a worker that is gone; from a server that became a standby.
_ENDED_IN_WORDS = (
    "failure on connection marked as essential",
    "could not establish any connections",
    "writing to worker nodes is not currently allowed",
    "during recovery",
)

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

TRANSLATED = (DBAPIError, asyncpg.PostgresError, *_CONNECTION_LOST)


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


def _meaning(error: BaseException) -> Meaning:
    return meaning_of(state) if (state := sqlstate_of(error)) else FAULT


def ends_connection(error: BaseException) -> bool:
    """Whether the connection that it came through must not be used again."""
    return _meaning(error).ends or _is_lost(error)


def _is_lost(error: BaseException) -> bool:
    """Whether the connection ended with an error whose SQLSTATE does not say so."""
    driver, state = _of_the_driver(error), sqlstate_of(error)
    if getattr(driver, "severity_en", None) in ("FATAL", "PANIC"):
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
    if isinstance(error, _CONNECTION_LOST) or _is_lost(error):
        return True
    # The statement was prepared before a migration changed its tables; the next time it is prepared again.
    if isinstance(_of_the_driver(error), asyncpg.InvalidCachedStatementError):
        return True
    if sqlstate_of(error):
        return _meaning(error).answer in ("not now", "too slow")
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated
        or isinstance(error.orig, _CONNECTION_LOST)
        or isinstance(getattr(error.orig, "__cause__", None), _CONNECTION_LOST)
    )


def _of_the_driver(error: BaseException) -> BaseException:
    """Return asyncpg's own error, through whichever library it came."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "__cause__", None) or error.orig or error
    if isinstance(error, asyncpg.PostgresError):
        return error
    return error.__cause__ or error


def raise_translation(error: BaseException) -> NoReturn:
    """Raise what one of `TRANSLATED` means.

    Raises:
        DatabaseFull: its disk is full.
        MissingPrivilege: a right was taken from the service's role.
        ReadOnlyDatabase: the database takes no changes.
        DatabaseUnavailable: the database is lost, full or refusing.
        QueryTooSlow: the statement was stopped for its length.
        InvalidText: the database has no such character.
        BaseException: `error` itself, where it is a fault.
    """
    state, meaning = sqlstate_of(error), _meaning(error)
    if meaning.tells:
        log.warning("database_refused", sqlstate=state)
    if meaning.answer == "too slow":
        raise QueryTooSlow("That took too long and was stopped. Narrow it: by user, by time, by status.") from error
    if meaning.answer == "unstorable":
        raise InvalidText("The database cannot keep a character of this text.") from error
    if state == DISK_FULL:
        raise DatabaseFull from error
    if state == INSUFFICIENT_PRIVILEGE:
        raise MissingPrivilege from error
    if ends_all_connections(error):
        raise ReadOnlyDatabase from error
    if means_unavailable(error):
        raise DatabaseUnavailable(
            "The database does not answer just now. Nothing was lost; try again in a moment."
        ) from error
    raise error


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate the errors raised inside, as `raise_translation` does."""
    try:
        yield
    except TRANSLATED as error:
        raise_translation(error)
