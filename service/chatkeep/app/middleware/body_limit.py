"""Limits on the bodies of requests, and on their types."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.errors import FileTooLarge
from chatkeep.http.problems import protocol_response, response_to
from chatkeep.http.root_path import path_within


@dataclass(frozen=True, slots=True)
class PathLimit:
    """How long bodies at one path may be.

    Args:
        file_detail: what is said of a file that is longer, where all that is sent there is one.
    """

    max_bytes: int
    file_detail: str | None = None


class BodyLimit:
    """Reads no more of a body than is allowed, whether or not the client says how long it is.

    Args:
        elsewhere: limits of their own for paths that take files.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, elsewhere: Mapping[str, PathLimit] | None = None) -> None:
        self.app = app
        self._usual = PathLimit(max_bytes)
        self._elsewhere = dict(elsewhere or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._elsewhere.get(path_within(scope).rstrip("/"), self._usual)
        if _says_more_than(limit.max_bytes, Headers(scope=scope)):
            await _refusal(limit)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit.max_bytes:
                raise FileTooLarge(limit.file_detail) if limit.file_detail else HTTPException(413, _detail(limit))
            return message

        await self.app(scope, receive_counted, send)


def _refusal(limit: PathLimit) -> Response:
    if limit.file_detail:
        return response_to(FileTooLarge(limit.file_detail))
    return protocol_response("body_too_large", detail=_detail(limit))


def _detail(limit: PathLimit) -> str:
    return f"The body is larger than {limit.max_bytes} bytes."


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
