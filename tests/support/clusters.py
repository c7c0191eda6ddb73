"""PostgreSQL servers of a test's own, that it may configure, stop, copy and promote."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.parts import required_program
from tests.support.programs import free_port, ordinary_folder, ran, running_program

SUPERUSER = "postgres"


class Cluster:
    """A server in `folder`, on a port of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.port = free_port()
        self._folder, self._data = folder, folder / "data"
        self._settings = settings
        self._running = AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    async def make(self) -> None:
        """Make an empty one."""
        await ran(
            *(required_program("initdb"), "--pgdata", self._data, "--username", SUPERUSER),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        self._configure()

    async def copy(self, primary: "Cluster", name: str) -> None:
        """Make a standby of `primary`, which knows it by that name."""
        source = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} application_name={name}"
        await ran(
            *(required_program("pg_basebackup"), "--pgdata", self._data, "--dbname", source),
            *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
        )
        self._configure()

    async def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        program = running_program(required_program("postgres"), "-D", self._data, log=self._folder / "log")
        self._process = await self._running.enter_async_context(program)
        async with asyncio.timeout(60):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    await self.ask("SELECT 1")
                    return
                assert self._process.returncode is None, (self._folder / "log").read_text()
                await asyncio.sleep(0.05)

    async def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: in order with SIGINT, as if it had crashed with SIGQUIT."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        await self._running.aclose()

    async def promote(self) -> None:
        await ran(required_program("pg_ctl"), "promote", "--wait", "--pgdata", self._data)

    async def ask(self, query: str, *arguments: Any) -> list[Any]:
        """Run one statement, as the superuser."""
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def reconfigure(self, **settings: Any) -> None:
        """Change settings of the running server."""
        for name, value in settings.items():
            await self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        await self.ask("SELECT pg_reload_conf()")

    def _configure(self) -> None:
        own = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "shared_buffers": "32MB",
            "max_connections": 60,
        } | self._settings
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in own.items())


@asynccontextmanager
async def cluster(**settings: Any) -> AsyncIterator[Cluster]:
    """Run a server until the block ends."""
    with ordinary_folder() as folder:
        server = Cluster(folder, **settings)
        await server.make()
        try:
            await server.start()
            yield server
        finally:
            await server.stop(signal.SIGQUIT)


@asynccontextmanager
async def standby(primary: Cluster, name: str = "standby", **settings: Any) -> AsyncIterator[Cluster]:
    """Run a standby of `primary` until the block ends."""
    with ordinary_folder() as folder:
        server = Cluster(folder, **settings)
        await server.copy(primary, name)
        try:
            await server.start()
            yield server
        finally:
            await server.stop(signal.SIGQUIT)


@asynccontextmanager
async def synchronous_standby(primary: Cluster) -> AsyncIterator[Cluster]:
    """Run a standby that each commit of `primary` waits for."""
    async with standby(primary) as second:
        await primary.reconfigure(synchronous_standby_names="*")
        async with asyncio.timeout(30):
            while not await primary.ask("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"):
                await asyncio.sleep(0.05)
        yield second
