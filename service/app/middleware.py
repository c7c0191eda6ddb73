"""What every request goes through, outermost first: pure ASGI, so that streams pass untouched."""

import re
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.app.logs import safe_traceback
from service.app.metrics import Metrics
from service.errors import CrossSiteRequest
from service.http.addresses import Network, request_scheme
from service.http.cookies import cookies_of
from service.http.problems import protocol_response, response_to
from service.ids import new_id

log = structlog.get_logger(__name__)

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Probes ask by the machine's own address, whatever the service is called outside.
PROBES = ("/healthz", "/readyz", "/metrics")
LONGEST_LOGGED_PATH = 500


class RequestRecord:
    """Gives each request an id, a line in the log and a place in the figures; each answer what all of them have.

    One class and one step on the way out, which every piece of a stream goes through.

    Args:
        https: also tell browsers to come back by https only.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, https: bool) -> None:
        self.app = app
        self.metrics = metrics
        self._headers = _security_headers(https=https)

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
        # The router changes the path where it is mounted; what was asked for is what is recorded.
        path = scope["path"]
        status = 0

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(message, path, request_id, cookies)
            await send(message)

        begun = time.perf_counter()
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                await self.app(scope, receive, send_recorded)
            finally:
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
        if path.startswith("/api"):
            given = [header for header in given if header[0] != b"cache-control"]  # `no-store`, whatever it says
        names = {name for name, _ in given}
        message["headers"] = [
            *given,
            *(header for header in self._headers if header[0] not in names),
            *((b"set-cookie", cookie.encode("latin-1")) for cookie in cookies.values()),
            (b"x-request-id", request_id.encode("latin-1")),
        ]


def _security_headers(*, https: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of an API that OWASP would have.

    Source: OWASP REST Security Cheat Sheet, Security Headers.
    """
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if https:
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


class InternalErrors:
    """Answers what nobody caught: with nothing about it for the client, and all that is safe in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception as error:
            # Already as text: how the log was set up must not decide whether it holds what people wrote.
            log.error(  # noqa: TRY400
                "request_failed",
                method=scope["method"],
                path=shown_path(scope["path"]),
                exception=safe_traceback(error),
            )
            if begun:
                raise  # the server breaks the connection, so that the client does not take this for the end
            await protocol_response("internal_error")(scope, receive, send)


class HostAllowList:
    """Refuses other names: a page that makes its own name point here (DNS rebinding) is not answered."""

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str]) -> None:
        self.app = app
        self._allowed = {host.lower() for host in (*LOOPBACK_HOSTS, *allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES and not self._knows(Headers(scope=scope)):
            await protocol_response("host_not_allowed")(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        host = re.sub(r":\d*$", "", headers.get("host", "").lower())
        return host in self._allowed or "*" in self._allowed


class CrossOrigin(CORSMiddleware):
    """Lets pages of the listed origins read answers, with the user's cookie; a refusal is a problem like any other.

    Source: WHATWG Fetch, 3.2, CORS protocol.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-Audit-Reason",
                "X-Chatkeep-Conversation",
                "X-Request-ID",
            ],
            expose_headers=[
                "Content-Disposition",
                "Retry-After",
                "X-Chatkeep-Conversation",
                "X-ChatStream-Last-Generated-Message-Id",
                "X-Request-ID",
            ],
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        # Without Access-Control-Allow-Origin the browser sends nothing more, whatever else is in it.
        return protocol_response("preflight_refused", headers={"Vary": answer.headers["vary"]})


class CrossSiteCheck:
    """Refuses writes that another site's page sends with the user's cookie (cross-site request forgery).

    Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet, Fetch Metadata.

    Args:
        guests: whoever writes without a cookie or a token becomes a guest, so that is a write to be refused, too:
            other sites' pages would make one of each of their visitors, each from an address of their own.
        user_header: a server in front names the user in it, by a cookie of its own that never comes this far.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Sequence[str],
        trusted_proxies: Sequence[Network],
        guests: bool = False,
        user_header: str | None = None,
    ) -> None:
        self.app = app
        self._origins = frozenset(origin.lower() for origin in origins)
        self._trusted_proxies = trusted_proxies
        self._guests = guests
        self._user_header = user_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and self._is_forged(HTTPConnection(scope)):
            error = CrossSiteRequest("This write comes from a page of another site, and was not carried out.")
            await response_to(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_forged(self, connection: HTTPConnection) -> bool:
        headers = connection.headers
        if not self._counts_for_somebody(headers):
            return False
        if headers.get("sec-fetch-site", "").lower() == "cross-site":
            return True
        origin = headers.get("origin")
        return origin is not None and not self._is_known(origin.lower(), connection)

    def _counts_for_somebody(self, headers: Headers) -> bool:
        """Whether a browser may have added by itself what makes this somebody's write."""
        if self._user_header is not None and self._user_header in headers:
            return True
        return "cookie" in headers or (self._guests and "authorization" not in headers)

    def _is_known(self, origin: str, connection: HTTPConnection) -> bool:
        host = connection.headers.get("host", "").lower()
        scheme = request_scheme(connection, self._trusted_proxies)
        # A proxy that ends TLS may not say so; a page from https of the same name is never worse than ours.
        return origin in (f"{scheme}://{host}", f"https://{host}") or origin in self._origins


class BodyLimit:
    """Reads no more of a body than is allowed, whether or not the client says how long it is.

    Args:
        elsewhere: limits of their own for paths that take files.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, elsewhere: Mapping[str, int] | None = None) -> None:
        self.app = app
        self._most_bytes = most_bytes
        self._elsewhere = dict(elsewhere or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most_bytes = self._elsewhere.get(scope["path"].rstrip("/"), self._most_bytes)
        detail = f"The body is larger than {most_bytes} bytes."
        if _says_more_than(most_bytes, Headers(scope=scope)):
            await protocol_response("body_too_large", detail=detail)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most_bytes:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, receive_counted, send)


class TrailingSlash:
    """Takes `/api/v1/conversations/` for `/api/v1/conversations`: a redirect would lose many clients' bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"].endswith("/"):
            # In place: the record of the request reads its route from this scope.
            scope["path"] = scope["path"].rstrip("/")
        await self.app(scope, receive, send)


def _says_more_than(most_bytes: int, headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and int(length[:20]) > most_bytes


def shown_path(path: str) -> str:
    """Return a path as it may stand in a log: no control characters that a terminal obeys, and no end of a line."""
    return quote(path[:LONGEST_LOGGED_PATH])


def _given_id(scope: Scope) -> str | None:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if SANE_REQUEST_ID.fullmatch(given) else None
