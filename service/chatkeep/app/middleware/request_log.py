"""The log line and figures of each request, and the headers of each answer."""

import re
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.app.logs import shown_path
from chatkeep.app.loop_watch import UnderWay
from chatkeep.app.metrics import Metrics
from chatkeep.http.cookies import cookies_of
from chatkeep.http.root_path import path_within
from chatkeep.http.security_headers import security_headers
from chatkeep.ids import new_id

log = structlog.get_logger(__name__)

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestRecord:
    """Gives each request an id, a line in the log and a place in the figures; each answer what all of them have.

    One class and one step on the way out, which every piece of a stream goes through.

    Args:
        https: also tell browsers to come back by https only.
        under_way: kept up to date, for the watch over the event loop.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, https: bool, under_way: UnderWay) -> None:
        self.app = app
        self._under_way = under_way
        self.metrics = metrics
        self._headers = security_headers(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own_id = str(new_id())
        request_id = _given_id(scope) or own_id
        # Starlette's `request.state`: the audit trail keeps the id, too. Only our own: its rows are never deleted, and
        # what a client chose could be a name or a message that should go with its account.
        scope.setdefault("state", {})["request_id"] = own_id
        ids = {"request_id": request_id} if request_id == own_id else {"request_id": request_id, "audit_id": own_id}
        cookies = cookies_of(scope)
        # The router changes the path where it is mounted; the one that was asked for is recorded.
        path = path_within(scope)
        status = 0

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(message, path, request_id, cookies)
            await send(message)

        task = self._under_way.begin(scope)
        begun = time.perf_counter()
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                await self.app(scope, receive, send_recorded)
            finally:
                self._under_way.end(task)
                seconds = time.perf_counter() - begun
                # The route's template, not the path: there are too many ids to count by.
                route = getattr(scope.get("route"), "path", "(none)")
                self.metrics.request_ended(scope["method"], route, status, seconds)
                log.info(
                    "request",
                    method=scope["method"],
                    path=shown_path(path),
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )

    def _complete(self, message: Message, path: str, request_id: str, cookies: Mapping[str, str]) -> None:
        given = message.get("headers", ())
        if path.startswith(("/api", "/v1")):
            given = [header for header in given if header[0] != b"cache-control"]  # `no-store`, whatever it says
        names = {name for name, _ in given}
        message["headers"] = [
            *given,
            *(header for header in self._headers if header[0] not in names),
            *((b"set-cookie", cookie.encode("latin-1")) for cookie in cookies.values()),
            (b"x-request-id", request_id.encode("latin-1")),
        ]


def _given_id(scope: Scope) -> str | None:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if SANE_REQUEST_ID.fullmatch(given) else None
