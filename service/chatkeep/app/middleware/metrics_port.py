"""The figures at a port of their own, and nothing else there."""

from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.errors import NotFound
from chatkeep.http.problems import response_to
from chatkeep.http.root_path import path_within

METRICS = "/metrics"
PROBES = ("/healthz", "/readyz")


class MetricsApart:
    """Answers for `/metrics` at one port alone, and there for nothing else but the probes.

    Args:
        port: by the socket that took the connection, which no header can change.
    """

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self.app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_misplaced(scope):
            await response_to(NotFound())(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_misplaced(self, scope: Scope) -> bool:
        path, server = path_within(scope), scope.get("server")
        at_port = server is not None and server[1] == self._port
        return path not in PROBES and (path.rstrip("/") == METRICS) != at_port
