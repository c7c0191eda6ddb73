"""Going down in order: nothing new is taken, what runs may end, and only then does the server stop listening."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
from fastapi import FastAPI

from chatkeep.chat.chat import Chat

log = structlog.get_logger(__name__)

# For the last words of replies that have just ended to reach their followers.
DELIVERY_SECONDS = 2


async def drain(app: FastAPI, grace_seconds: float) -> None:
    """Have `/readyz` answer 503, refuse new turns, let those that run end, and save the rest as `interrupted`.

    Streams that another replica generates are ended, too: their clients go on there.
    """
    app.state.draining = True
    chat: Chat = app.state.chat
    await chat.generations.close(grace_seconds)
    await chat.streams.wait_closed(DELIVERY_SECONDS)
    chat.streams.close()


@contextmanager
def drain_on_signals(app: FastAPI, grace_seconds: float) -> Iterator[None]:
    """Until the block ends, have SIGTERM and Ctrl-C drain the service before the server hears of them.

    The server stops listening as the first thing it does. A load balancer that asks in between would see a broken
    connection instead of "not ready", and a client would not learn why it is refused.
    """
    signals = _Signals(app, grace_seconds)
    for number in signals.passed_on:
        signal.signal(number, signals.told)
    try:
        yield
    finally:
        for number, handle in signals.passed_on.items():
            signal.signal(number, handle)


class _Signals:
    """The signals of the process, passed on to the server when the service is drained."""

    def __init__(self, app: FastAPI, grace_seconds: float) -> None:
        self.passed_on = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        self._app = app
        self._grace_seconds = grace_seconds
        self._loop = asyncio.get_running_loop()
        self._drain: asyncio.Task[None] | None = None

    def told(self, number: int, frame: FrameType | None) -> None:
        """A second Ctrl-C waits for nothing."""
        if self._drain is not None and number == signal.SIGINT:
            self._pass_on(number, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self._drain is None:
            self._drain = self._loop.create_task(self._drain_and_pass_on(number), name="drain")

    async def _drain_and_pass_on(self, number: int) -> None:
        try:
            await drain(self._app, self._grace_seconds)
        except Exception:
            # Whatever went wrong, the process was told to end.
            log.exception("not_drained")
        finally:
            self._pass_on(number, None)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handle = self.passed_on[signal.Signals(number)]
        if callable(handle):
            handle(number, frame)
