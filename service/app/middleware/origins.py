"""By which name the service is asked, and from whose pages."""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import CrossSiteRequest
from service.http.addresses import Network, WebOrigin, parse_origin, request_host, request_scheme
from service.http.problems import USUAL, protocol_response, response_to
from service.http.root_path import path_within

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Probes ask by the machine's own address, whatever the service is called outside.
PROBES = ("/healthz", "/readyz", "/metrics")
_, REFUSED = USUAL["cross_site_request"]


class HostAllowList:
    """Refuses other names: a page that makes its own name point here (DNS rebinding) is not answered."""

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str]) -> None:
        self.app = app
        self._allowed = {host.lower() for host in (*LOOPBACK_HOSTS, *allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and path_within(scope) not in PROBES and not self._knows(Headers(scope=scope)):
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

    A browser says itself where a request comes from, in `Sec-Fetch-Site`, and no script can set that header. It does
    so over https and on its own machine; without it, `Origin` has to be this service's own, as its clients see it.

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
        self._origins = frozenset(map(parse_origin, origins))
        self._trusted_proxies = trusted_proxies
        self._guests = guests
        self._user_header = user_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and self._is_forged(HTTPConnection(scope)):
            await response_to(CrossSiteRequest(REFUSED))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_forged(self, connection: HTTPConnection) -> bool:
        headers = connection.headers
        if not self._counts_for_somebody(headers):
            return False
        site = headers.get("sec-fetch-site", "").lower()
        if site == "cross-site":
            return True
        if site == "same-origin":
            # Proof enough, also where a proxy made another name of `Host`. A page of another name that points here
            # (DNS rebinding) is its own origin, too: the list of hosts is against that, and the user's cookie is not
            # sent to that name.
            return False
        origin = headers.get("origin")
        return origin is not None and not self._is_known(parse_origin(origin), connection)

    def _counts_for_somebody(self, headers: Headers) -> bool:
        """Whether a browser may have added by itself what makes this somebody's write."""
        if self._user_header is not None and self._user_header in headers:
            return True
        return "cookie" in headers or (self._guests and "authorization" not in headers)

    def _is_known(self, origin: WebOrigin | None, connection: HTTPConnection) -> bool:
        if origin is None:
            return False
        host = request_host(connection, self._trusted_proxies)
        scheme = request_scheme(connection, self._trusted_proxies)
        # With the port: on the next port of the same host may be a service of somebody else, and cookies ignore ports.
        # A proxy that ends TLS may not say so; a page from https of the same name is never worse than ours.
        own = (parse_origin(f"{scheme}://{host}"), parse_origin(f"https://{host}"))
        return origin in own or origin in self._origins
