"""Answers as ChatStream words them: `success` and `message` first; errors too, but with real status codes."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatkeep.chatstream.roles import DeniedByRole
from chatkeep.errors import ChatkeepError
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.problems import MEDIA_TYPE as PROBLEM
from chatkeep.http.problems import invalid_response, protocol_response, response_to
from chatkeep.http.schemas import Answer


class Done(Answer):
    success: Literal[True] = True
    message: str = "success"


async def to_response(answer: Awaitable[Response]) -> Response:
    """Return the answer, or the error that came instead of it, in ChatStream's shape."""
    try:
        response = await answer
    except DeniedByRole:
        return _denied()
    except ChatkeepError as error:
        response = response_to(error)
    except RequestValidationError as error:
        response = invalid_response(error.errors())
    except HTTPException as error:
        if error.status_code != 413:
            raise
        response = protocol_response("body_too_large", detail=error.detail)
    return in_chatstreams_shape(response) if response.media_type == PROBLEM else response


def in_chatstreams_shape(problem: Response) -> Response:
    """Return a problem with ChatStream's names for its parts."""
    found: dict[str, Any] = json.loads(bytes(problem.body))
    for name in ("type", "status"):
        del found[name]
    body = {"success": False, "error": found.pop("code"), "message": found.pop("title"), **found}
    headers = {name: value for name, value in problem.headers.items() if not name.startswith("content-")}
    return JSONResponse(body, problem.status_code, headers)


def _denied() -> Response:
    return JSONResponse({"success": False, "message": "Forbidden", "detail": "Denied on role layer."}, 403)


class ChatStreamRoute(JsonRoute):
    """A route whose errors are in ChatStream's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await to_response(handle(request))

        return answer
