"""One process that serves: uvicorn with an application, from its start to its end."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.app.metrics import metrics_of
from chatkeep.config import Settings
from chatkeep.connections.door import Door
from chatkeep.connections.limits import Limits
from chatkeep.connections.protocol import GuardedProtocol
from chatkeep.errors import ChatkeepError

# Longer than a proxy in front keeps an unused connection, 60 s as a rule (nginx, load balancers of clouds): the one
# that sends the next request must be the one that ends it, or a request now and then meets a closed connection.
KEEP_ALIVE_SECONDS = 75
# How long a client that has connected may take to send its first request, once the server no longer listens.
LAST_REQUESTS_SECONDS = 2.0
TICK_SECONDS = 0.02


class Lifespan:
    """An application whose start is told to the process that runs it.

    Args:
        started: called in the event loop when the application has started.
    """

    def __init__(self, app: ASGIApp, started: Callable[[], None]) -> None:
        self._app = app
        self._started = started
        self.refusal: ChatkeepError | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine of its own: no request pays for what only the start needs.
        return self._live(scope, receive, send) if scope["type"] == "lifespan" else self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False
        failure: Message | None = None

        async def tell(message: Message) -> None:
            nonlocal has_started, failure
            if message["type"] == "lifespan.startup.failed":
                failure = message  # its text is a traceback, which is not needed where the error is a sentence
                return
            if message["type"] == "lifespan.startup.complete":
                has_started = True
                self._started()
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except ChatkeepError as error:
            if has_started:
                raise
            self.refusal, failure = error, {"type": "lifespan.startup.failed", "message": ""}
        finally:
            if failure is not None:
                await send(failure)


class _Server(uvicorn.Server):
    """A server that answers everybody who got a connection.

    uvicorn closes a connection whose request has not come yet as soon as it stops listening. A client that was just
    accepted, which takes the longer the busier the machine is, would see a broken connection: also while another
    worker still serves, which would have accepted it a moment later.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        clock = asyncio.get_running_loop().time
        deadline = clock() + LAST_REQUESTS_SECONDS
        await asyncio.sleep(TICK_SECONDS)  # who was accepted in this moment is counted, too
        while self._waits_for_a_request() and clock() < deadline and not self.force_exit:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(TICK_SECONDS)
        await super().shutdown(sockets)

    def _waits_for_a_request(self) -> bool:
        return any(getattr(each, "cycle", self) is None for each in self.server_state.connections)


def serve_here(
    app: ASGIApp,
    settings: Settings,
    listener: socket.socket,
    started: Callable[[Callable[[], None]], None] = lambda _stop_listening: None,
    *,
    websockets: bool = False,
    metrics_listener: socket.socket | None = None,
) -> None:
    """Serve in this process until it is told to stop.

    Args:
        started: called in the event loop when the application has started, with what stops listening there.
        websockets: the application may have some; the service itself has none.
        metrics_listener: where `/metrics` is, if not with everything else.

    Raises:
        ChatkeepError: the application does not start, and says why.
        SystemExit: it does not start; the log says why.
    """

    def stop_listening() -> None:
        for each in (*getattr(server, "servers", ()), *listeners):
            each.close()

    listeners = [each for each in (listener, metrics_listener) if each is not None]
    lifespan = Lifespan(app, lambda: started(stop_listening))
    metrics = metrics_of(app)
    door = Door(Limits.of(settings), **({} if metrics is None else {"count_refusal": metrics.request_refused}))
    server = _Server(_config(lifespan, settings, listener, door, websockets=websockets))
    try:
        server.run(sockets=listeners)
    except SystemExit:
        if server.started:
            raise
        raise lifespan.refusal or SystemExit(1) from None
    if not server.started:
        sys.exit(1)


def _config(
    app: Lifespan, settings: Settings, listener: socket.socket, door: Door, *, websockets: bool
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=partial(GuardedProtocol, door=door),  # type: ignore[arg-type]  # uvicorn calls it, and asks no more of it
        ws="auto" if websockets else "none",
        interface="asgi3",
        host=settings.host,
        port=listener.getsockname()[1],
        log_config=None,
        access_log=False,
        # Which proxies are believed is for CHATKEEP_TRUSTED_PROXIES to say, in one place.
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
