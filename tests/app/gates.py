"""A door between the service and its database: open, shut, or with nothing coming through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.urls import parsed_url


class Gate:
    """Passes TCP connections on to a database.

    Args:
        url: the database's.
    """

    def __init__(self, url: str) -> None:
        self._target = parsed_url(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The address of the database through this door."""
        through = self._target.set(drivername="postgresql", host="127.0.0.1", port=self.port, query={})
        return through.render_as_string(hide_password=False)

    @property
    def password(self) -> str:
        return self._target.password or "\0"

    def lead_to(self, url: str) -> None:
        """Take new connections to another database; those that are open stay where they are."""
        self._target = parsed_url(url)

    async def open(self) -> None:
        """Let connections through."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Break every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._flowing.set()

    async def hold(self) -> None:
        """Take what comes and pass nothing on."""
        self._flowing.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await self._connect()
        self._writers |= {writer, there_writer}
        await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))
        self._writers -= {writer, there_writer}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the database; the embedded one listens on a socket in a folder."""
        asked = self._target.query
        host, port = asked.get("host", self._target.host), int(str(asked.get("port", self._target.port or 5432)))
        if str(host).startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(str(host), port)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def gate(url: str) -> AsyncIterator[Gate]:
    """Yield an open door to the database at `url`."""
    door = Gate(url)
    await door.open()
    try:
        yield door
    finally:
        await door.shut()
