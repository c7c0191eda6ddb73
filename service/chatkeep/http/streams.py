"""Answers that stay open for minutes, sent when everything around their endpoint has returned."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial

import anyio
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.http.delivery import PIECE_BYTES, Delivery, spool
from chatkeep.http.late_answers import TERMS, LateAnswer
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.spool import MAX_BYTES_IN_MEMORY

SendStream = Callable[[Receive, Send], Awaitable[None]]

_LATER = "chatkeep.stream"
_DELIVERY = "chatkeep.delivery"
# nginx would otherwise wait until its buffers are full, and write what does not fit to its disk.
UNBUFFERED = {"X-Accel-Buffering": "no"}


class StreamsLast:
    """Sends every answer in pieces that its client has to take in time, and lets the application go before a stream.

    A frame waits in memory for as long as what it called: FastAPI's exit stacks, its request, the layers in between
    are half of what an open stream would hold. What they do to messages on the way out is done all the same.
    """

    def __init__(self, app: ASGIApp, *, streams: OpenStreams) -> None:
        self.app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        delivery = Delivery(scope, send)
        try:
            with self._streams.deliver(delivery):
                if (stream := await self._stream(scope, receive, delivery)) is not None:
                    await stream()
        except asyncio.CancelledError:
            if not delivery.closed:
                raise
        except BaseException:
            if delivery.is_cut:
                delivery.close_within(self._streams.write_timeout_seconds)
            raise
        delivery.take_back()
        if delivery.is_cut:
            await delivery.break_off(receive, self._streams.write_timeout_seconds)

    async def _stream(self, scope: Scope, receive: Receive, delivery: Delivery) -> Callable[[], Awaitable[None]] | None:
        # A scope of its own: what the framework leaves in it goes with it.
        inner = {**scope, _LATER: [], _DELIVERY: delivery}
        reads = scope.get("method") in ("GET", "HEAD")
        send = _LongBodyLast(inner, delivery, self._streams).send
        await self.app(inner, receive, LateAnswer(inner, receive, send, self._streams).send if reads else send)
        if "route" in inner:
            scope["route"] = inner["route"]  # the request is counted by it
        stream: Callable[[], Awaitable[None]] | None = next(iter(inner[_LATER]), None)
        return stream


class _LongBodyLast:
    """Sends a long answer for as long as whoever asked may read it: a client can take its time.

    The body of a very long one is left on disk until the application has returned, and with it what it holds: an answer
    that is sent as a whole is held by the response, by what made it, and by all who wait for that.
    """

    __slots__ = ("_begun", "_delivery", "_scope", "_streams")

    def __init__(self, scope: Scope, delivery: Delivery, streams: OpenStreams) -> None:
        self._scope, self._delivery, self._streams = scope, delivery, streams
        self._begun = False

    async def send(self, message: Message) -> None:
        is_whole = not self._begun and not message.get("more_body", False)
        self._begun = self._begun or message["type"] == "http.response.body"
        size = len(message.get("body", b""))
        if is_whole and size > MAX_BYTES_IN_MEMORY:
            pieces = await spool(message)
            self._scope[_LATER].append(partial(self._while_allowed, partial(self._delivery.send_file, message, pieces)))
        elif is_whole and size > PIECE_BYTES:
            await self._while_allowed(partial(self._delivery.send, message))
        else:
            await self._delivery.send(message)

    async def _while_allowed(self, send: Callable[[], Awaitable[None]]) -> None:
        terms: StreamTerms | None = self._scope.get(TERMS)
        with self._streams.track_sending(terms, self._delivery.close) if terms else nullcontext():
            await send()


async def send_last(stream: SendStream, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a stream when the application has returned; at once where nobody waits for that."""
    later = scope.get(_LATER)
    if later is None:
        await stream(receive, send)
    else:
        later.append(partial(stream, receive, send))


class Stream(StreamingResponse):
    """An answer that lasts. It ends unfinished when its client is gone, does not read, or may no longer read it.

    It closes its generator itself: cancelled at a `yield`, one is left for the collector, and what it holds is wanted
    now.

    Args:
        streams: which knows of it while it is open.
        terms: on which it is sent.
        headers: besides the one that has a proxy in front pass on each piece as it comes.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        streams: OpenStreams,
        terms: StreamTerms,
        *,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(chunks, headers=UNBUFFERED | dict(headers or {}), media_type=media_type)
        self._chunks = chunks
        self._streams = streams
        self._terms = terms
        self._delivery: Delivery | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._delivery = scope.get(_DELIVERY)
        if self._delivery is not None:
            await send_last(self.stream, scope, receive, send)
            return

        # In somebody else's application, which has no such layer.
        async def app(inner: Scope, receive: Receive, send: Send) -> None:
            self._delivery = inner[_DELIVERY]
            await send_last(self.stream, inner, receive, send)

        await StreamsLast(app, streams=self._streams)(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the pieces, and hold none while it is on its way: a very long one is then on disk."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with suppress(StopAsyncIteration):
            while True:
                await send({"type": "http.response.body", "body": await anext(self._chunks), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def stream(self, receive: Receive, send: Send) -> None:
        assert self._delivery is not None  # noqa: S101  `__call__` has set it
        # One task a stream: a task group would hold three times as much.
        listening = asyncio.get_running_loop().create_task(_until_gone(receive, self._delivery.disconnected))
        try:
            with self._streams.track(self._terms, self._delivery.close):
                await self.stream_response(send)
        finally:
            listening.cancel()
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()


async def _until_gone(receive: Receive, disconnected: Callable[[], None]) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except asyncio.CancelledError:
        return
    except BaseException:
        disconnected()
        raise
    disconnected()
