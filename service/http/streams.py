"""Answers that stay open for minutes, sent when everything around their endpoint has returned."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Stream = Callable[[Receive, Send], Awaitable[None]]

_LATER = "chatkeep.stream"
# nginx would otherwise wait until its buffers are full, and write what does not fit to its disk.
UNBUFFERED = {"X-Accel-Buffering": "no"}


class StreamsLast:
    """Lets the application go before a stream begins.

    A frame waits in memory for as long as what it called: FastAPI's exit stacks, its request, the layers in between
    are half of what an open stream would hold. What they do to messages on the way out is done all the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if (stream := await self._stream(scope, receive, send)) is not None:
            await stream()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> Callable[[], Awaitable[None]] | None:
        # A scope of its own: what the framework leaves in it goes with it.
        inner = {**scope, _LATER: []}
        await self.app(inner, receive, send)
        if "route" in inner:
            scope["route"] = inner["route"]  # the request is counted by it
        stream: Callable[[], Awaitable[None]] | None = next(iter(inner[_LATER]), None)
        return stream


async def send_last(stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a stream when the application has returned; at once where nobody waits for that."""
    later = scope.get(_LATER)
    if later is None:
        await stream(receive, send)
    else:
        later.append(partial(stream, receive, send))


class ClosingStream(StreamingResponse):
    """A stream that closes its generator itself: cancelled at a `yield`, one is left for the collector.

    Args:
        headers: besides the one that has a proxy in front pass on each piece as it comes.
    """

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(chunks, headers=UNBUFFERED | dict(headers or {}), **options)
        self._chunks = chunks

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()
