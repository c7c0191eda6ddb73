"""How long one small commit takes at this moment: what this machine, its disk and its other users add to everything."""

import asyncio
import time
from contextlib import suppress
from typing import Self

import asyncpg

from tests.support.urls import driver_url

TABLE = "CREATE TABLE IF NOT EXISTS crash_pace (taken_at double precision)"
COMMIT = "INSERT INTO crash_pace VALUES ($1)"
PAUSE_SECONDS = 0.05
REMEMBERED_SECONDS = 3


class Pace:
    """Commits something small all the time, and remembers how long that took."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._taken: list[tuple[float, float]] = []
        self._began: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Measure no more, and give the connection back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def slowest_seconds(self) -> float:
        """Return the longest that one took lately; one that is under way counts as far as it has come."""
        now = time.monotonic()
        under_way = now - self._began if self._began is not None else 0.0
        return max([under_way, *(seconds for at, seconds in self._taken if at > now - REMEMBERED_SECONDS)])

    async def _run(self) -> None:
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(driver_url(self._url))
                try:
                    await connection.execute(TABLE)
                    await self._measure(connection)
                finally:
                    connection.terminate()
            self._began = None
            await asyncio.sleep(PAUSE_SECONDS)

    async def _measure(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        while True:
            self._began = time.monotonic()
            await connection.execute(COMMIT, self._began)
            now = time.monotonic()
            self._taken = [each for each in self._taken if each[0] > now - REMEMBERED_SECONDS]
            self._taken.append((now, now - self._began))
            self._began = None
            await asyncio.sleep(PAUSE_SECONDS)
