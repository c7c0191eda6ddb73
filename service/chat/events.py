"""Server-sent events: how one is written, and the response that sends them."""

import asyncio
import json
from collections.abc import AsyncGenerator

import anyio
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from service.chat.audience import Seat

KEEP_ALIVE = b": keep-alive\n\n"

# Proxies that collect an answer before they pass it on would hold the words back.
_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


# Made once: `json.dumps` makes one for each call.
_TEXT = json.JSONEncoder(ensure_ascii=False)


def event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    """Return one event; `data` is one line of JSON.

    Source: HTML Living Standard, 9.2, Server-sent events.
    """
    numbered = b"" if event_id is None else b"id: %d\n" % event_id
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), numbered, data)


def delta_event(text: str, event_id: int) -> bytes:
    """Return a `delta`: the event that there are most of, so written without a model around it."""
    return b'event: delta\nid: %d\ndata: {"text":%s}\n\n' % (event_id, _TEXT.encode(text).encode())


def json_line(model: BaseModel) -> bytes:
    return model.__pydantic_serializer__.to_json(model)


class EventStream(StreamingResponse):
    """A stream of events that closes its generator itself, and gives up on a client that does not read.

    It ends unfinished, too, when the client's session or token ends. The generation goes on in either case.
    """

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], seat: Seat) -> None:
        super().__init__(chunks, headers=_HEADERS)
        self._chunks = chunks
        self._seat = seat

    async def stream_response(self, send: Send) -> None:
        watch = _Watch(send, self._seat.write_timeout_seconds)
        try:
            with watch, self._seat.audience.joined(self._seat.digest, watch.give_up):
                await super().stream_response(watch.send)
        except asyncio.CancelledError:
            if not watch.gave_up:
                raise
            # The connection is closed unfinished: the client must not take what it has for the whole reply.
        finally:
            # Cancelled at a `yield`, a generator is left for the collector; what it holds is wanted now.
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()


class _Watch:
    """Cancels the task whose `send` takes too long: one timer a stream, since one a piece would cost more.

    It looks twice as often as a piece may wait.
    """

    def __init__(self, send: Send, seconds: float) -> None:
        self.gave_up = False
        self._send = send
        self._seconds = seconds
        self._began: float | None = None

    def __enter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(self._seconds / 2, self._look)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    async def send(self, message: Message) -> None:
        self._began = self._loop.time()
        await self._send(message)
        self._began = None

    def give_up(self) -> None:
        self.gave_up = True
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        if self._began is not None and self._loop.time() - self._began >= self._seconds:
            self.give_up()
        else:
            self._timer = self._loop.call_later(self._seconds / 2, self._look)
