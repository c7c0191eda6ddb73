"""Errors in OpenAI's shape, for whatever goes wrong under `/v1`: in the routes and in all layers around them.

Source: OpenAI API reference, Errors; openai-python, `_base_client.py` (what is repeated, and when).
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.http.problems import MEDIA_TYPE
from chatkeep.http.root_path import path_within

PREFIX = "/v1"
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
# Members of a problem that have a place of their own in the answer, or none.
_SPOKEN = ("type", "title", "status", "detail", "code", "errors", "param")
_SHOULD_RETRY = "x-should-retry"


def is_ours(scope: Scope) -> bool:
    path = path_within(scope)
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def error_body(status: int, code: str, message: str, *, param: str | None = None, **fields: object) -> dict[str, Any]:
    """Return the one shape that errors have under `/v1`."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **fields}}


class OpenAIErrors:
    """Has each problem under `/v1` say the same in OpenAI's shape, with the status that its clients know.

    A 409 of ours is no race that another try may win, and clients would try twice: they are told not to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_ours(scope):
            await self.app(scope, receive, _Reshaped(send).send)
        else:
            await self.app(scope, receive, send)


class _Reshaped:
    """Holds a problem until it is whole, and sends what it says."""

    __slots__ = ("_body", "_held", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._held = message
        elif self._held is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                for each in _in_openais_shape(self._held, self._body):
                    await self._send(each)


def _is_problem(start: Message) -> bool:
    return MutableHeaders(raw=list(start.get("headers", ()))).get("content-type", "").startswith(MEDIA_TYPE)


def _in_openais_shape(start: Message, body: bytes) -> tuple[Message, Message]:
    found: Mapping[str, Any] = json.loads(body)
    # Theirs is 400 for whatever is wrong with what was asked.
    status = 400 if start["status"] == 422 else start["status"]
    fields = {name: value for name, value in found.items() if name not in _SPOKEN}
    message, param = _said(found)
    written = json.dumps(
        error_body(status, found["code"], message, param=found.get("param") or param, **fields), ensure_ascii=False
    ).encode("utf-8", "replace")
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-type"], headers["content-length"] = "application/json", str(len(written))
    if status == 409:
        headers[_SHOULD_RETRY] = "false"
    return {**start, "status": status, "headers": headers.raw}, {"type": "http.response.body", "body": written}


def _said(problem: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the message of a problem, with the first field that is wrong, and its name as `input[0].role`."""
    errors = problem.get("errors") or ()
    if not errors:
        return problem["detail"], None
    first = errors[0]
    way = [each for each in first["loc"] if each not in ("body", "query", "path", "header")]
    param = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in way).removeprefix(".")
    return f"{first['msg']}: {param}" if param else str(first["msg"]), param or None
