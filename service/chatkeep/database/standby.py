"""A standby for reads: connected to when it is there, and watched for how far it is behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.database import Database
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.database.lag import Lag
from chatkeep.database.libpq.address import standby_url
from chatkeep.database.position_queries import Origin, place_of, written_up_to
from chatkeep.errors import DatabaseUnavailable, QueryTooSlow

SETTING = "CHATKEEP_READ_DATABASE_URL"
# Half of them for hot statements, of which there are none here: one is opened for the pings.
POOL_SIZE = 8
LOOK_SECONDS = 1
LOOK_TIMEOUT_SECONDS = 10
# After a try to connect, which may take seconds.
RETRY_SECONDS = 5

log = structlog.get_logger(__name__)


class Objection(StrEnum):
    """A reason not to read there."""

    AWAY = "away"
    TOO_FAR_BEHIND = "too_far_behind"
    NO_STANDBY = "no_standby"
    OF_ANOTHER_PRIMARY = "of_another_primary"


class NotNear(Exception):
    """The standby is of no use now; the detail holds no secret."""

    def __init__(self, objection: Objection, detail: str = "") -> None:
        super().__init__(objection)
        self.objection = objection
        self.detail = detail


class At(NamedTuple):
    """A standby's place as a query found it.

    Attributes:
        lag_seconds: how far that is behind, at most.
    """

    bytes: int
    lag_seconds: float


class Standby:
    """A standby of `primary`, which reads may use while it is near.

    Args:
        max_lag_seconds: how far it may be behind.
    """

    def __init__(self, primary: Database, url: str, *, max_lag_seconds: float) -> None:
        self._primary = primary
        self._url = standby_url(url)
        self._max_lag_seconds = max_lag_seconds
        self._lag = Lag()
        # The primary's.
        self._origin: Origin | None = None
        self._database: Database | None = None
        self._tried_at = float("-inf")
        self._is_known = False
        self._objection: Objection | None = None

    @property
    def is_near(self) -> bool:
        """Whether it was fit for use when it was last looked at."""
        return self._is_known and self._objection is None

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    @asynccontextmanager
    async def read_only(self, *, timeout_seconds: float, not_before: int) -> AsyncIterator[tuple[AsyncConnection, At]]:
        """Open a transaction there.

        Args:
            not_before: the place that it must have reached.

        Raises:
            NotNear: it has not, or is too far behind.
            DatabaseUnavailable: it does not answer, or has broken the query off.
        """
        if self._database is None:
            raise NotNear(Objection.AWAY)
        async with self._database.read_only(timeout_seconds=timeout_seconds) as connection:
            at = await self._at(connection)
            if at.bytes < not_before:
                raise NotNear(Objection.TOO_FAR_BEHIND)
            yield connection, at

    async def look(self) -> None:
        """Look whether the standby is fit for use; the log tells when that changes.

        Raises:
            DatabaseUnavailable: the primary does not answer.
        """
        try:
            await self.require_near()
        except NotNear as error:
            if not self._is_known or self._objection is not error.objection:
                log.warning("standby_not_used", reason=error.objection, detail=error.detail, reads="primary")
            self._objection = error.objection
            if error.objection in (Objection.NO_STANDBY, Objection.OF_ANOTHER_PRIMARY):
                await self.close()  # of several servers, another one may be what is wanted
        else:
            if not self.is_near:
                log.info("standby_used", reads="standby")
            self._objection = None
        self._is_known = True

    async def require_near(self) -> None:
        """Note where the primary is, and look at the standby.

        Raises:
            NotNear: it is not fit for use; says why.
            DatabaseUnavailable: the primary does not answer.
        """
        before = _now()
        async with self._primary.read_only(timeout_seconds=LOOK_TIMEOUT_SECONDS) as connection:
            self._lag.note(before, await written_up_to(connection))
            self._origin = self._origin or (await place_of(connection)).origin
        try:
            database = await self._connected()
            async with database.read_only(timeout_seconds=LOOK_TIMEOUT_SECONDS) as connection:
                await self._at(connection)
        except (DatabaseUnavailable, QueryTooSlow) as error:
            raise NotNear(Objection.AWAY, error.detail) from error
        except DBAPIError as error:
            raise NotNear(Objection.AWAY, f"SQLSTATE {sqlstate_of(error)}") from error

    async def _connected(self) -> Database:
        """Return the connections to it; open them, unless that was tried a moment ago.

        Raises:
            NotNear: it was not fit for use a moment ago.
            DatabaseUnavailable: it does not answer.
        """
        if self._database is None:
            if self._objection and _now() - self._tried_at < RETRY_SECONDS:
                raise NotNear(self._objection)
            self._tried_at = _now()
            self._database = await Database.connect(self._url, pool_size=POOL_SIZE, named=SETTING)
        return self._database

    async def _at(self, connection: AsyncConnection) -> At:
        """Return how far the standby is.

        Raises:
            NotNear: too far behind, or no standby of the primary.
        """
        place = await place_of(connection)
        if place.origin != self._origin:
            # Somebody else's history would be shown.
            raise NotNear(Objection.OF_ANOTHER_PRIMARY)
        if not place.is_standby:
            raise NotNear(Objection.NO_STANDBY)
        lag_seconds = self._lag.seconds(_now(), place.bytes)
        if lag_seconds > self._max_lag_seconds:
            raise NotNear(Objection.TOO_FAR_BEHIND)
        return At(place.bytes, lag_seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
