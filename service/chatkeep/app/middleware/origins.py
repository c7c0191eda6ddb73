"""By which name the service is asked, and from whose pages."""

from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.errors import CrossSiteRequest
from chatkeep.hosts import HostPattern, from_socket_address, is_address, parse_host_header
from chatkeep.http.addresses import Network, WebOrigin, parse_origin, request_host, request_scheme
from chatkeep.http.problems import USUAL, protocol_response, response_to
from chatkeep.http.root_path import path_within
from chatkeep.web.host_page import host_page

log = structlog.get_logger(__name__)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Probes ask by the machine's own address, whatever the service is called outside.
PROBES = ("/healthz", "/readyz", "/metrics")
_, REFUSED = USUAL["cross_site_request"]
# The log says each name once; strangers may send any number of them.
MAX_HOSTS_LOGGED = 20


class HostAllowList:
    """Refuses other names: a page that makes its own name point here (DNS rebinding) is not answered.

    An address is let in without being listed where the connection came in at that address: no name resolves to
    something else after the browser has sent an address as `Host`.

    Args:
        allowed: hosts as `chatkeep.hosts.HostPattern` has them.
        trusted_proxies: the name is the one that the browser used, where one of these passes it on.
    """

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str], trusted_proxies: Sequence[Network] = ()) -> None:
        self.app = app
        self._trusted_proxies = trusted_proxies
        self._allowed = tuple(map(HostPattern.parse, (*LOOPBACK_HOSTS, *allowed)))
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and path_within(scope) not in PROBES:
            request = Request(scope)
            host = parse_host_header(request_host(request, self._trusted_proxies))
            if host is None or not self._is_allowed(scope, *host):
                await self._refused(request, host)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_allowed(self, scope: Scope, host: str, port: int | None) -> bool:
        if any(pattern.matches(host, port) for pattern in self._allowed):
            return True
        server = scope.get("server")
        return is_address(host) and server is not None and host == from_socket_address(server[0])

    def _refused(self, request: Request, host: tuple[str, int | None] | None) -> Response:
        name = None if host is None else host[0]
        if name is not None and name not in self._logged and len(self._logged) < MAX_HOSTS_LOGGED:
            self._logged.add(name)
            log.warning("host_not_allowed", host=name, setting=f"CHATKEEP_ALLOWED_HOSTS={name}")
        return host_page(request, name) or protocol_response("host_not_allowed")


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
    A page of the same site (`same-site`) is as foreign as any other, unless `Origin` says that it is on the list.

    Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet, Fetch Metadata.

    Args:
        guests: a writer without a cookie or a token becomes a guest, so that is a write to be refused, too:
            other sites' pages would make one of each of their visitors, each from an address of their own.
        user_header: a server in front names the user in it, by a cookie of its own that never comes this far.
        always: paths at which `Origin` counts whatever else is sent, as MCP has it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Sequence[str],
        trusted_proxies: Sequence[Network],
        guests: bool = False,
        user_header: str | None = None,
        always: Sequence[str] = (),
    ) -> None:
        self.app = app
        self._always = frozenset(always)
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
        if not self._counts_for_somebody(headers) and path_within(connection.scope) not in self._always:
            return False
        site = headers.get("sec-fetch-site", "").lower()
        if site == "cross-site":
            return True
        if site not in ("", "same-origin", "none") and "origin" not in headers:
            # A page of another host of this domain, or one on another port: SameSite=Lax lets the cookie through, and
            # that page may be somebody else's, or taken over. Browsers name such a page in `Origin`; where something on
            # the way took that out, it is not known whose page it is.
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
