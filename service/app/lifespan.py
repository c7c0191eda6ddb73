"""Start and stop: an application is started once, by the server or by the application that it is mounted in."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from inspect import isasyncgenfunction
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ConfigurationError
from service.http.problems import PROTOCOL, protocol_response

log = structlog.get_logger(__name__)

State = Mapping[str, Any]
Lifespan = Callable[[Any], AbstractAsyncContextManager[State | None]]
# FastAPI also takes a function that is not yet a context manager.
GeneratorLifespan = Callable[[Any], AsyncGenerator[State | None, None]]

STARTED_TWICE = (
    "Chatkeep is started a second time while it runs. Name each application in one lifespan_of(...) only, and where "
    "the server or a dispatcher starts it already, in none."
)


def lifespan_of(*services: Starlette, own: Lifespan | GeneratorLifespan | None = None) -> Lifespan:
    """Return the lifespan of an application in which `services` are mounted.

        chat = create_app(Settings.read())
        app = FastAPI(lifespan=lifespan_of(chat))
        app.mount("/chat", chat)

    Give it to the application that the server runs, also where a service is mounted further inside: ASGI servers
    start that one alone.

    Args:
        services: applications of `create_app`, or others with a lifespan; started in this order, stopped in reverse.
        own: the application's own lifespan; it begins after the services have started and ends before they stop.

    Raises:
        TypeError: one of `services` is no application.
    """
    for service in services:
        if not isinstance(service, Starlette):
            raise TypeError(
                f"lifespan_of takes applications, such as lifespan_of(create_app(settings)), and not {service!r}. "
                "A lifespan of your own is its argument `own`."
            )

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[State | None]:
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for service in services:
                state |= await stack.enter_async_context(service.router.lifespan_context(service)) or {}
            if own is not None:
                state |= await stack.enter_async_context(_context_manager(own)(app)) or {}
            yield state or None

    return lifespan


def _context_manager(lifespan: Lifespan | GeneratorLifespan) -> Lifespan:
    return asynccontextmanager(lifespan) if isasyncgenfunction(lifespan) else lifespan  # type: ignore[return-value]


@contextmanager
def starting_once(app: FastAPI) -> Iterator[None]:
    """Refuse a second start while the first one lasts; a stopped application may be started again.

    Raises:
        ConfigurationError: it is started already.
    """
    if app.state.started:
        raise ConfigurationError(STARTED_TWICE)
    app.state.started, app.state.draining = True, False
    try:
        yield
    finally:
        app.state.started = app.state.running = False


class StartedOnly:
    """Tells whoever forgot to start a mounted application how to; without this it would only fail inside.

    Args:
        started_app: the application around it.
    """

    def __init__(self, app: ASGIApp, *, started_app: FastAPI) -> None:
        self.app = app
        self._state = started_app.state
        self._logged = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._state.running:
            await self.app(scope, receive, send)
            return
        self._log_once()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": "not started"})
            return
        await protocol_response("not_started")(scope, receive, send)

    def _log_once(self) -> None:
        if not self._logged:
            self._logged = True
            log.error("not_started", detail=PROTOCOL["not_started"][1])
