"""Reads that may be a little old: on a standby that is near enough, otherwise on the primary."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.database import Database
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.database.position_queries import written_up_to
from chatkeep.database.standby import NotNear, Standby
from chatkeep.errors import DatabaseUnavailable

Answer = TypeVar("Answer")
Query = Callable[[AsyncConnection], Awaitable[Answer]]

log = structlog.get_logger(__name__)


class Reader(Protocol):
    """Something that runs queries which change nothing: a database, or `Reads`."""

    async def read(self, query: Query[Answer], *, timeout_seconds: float) -> Answer:
        """Run a query in a transaction of its own; it may be run twice."""
        ...


class Reads:
    """The reads of one request. A later one never finds less than an earlier one did.

    Args:
        told: called with the seconds that an answer may be behind, after each read on the standby.
    """

    def __init__(
        self, primary: Database, standby: Standby | None, *, told: Callable[[float], None] = lambda _: None
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._told = told
        self._not_before = 0
        self.lag_seconds: float | None = None

    async def read(self, query: Query[Answer], *, timeout_seconds: float) -> Answer:
        """Run a query on the standby; where that is away, too far behind or breaks it off, on the primary.

        Raises:
            QueryTooSlow: it took longer than `timeout_seconds`; it is not run again for it.
            DatabaseUnavailable: the primary does not answer, either.
        """
        if self._standby is not None and self._standby.is_near:
            try:
                return await self._on_standby(self._standby, query, timeout_seconds)
            except NotNear:
                pass  # the log has it from the standby itself, once
            except (DatabaseUnavailable, DBAPIError) as error:
                # Also what a standby breaks off to go on with its primary's changes (hot standby conflict, 40001), and
                # tables that a migration has changed on the primary alone so far.
                cause = error.__cause__ or error
                log.warning("standby_read_failed", sqlstate=sqlstate_of(cause), reads="primary")
        return await self._on_primary(query, timeout_seconds)

    async def _on_standby(self, standby: Standby, query: Query[Answer], timeout_seconds: float) -> Answer:
        async with standby.read_only(timeout_seconds=timeout_seconds, not_before=self._not_before) as (connection, at):
            answer = await query(connection)
        self._not_before = max(self._not_before, at.bytes)
        self.lag_seconds = max(self.lag_seconds or 0, at.lag_seconds)
        self._told(self.lag_seconds)
        return answer

    async def _on_primary(self, query: Query[Answer], timeout_seconds: float) -> Answer:
        async with self._primary.read_only(timeout_seconds=timeout_seconds) as connection:
            answer = await query(connection)
            if self._standby is not None:
                self._not_before = await written_up_to(connection)
        return answer
