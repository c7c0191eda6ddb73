"""The path that the service has outside, such as `/chat`: one place that finds it, and what links are made with.

After `RootPath`, every request looks the same, whether a proxy took the prefix off, left it on, or an outer
application mounted the service: `root_path` is the prefix, and `path` begins with it (ASGI, HTTP Connection Scope).
"""

from collections.abc import Sequence

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.http.addresses import Network, is_within, peer_of
from chatkeep.public_path import clean_path, is_own_path

_FOUND = "chatkeep.root_path"


class RootPath:
    """Puts the prefix in its place for everything within.

    Args:
        configured: CHATKEEP_ROOT_PATH, the whole prefix that browsers see; where it is set, no header counts.
        trusted_proxies: only they are believed in `X-Forwarded-Prefix`. It goes into links and into the cookie's
            path: anybody else could send a reader's browser elsewhere on the host by way of a shared cache.
    """

    def __init__(self, app: ASGIApp, *, configured: str, trusted_proxies: Sequence[Network]) -> None:
        self.app = app
        self._configured = configured
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = with_root_path(scope, self._configured, self._trusted_proxies)
        await self.app(scope, receive, send)


def with_root_path(scope: Scope, configured: str, trusted_proxies: Sequence[Network]) -> Scope:
    """Return the scope with its public prefix as `root_path`, and a `path` that begins with it."""
    mounted = scope.get("root_path", "").rstrip("/")
    if scope.get(_FOUND) or not (mounted or configured or trusted_proxies):
        return scope
    path = _without(mounted, scope["path"])
    prefix = configured or _combined(_forwarded_prefix(HTTPConnection(scope), trusted_proxies), mounted)
    if not mounted and not is_own_path(prefix):
        path = _without(prefix, path)  # a proxy left it on
    # `/chat` itself is the service's `/`.
    return {**scope, "root_path": prefix, "path": prefix + (path or "/"), _FOUND: True}


def root_path_of(connection: HTTPConnection) -> str:
    """Return the prefix that every link to this service begins with: `/chat`, or nothing at the root of a host."""
    return str(connection.scope.get("root_path", "")).rstrip("/")


def cookie_path(connection: HTTPConnection) -> str:
    """Return the path of this service's cookies: other applications of the host are not sent them."""
    return root_path_of(connection) or "/"


def path_within(scope: Scope) -> str:
    """Return the path as the service's own routes have it, without the prefix."""
    return _without(scope.get("root_path", ""), scope["path"])


def _forwarded_prefix(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return the prefixes that the proxies took off, the outermost first, as Traefik's StripPrefix says it."""
    given = connection.headers.getlist("x-forwarded-prefix")
    if not given or not is_within(peer_of(connection), trusted_proxies):
        return ""
    parts = [clean_path(part) for line in given for part in line.split(",")]
    return clean_path("".join(part or "" for part in parts)) or ""


def _combined(forwarded: str, mounted: str) -> str:
    """A proxy may name only what it took off itself, or also where the service is mounted behind it."""
    return forwarded if mounted and forwarded.endswith(mounted) else forwarded + mounted


def _without(prefix: str, path: str) -> str:
    return path[len(prefix) :] if prefix and (path == prefix or path.startswith(f"{prefix}/")) else path
