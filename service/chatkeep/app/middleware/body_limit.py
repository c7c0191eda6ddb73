"""What of a request is taken, and as what."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.http.problems import protocol_response
from chatkeep.http.root_path import path_within


class BodyLimit:
    """Reads no more of a body than is allowed, whether or not the client says how long it is.

    Args:
        elsewhere: limits of their own for paths that take files.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, elsewhere: Mapping[str, int] | None = None) -> None:
        self.app = app
        self._max_bytes = max_bytes
        self._elsewhere = dict(elsewhere or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self._elsewhere.get(path_within(scope).rstrip("/"), self._max_bytes)
        detail = f"The body is larger than {max_bytes} bytes."
        if _says_more_than(max_bytes, Headers(scope=scope)):
            await protocol_response("body_too_large", detail=detail)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, receive_counted, send)


def _says_more_than(max_bytes: int, headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and int(length[:20]) > max_bytes


class TrailingSlash:
    """Takes `/api/v1/conversations/` for `/api/v1/conversations`: a redirect would lose many clients' bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/") and path_within(scope).startswith("/api/"):
            # In place: the record of the request reads its route from this scope.
            scope["path"] = scope["path"].rstrip("/")
        await self.app(scope, receive, send)
