"""A PostgreSQL of the harness's own: in a folder of its own, killed and started again at will."""

import asyncio
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest.mock import patch

import psutil

from chatkeep.database import migrations
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.database.postgres.server_settings import SETTINGS
from tests.database.postgres.data_folders import end_servers_below, processes_below
from tests.support.databases import create_database, name_of

GONE_SECONDS = 30


class Postgres:
    """A server, from the beginning to the end of an `async with` block.

    Args:
        settings: of postgresql.conf, such as `max_connections`.
    """

    def __init__(self, **settings: str) -> None:
        # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
        self._folder = Path(tempfile.mkdtemp(prefix="ck-crash-"))
        self._folder.chmod(0o755)
        self._settings = settings
        self._server = EmbeddedPostgres(self._folder / "data")
        self._template = ""
        self._databases = 0

    async def __aenter__(self) -> Self:
        await self.start()
        self._template = await create_database(self._server.url)
        await asyncio.to_thread(migrations.upgrade, self._template)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._end)

    async def start(self) -> None:
        """Start it, or start it again after `kill`; return when it takes connections."""
        await asyncio.to_thread(self._start)

    async def kill(self) -> float:
        """Kill its first process and all others; return when that was, on the monotonic clock."""
        return await asyncio.to_thread(self._kill)

    async def new_database(self) -> str:
        """Make a migrated, empty database and return its URL."""
        return await create_database(self._server.url, name_of(self._template))

    async def empty_database(self) -> str:
        """Make a database without tables and return its URL."""
        return await create_database(self._server.url)

    def _start(self) -> None:
        with patch.dict(SETTINGS, self._settings):
            self._server.start()

    def _kill(self) -> float:
        # The first process has the lowest number and so is the first to go: it cannot bring the others back.
        processes = sorted(processes_below(self._folder), key=lambda each: each.pid)
        at = time.monotonic()
        while processes:
            for process in processes:
                with suppress(psutil.NoSuchProcess):  # it ended by itself a moment ago
                    process.kill()
            processes = processes_below(self._folder)
            if time.monotonic() - at > GONE_SECONDS:
                raise RuntimeError(f"these do not die: {processes}")
        return at

    def _end(self) -> None:
        self._server.stop()
        end_servers_below(self._folder)
        shutil.rmtree(self._folder)
