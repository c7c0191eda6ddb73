"""A standby for reads: connected to when it is there, and watched for how far it is behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.database import Database
from chatkeep.database.lag import Lag
from chatkeep.database.libpq.address import standby_url
from chatkeep.database.position_queries import Origin, origin_of, place_of, written_up_to
from chatkeep.errors import DatabaseUnavailable

SETTING = "CHATKEEP_READ_DATABASE_URL"
# Half of them for hot statements, of which there are none here: one is opened for the pings.
POOL_SIZE = 8
LOOK_SECONDS = 1
LOOK_TIMEOUT_SECONDS = 10
# After a try to connect, which may take seconds.
RETRY_SECONDS = 5

log = structlog.get_logger(__name__)


class NotNear(Exception):
    """The standby is not near enough, or none of this primary."""


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
        self._database: Database | None = None
        self._tried_at = float("-inf")
        # None: not known yet. What is wrong with it; empty: nothing.
        self._objection: str | None = None

    @property
    def is_near(self) -> bool:
        """Whether it was fit for use when it was last looked at."""
        return self._objection == "" and self._database is not None

    async def close(self) -> None:
        if self._database is not None:
            await self._database.close()

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
            raise NotNear
        async with self._database.read_only(timeout_seconds=timeout_seconds) as connection:
            at = await self._at(connection)
            if at.bytes < not_before:
                raise NotNear
            yield connection, at

    async def look(self) -> None:
        """Note where the primary is, and look whether the standby is fit for use; the log tells when that changes.

        Raises:
            DatabaseUnavailable: the primary does not answer.
        """
        before = _now()
        async with self._primary.read_only(timeout_seconds=LOOK_TIMEOUT_SECONDS) as connection:
            self._lag.note(before, await written_up_to(connection))
        try:
            if self._database is None:
                await self._connect()
            if self._database is not None:
                async with self._database.read_only(timeout_seconds=LOOK_TIMEOUT_SECONDS) as connection:
                    await self._at(connection)
        except (DatabaseUnavailable, DBAPIError) as error:
            self._note("away", error.detail if isinstance(error, DatabaseUnavailable) else type(error.orig).__name__)
        except NotNear as error:
            self._note(str(error))
        else:
            if self._database is not None:
                self._note("")

    async def _connect(self) -> None:
        """Connect, unless that was tried a moment ago.

        Raises:
            NotNear: the server has the data of another one.
            DatabaseUnavailable: it does not answer.
        """
        if _now() - self._tried_at < RETRY_SECONDS:
            return
        self._tried_at = _now()
        database = await Database.connect(self._url, pool_size=POOL_SIZE, named=SETTING)
        try:
            if await _origin(database) != await _origin(self._primary):
                raise NotNear("of_another_primary")
        except BaseException:
            await database.close()
            raise
        self._database = database

    async def _at(self, connection: AsyncConnection) -> At:
        """Return how far the standby is.

        Raises:
            NotNear: too far behind, or it is no standby any more.
        """
        place = await place_of(connection)
        if not place.is_standby:
            raise NotNear("no_standby")
        lag_seconds = self._lag.seconds(_now(), place.bytes)
        if lag_seconds > self._max_lag_seconds:
            raise NotNear("too_far_behind")
        return At(place.bytes, lag_seconds)

    def _note(self, objection: str, detail: str = "") -> None:
        if objection == self._objection:
            return
        if objection:
            log.warning("standby_not_used", reason=objection, detail=detail, reads="primary")
        else:
            log.info("standby_used", reads="standby")
        self._objection = objection


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _origin(database: Database) -> Origin:
    async with database.read_only(timeout_seconds=LOOK_TIMEOUT_SECONDS) as connection:
        return await origin_of(connection)
