"""One answer on its way to the client, in pieces that it has to take in time."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from chatkeep.http.spool import MAX_BYTES_IN_MEMORY, read_back, spooled
from chatkeep.http.transports import holds_unread, reset

Pieces = AsyncGenerator[bytes, None]

# A server keeps all of a piece that its client does not take, whatever its own limit is.
PIECE_BYTES = 65_536
# ASGI's `extensions`: the connection itself, from a server that has put it there.
TRANSPORT = "chatkeep.transport"
DISCONNECT_SECONDS = 1.0


class AnswerCut(Exception):
    """The answer was ended in its middle on purpose. The server closes the connection; there is nothing to log."""


async def spool(message: Message) -> Pieces:
    """Take the body out of a message, and return it in pieces, read back from disk."""
    body = message.pop("body")
    file = await spooled(body)
    if file is None:
        return _in_memory(body)
    return read_back(file, PIECE_BYTES)


async def _in_memory(body: bytes) -> Pieces:
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


class Delivery:
    """One answer. To be made in the task that sends it."""

    __slots__ = ("_began", "_complete", "_gone", "_send", "_started", "_task", "_transport", "closed")

    def __init__(self, scope: Scope, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an answer is sent in a task")
        self.closed = False
        self._task = task
        self._send = send
        self._transport: Any = scope.get("extensions", {}).get(TRANSPORT)
        self._started = self._complete = self._gone = False
        self._began: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the answer has ended in its middle, and there is a client to be shown that."""
        return self._started and not self._complete and not self._gone

    async def send(self, message: Message) -> None:
        """Send a message, a long body in pieces. The last one is empty: the answer ends when the others are taken.

        The body of a very long one is taken out of the message: all who pass it on hold the message, and the body is
        on disk until the client has read it.
        """
        if len(message.get("body", b"")) > MAX_BYTES_IN_MEMORY:
            await self.send_file(message, await spool(message))
            return
        body = message.get("body", b"")
        if len(body) <= PIECE_BYTES:
            await self._send_piece(message)
            return
        for start in range(0, len(body), PIECE_BYTES):
            await self._send_piece({**message, "body": body[start : start + PIECE_BYTES], "more_body": True})
        await self._end(message)

    async def send_file(self, message: Message, pieces: "Pieces") -> None:
        """Send what `spool` has made of a message."""
        async with aclosing(pieces):
            async for piece in pieces:
                await self._send_piece({**message, "body": piece, "more_body": True})
        await self._end(message)

    async def _end(self, message: Message) -> None:
        if not message.get("more_body", False):
            await self._send_piece({**message, "body": b""})

    async def _send_piece(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
        self._began = time.monotonic()
        await self._send(message)
        self._began = None
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._complete = True

    def waits_since(self, moment: float) -> bool:
        """Tell whether a piece has waited for the client since before that, in seconds of `time.monotonic`."""
        return self._began is not None and self._began <= moment

    def close(self) -> None:
        """Cut the answer off, by cancelling its task."""
        if not self.closed and not self._complete:
            self.closed = True
            self._task.cancel()

    def disconnected(self) -> None:
        """Cut the answer off: its client is gone."""
        self._gone = True
        self.close()

    def take_back(self) -> None:
        """Take back the cancelling, where `close` was what it came from."""
        if self.closed:
            self._task.uncancel()

    async def break_off(self, receive: Receive, flush_seconds: float) -> None:
        """End the connection without the answer's end, so that nobody takes it for the whole.

        Args:
            flush_seconds: how long a client may take to read what it was sent before.

        Raises:
            AnswerCut: this server's connection is out of reach: it has to do that.
        """
        if self._transport is None:
            raise AnswerCut
        if self.closed and holds_unread(self._transport):
            reset(self._transport)  # a close would wait for a client that does not read, or has no right to the rest
        else:
            self.close_within(flush_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass

    def close_within(self, seconds: float) -> None:
        """Close the connection when what was sent has been read, but not later than that."""
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(seconds, self._transport.abort)
