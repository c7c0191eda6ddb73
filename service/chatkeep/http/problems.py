"""Errors as RFC 9457 `application/problem+json`: one shape, rendered in one place."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.responses import Response

from chatkeep import errors
from chatkeep.http.strict_json import NOT_JSON

MEDIA_TYPE = "application/problem+json"
RETRY_UNAVAILABLE_SECONDS = 2

# The first family that fits decides.
_STATUS_OF_FAMILY: tuple[tuple[type[errors.ChatkeepError], int], ...] = (
    (errors.NotAuthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.UploadTooSlow, 408),
    (errors.Conflict, 409),
    (errors.FileTooLarge, 413),
    (errors.Invalid, 422),
    (errors.AuditReasonRequired, 428),
    (errors.TooMany, 429),
    (errors.Unavailable, 503),
)

# Answers of HTTP itself, without an error of the domain.
PROTOCOL: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "The request could not be read."),
    "host_not_allowed": (
        400,
        "This service does not go by that name. Its administrator sets CHATKEEP_ALLOWED_HOSTS.",
    ),
    "preflight_refused": (400, "Pages of that origin may not send such a request. See CHATKEEP_ALLOWED_ORIGINS."),
    "method_not_allowed": (405, "This address does not take that method."),
    "request_timeout": (408, "The request did not come in time. Send it again, over a faster line."),
    "body_too_large": (413, "The body is larger than this service accepts."),
    "unsupported_media_type": (415, "Send JSON, with Content-Type: application/json."),
    "too_many_connections": (
        429,
        (
            "Too many connections are open from your address. Close some. If this is the address of a proxy, its "
            "administrator names it in CHATKEEP_TRUSTED_PROXIES."
        ),
    ),
    "head_too_large": (
        431,
        "The request's headers are larger than this service accepts: 64 KB in 100 fields, and 1,000 parameters.",
    ),
    "connections_exhausted": (503, "The service has as many connections as it can hold. Try again in a moment."),
    "invalid_json": (422, "The body is not valid JSON."),
    "internal_error": (
        500,
        "Something went wrong here. The request's id is in X-Request-ID; the log knows more.",
    ),
    "not_started": (
        503,
        (
            "Chatkeep is mounted in an application that does not start it. Make the application that the server runs "
            "with FastAPI(lifespan=lifespan_of(chat)), where chat is what create_app returned; it is in chatkeep.app."
        ),
    ),
}

_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be carried out as written",
    428: "Something is required first",
    429: "Too many",
    431: "Too large",
    500: "Internal error",
    503: "Not available now",
}

# The usual sentences of the domain's errors; many say more.
USUAL: Mapping[str, tuple[int, str]] = {
    "not_authenticated": (401, "Sign in first: there is no valid session cookie or token."),
    "forbidden": (403, "This takes an administrator."),
    "untrusted_identity": (
        403,
        "This request names a user in X-Forwarded-User, and does not come from the server that may do so.",
    ),
    "cross_site_request": (
        403,
        (
            "This write comes from a page of another site and was not carried out. "
            "If that is not so, the proxy in front has to pass on the Host header."
        ),
    ),
    "insufficient_scope": (
        403,
        "This access token lacks a scope: this takes read, and the token has chat.",
    ),
    "not_found": (404, "There is nothing here, or it is not yours."),
    "invalid_request": (422, "Some fields are missing, unknown or out of bounds; see errors."),
    "invalid_text": (422, "Text may be any Unicode except U+0000 and lone surrogates."),
    "invalid_cursor": (422, "The cursor is not one that this list gave; start again without it."),
    "database_unavailable": (503, "The database does not answer just now. Nothing was lost; try again in a moment."),
}
# Of a route that takes JSON and asks the database.
BODY_ERRORS = (413, 415, 422, 503)
_CODE_OF_STATUS = {
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    503: "database_unavailable",
}


class InvalidField(BaseModel):
    """The fault of one part of a request."""

    loc: Annotated[list[str | int], Field(description="`body`, `query`, `path` or `header`, and the way on from it.")]
    msg: str


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: Annotated[str, Field(description="What happened, for a person.")]
    code: Annotated[str, Field(description="What happened, for a program: it does not change.")]
    errors: Annotated[list[InvalidField] | None, Field(description="Where a request did not fit.")] = None
    turn_id: Annotated[
        UUID | None,
        Field(description="`turn_in_progress`: the turn in the way. `database_unavailable`: the one stored later."),
    ] = None
    scope: Annotated[
        str | None, Field(description="`insufficient_scope`: the scope that the access token would have to have.")
    ] = None


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, object] | None = None,
) -> Response:
    """Return the one shape that errors have."""
    body = _body(status, code, detail) | dict(fields or {})
    return Response(
        json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace"),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def protocol_response(code: str, *, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return one of the answers of HTTP itself; `detail` where more is known than usual."""
    status, usual_detail = PROTOCOL[code]
    return problem_response(status, code, detail or usual_detail, headers=headers)


def status_of(error: errors.ChatkeepError) -> int:
    return next((status for family, status in _STATUS_OF_FAMILY if isinstance(error, family)), 500)


def response_to(error: errors.ChatkeepError) -> Response:
    """Return the answer to an error of the domain."""
    status = status_of(error)
    return problem_response(status, error.code, error.detail, headers=_headers_of(error, status), fields=error.fields)


def _headers_of(error: errors.ChatkeepError, status: int) -> dict[str, str]:
    if isinstance(error, errors.TooMany):
        return {"Retry-After": str(error.retry_after_seconds)}
    if status == 503:
        return {"Retry-After": str(RETRY_UNAVAILABLE_SECONDS)}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}  # RFC 9110, 15.5.2: a 401 says how to sign in
    if isinstance(error, errors.InsufficientScope):  # RFC 6750, 3.1
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.fields["scope"]}"'}
    return {}


def invalid_response(found: Sequence[Mapping[str, Any]]) -> Response:
    """Return the answer to a request that does not fit its schema; values are never quoted."""
    code, detail = _kind_of_invalid(found)
    fields = [{"loc": [*error["loc"]], "msg": str(error["msg"])} for error in found[:50]]
    return problem_response(422, code, detail, fields={"errors": fields})


def _kind_of_invalid(found: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    kinds = {error["type"] for error in found}
    if "json_invalid" in kinds:
        message = str(found[0]["msg"])
        return "invalid_json", PROTOCOL["invalid_json"][1] if message == NOT_JSON else f"{message}."
    if any(tuple(error["loc"]) == ("query", "cursor") for error in found):
        return "invalid_cursor", USUAL["invalid_cursor"][1]
    if kinds & {"invalid_text", "string_unicode"}:
        return "invalid_text", USUAL["invalid_text"][1]
    return "invalid_request", USUAL["invalid_request"][1]


def error_responses(*statuses: int, **examples: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` for a route: its error answers, each with examples.

    Args:
        statuses: errors whose usual example is enough.
        examples: `code=(status, detail)` for errors with a code of their own.
    """
    named: dict[str, tuple[int, str]] = {}
    for code in map(_CODE_OF_STATUS.__getitem__, statuses):
        named[code] = PROTOCOL.get(code) or USUAL[code]
    return problem_responses(named | examples)


def problem_responses(named: Mapping[str, tuple[int, str]]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for errors, `code: (status, detail)`."""
    answers: dict[int | str, dict[str, Any]] = {}
    for code, (status, detail) in named.items():
        answer = answers.setdefault(status, _documented_answer(status))
        answer["content"][MEDIA_TYPE]["examples"][code] = {"value": _body(status, code, detail)}
    return answers


def _documented_answer(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}


def _body(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
