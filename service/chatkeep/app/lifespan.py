"""Start and stop: an application is started once, by the server or by the application that it is mounted in."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from inspect import isasyncgenfunction
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.errors import ConfigurationError
from chatkeep.http.problems import PROTOCOL, protocol_response

log = structlog.get_logger(__name__)

State = Mapping[str, Any]
Lifespan = Callable[[Any], AbstractAsyncContextManager[State]]
# With a state or without; FastAPI also takes a function that is not yet a context manager.
OwnLifespan = Callable[[Any], AbstractAsyncContextManager[State | None]] | Callable[[Any], AsyncIterator[State | None]]

STARTED_TWICE = (
    "Chatkeep is started a second time while it runs. Name each application in one lifespan_of(...) only, and where "
    "the server or a dispatcher starts it already, in none."
)
_Part = tuple[Callable[[Any], AbstractAsyncContextManager[State | None]], Any]


def lifespan_of(*services: Starlette, own: OwnLifespan | None = None) -> Lifespan:
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
    _require_applications(services)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[State]:
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            parts: list[_Part] = [(each.router.lifespan_context, each) for each in services]
            parts += [] if own is None else [(_context_manager(own), app)]
            for begin, part in parts:
                own_state: State | None = await stack.enter_async_context(begin(part))
                state.update(own_state or {})
            yield state or None  # type: ignore[misc]  # not every server takes a state, which is then for nobody

    return lifespan


def _require_applications(services: Sequence[object]) -> None:
    for service in services:
        if not isinstance(service, Starlette):
            raise TypeError(
                f"lifespan_of takes applications, such as lifespan_of(create_app(settings)), and not {service!r}. "
                "A lifespan of your own is its argument `own`."
            )


def _context_manager(lifespan: OwnLifespan) -> Callable[[Any], AbstractAsyncContextManager[State | None]]:
    return asynccontextmanager(lifespan) if isasyncgenfunction(lifespan) else lifespan  # type: ignore[return-value]


@contextmanager
def guard_start(app: FastAPI) -> Iterator[None]:
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
    """Says how to start a mounted application that nobody started; without this it would only fail inside.

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
