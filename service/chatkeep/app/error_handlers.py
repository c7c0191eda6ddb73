"""Exceptions on their way out, each rendered as a problem; for a mistyped address in a browser, as a page."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from chatkeep.errors import ChatkeepError, NotFound
from chatkeep.http.problems import invalid_response, protocol_response, response_to
from chatkeep.web.rendering import not_found_page


def add_error_handlers(app: FastAPI) -> None:
    """Have `app` answer every error with `application/problem+json`."""
    app.add_exception_handler(ChatkeepError, answer_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    # The last resort, outside of every middleware; what happens inside is answered and logged there.
    app.add_exception_handler(Exception, _internal_error)


async def answer_error(_request: Request, error: Exception) -> Response:
    """Answer an error of this service as its own routes do; for applications of one's own that use its parts.

    app.add_exception_handler(ChatkeepError, answer_error)
    """
    assert isinstance(error, ChatkeepError)  # noqa: S101  it is registered for nothing else
    return response_to(error)


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  it is registered for nothing else
    return not_found_page(request) or invalid_response(error.errors())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for nothing else
    if error.status_code == 404:
        return not_found_page(request) or response_to(NotFound())
    if error.status_code == 405:
        allow = {"Allow": ", ".join(sorted(_methods_of(request)))}
        return protocol_response("method_not_allowed", headers=allow)
    if error.status_code == 413:
        return protocol_response("body_too_large", detail=error.detail)
    return protocol_response("bad_request")


async def _internal_error(_request: Request, _error: Exception) -> Response:
    return protocol_response("internal_error")


def _methods_of(request: Request) -> set[str]:
    """Return the methods of an address by all of its routes; the router knows only the first that nearly fits.

    Source: RFC 9110, 10.2.1.
    """
    contexts = iter_route_contexts(request.app.routes)
    routes = [each for each in contexts if each.methods and each.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in route.methods or ()}
