"""Bytes to and from a server, as no HTTP client would send them."""

import asyncio
import itertools
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# For a machine that is busy with other things; what waits for longer waits for ever.
PATIENCE_SECONDS = 30

_places = itertools.count(20)


def new_address() -> str:
    """Return a loopback address that nobody connects from yet: the server counts by address."""
    number = next(_places)
    return f"127.0.{number // 200}.{number % 200 + 20}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return found


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer | None:
        """Return the next answer, or None where the connection ended instead."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        if headers.get("transfer-encoding") == "chunked":
            return Answer(int(first.split()[1]), headers, await self._chunks())
        return Answer(
            int(first.split()[1]), headers, await self._reader.readexactly(int(headers.get("content-length", "0")))
        )

    async def _chunks(self) -> bytes:
        found = b""
        while size := int(await self._reader.readline(), 16):
            found += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()
        return found

    async def refused(self) -> Answer:
        """Return the answer to what was refused, and check that the connection ends with it."""
        answer = await self.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert await self.rest() == b""
        return answer

    async def rest(self) -> bytes:
        """Return the bytes until the connection ends."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._reader.read()
        except ConnectionError:
            return b""

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(size)

    async def is_open(self, seconds: float) -> bool:
        """Tell whether nothing comes for so long, not even the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        return False

    def leave(self) -> None:
        self._writer.transport.abort()

    def reset(self) -> None:
        """End the connection as a client does whose machine has lost it: the other side is told of no end."""
        at_once = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.leave()


@asynccontextmanager
async def connected(url: str, address: str | None = None) -> AsyncIterator[Raw]:
    """Connect from an address of its own, or from a given one."""
    place = urlsplit(url)
    raw = Raw(
        *await asyncio.open_connection(
            place.hostname, place.port, local_addr=(address or new_address(), 0), limit=2**20
        )
    )
    try:
        yield raw
    finally:
        raw.leave()


async def asked(url: str, data: bytes) -> Answer:
    """Send bytes on a connection of their own and return the refusal."""
    async with connected(url) as raw:
        await raw.send(data)
        return await raw.refused()
