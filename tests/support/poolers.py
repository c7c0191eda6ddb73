"""A real PgBouncer before the database of a test."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from chatkeep.database.libpq.address import DatabaseAddress
from tests.app.gates import gate
from tests.support.parts import required_program
from tests.support.programs import free_port, listens, ordinary_folder, ordinary_user, running_program
from tests.support.urls import parsed_url

USER, PASSWORD = "a user of the pooler", "with a passw0rd"


class Pooler:
    """A PgBouncer; `url` is the address of the database through it."""

    def __init__(self, folder: Path, url: str, settings: dict[str, Any]) -> None:
        target = parsed_url(url)
        self._folder, self._port, self._running = folder, free_port(), AsyncExitStack()
        through = target.set(
            drivername="postgresql", host="127.0.0.1", port=self._port, username=USER, password=PASSWORD, query={}
        )
        self.url = through.render_as_string(hide_password=False)
        self._configure(target, settings)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    async def start(self) -> None:
        program = required_program("pgbouncer")
        await self._running.enter_async_context(
            running_program(program, self._folder / "pgbouncer.ini", log=self._folder / "log")
        )
        await listens(self._port)

    async def stop(self) -> None:
        await self._running.aclose()

    def _configure(self, target: Any, settings: dict[str, Any]) -> None:
        """Write what Debian installs (nothing but these), and `settings`."""
        (host,) = DatabaseAddress.parse(target.render_as_string(hide_password=False)).hosts
        server = f"host={host.name} port={host.port} user={target.username}"
        if target.password:
            server += f" password={target.password}"
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "md5",
            "auth_file": self._folder / "userlist.txt",
        }
        lines = [f"{name} = {value}" for name, value in (own | settings).items()]
        files = {
            "pgbouncer.ini": "\n".join(["[databases]", f"* = {server}", "[pgbouncer]", *lines, ""]),
            "userlist.txt": f'"{USER}" "{PASSWORD}"\n',
        }
        for name, text in files.items():
            file = self._folder / name
            file.write_text(text)
            file.chmod(0o600)
            if user := ordinary_user():
                shutil.chown(file, user)


@asynccontextmanager
async def pooled(url: str, **settings: Any) -> AsyncIterator[Pooler]:
    """Run a PgBouncer before the database at `url`; without settings, as Debian installs it."""
    with ordinary_folder() as folder:
        # The embedded server's socket is for its own user alone.
        async with gate(url) as door:
            pooler = Pooler(folder, door.url, settings)
            await pooler.start()
            try:
                yield pooler
            finally:
                await pooler.stop()
