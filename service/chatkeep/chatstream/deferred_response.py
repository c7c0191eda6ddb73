"""An answer that is worked out when its own request sends it, not while ChatStream's queue waits for it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatkeep.chatstream.queue_slot import Slot
from chatkeep.chatstream.responses import to_response
from chatkeep.chatstream.schemas import Say
from chatkeep.http.strict_json import parse_json


class QueuedReply(Response):
    """Returned at once: ChatStream asks its handler for one request after the other, and a slow one holds up all.

    Args:
        answer: makes the real answer; its errors become answers in ChatStream's shape.
        slot: given back in any case.
    """

    def __init__(self, answer: Callable[[], Awaitable[Response]], slot: Slot) -> None:
        super().__init__()
        self._answer = answer
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await to_response(self._answer())
            await response(scope, receive, send)
        finally:
            await self._slot.give_back_unused()


async def say_of(request: Request, request_body: Mapping[str, Any] | None, *, max_bytes: int) -> Say:
    """Return the request's body.

    Args:
        request_body: the body, where the application has read it already.

    Raises:
        RequestValidationError: it is not JSON, or not of this shape.
        HTTPException: 413, it is longer than `max_bytes`; no more than that is read.
    """
    body = dict(request_body) if request_body is not None else parse_json(await _bytes_of(request, max_bytes))
    try:
        return Say.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error


async def _bytes_of(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise HTTPException(413, f"The body is larger than {max_bytes} bytes.")
    return bytes(body)
