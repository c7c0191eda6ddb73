"""Server-sent events: how one is written, and the response that sends them."""

import asyncio
import json
from collections.abc import AsyncGenerator

from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from service.chat.audience import Seat
from service.http.streams import UNBUFFERED, send_last

KEEP_ALIVE = b": keep-alive\n\n"

# Proxies that collect an answer before they pass it on would hold the words back.
_HEADERS = UNBUFFERED | {"Cache-Control": "no-store"}


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
    """A stream of events that closes its generator itself, and gives up on a client that is gone or does not read.

    It ends unfinished, too, when the client's session or token ends. The generation goes on in either case.
    """

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], seat: Seat) -> None:
        super().__init__(chunks, headers=_HEADERS)
        self._chunks = chunks
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_last(self.stream, scope, receive, send)

    async def stream(self, receive: Receive, send: Send) -> None:
        client = _Client(receive, send, self._seat.write_timeout_seconds)
        try:
            with client, self._seat.audience.joined(self._seat.digest, client.give_up):
                await self.stream_response(client.send)
        except asyncio.CancelledError:
            if not client.given_up:
                raise
            # The connection is closed unfinished: the client must not take what it has for the whole reply.
            client.task.uncancel()
        finally:
            # Cancelled at a `yield`, a generator is left for the collector; what it holds is wanted now.
            await self._chunks.aclose()


class _Client:
    """Cancels the task that it was made in when its client is gone, or takes too long to read.

    One task and one timer a stream: a task group would hold three times as much, and a timer a piece cost more. The
    timer looks twice as often as a piece may wait.
    """

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is sent in a task")
        self.task = task
        self.given_up = False
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._began: float | None = None

    def __enter__(self) -> None:
        self._listening = self._loop.create_task(self._listen())
        self._timer = self._loop.call_later(self._seconds / 2, self._look)

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._timer.cancel()
        self._listening.cancel()

    async def send(self, message: Message) -> None:
        self._began = self._loop.time()
        await self._send(message)
        self._began = None

    def give_up(self) -> None:
        if not self._over and not self.given_up:
            self.given_up = True
            self.task.cancel()

    async def _listen(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        finally:
            self.give_up()

    def _look(self) -> None:
        if self._began is not None and self._loop.time() - self._began >= self._seconds:
            self.give_up()
        else:
            self._timer = self._loop.call_later(self._seconds / 2, self._look)
