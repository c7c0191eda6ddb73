"""One application of two: this service beside a ChatStream server, on one address."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.config import Settings
from chatkeep.http.cookies import SendCookies
from chatkeep.http.root_path import path_within, with_root_path

# Addresses that a ChatStream server leaves to its handler, and those of signing in and reading the history.
OURS = ("/clear_context", "/get_prompt", "/set_feedback", "/set_generation_params", "/get_generation_params")
OURS_BELOW = ("/api/v1/", "/healthz", "/readyz", "/metrics")


class SideBySide:
    """Sends each request to the application that it is for, and starts and stops both.

    The two are side by side and not one in the other: ChatStream's CORS lets every site read answers, and its
    session middleware drops the cookies of a first answer.

    Args:
        chatkeep: this service; it starts first and stops last.
        chatstream: the application that has ChatStream's APIs, and everything else that is asked for.
        more_paths: further beginnings of paths that are this service's.
    """

    def __init__(self, chatkeep: FastAPI, chatstream: FastAPI | Starlette, *, more_paths: Sequence[str] = ()) -> None:
        self._apps = (chatkeep, chatstream)
        self._chatkeep: ASGIApp = chatkeep
        self._settings: Settings = chatkeep.state.settings
        # A session that gets a new id on the way is told to the browser, whichever application answers.
        self._chatstream: ASGIApp = SendCookies(chatstream)
        self._below = (*OURS_BELOW, *more_paths)
        self._life = Router(lifespan=self._lives)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._life(scope, receive, send)
            return
        # Under a prefix, both are: the same request must not mean one thing here and another within.
        scope = with_root_path(scope, self._settings.root_path, self._settings.trusted_proxies)
        app = self._chatkeep if self._is_ours(path_within(scope)) else self._chatstream
        await app(scope, receive, send)

    def _is_ours(self, path: str) -> bool:
        return path in OURS or path.startswith(self._below)

    @asynccontextmanager
    async def _lives(self, _app: object) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in self._apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield
