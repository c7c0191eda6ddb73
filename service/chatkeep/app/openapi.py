"""The OpenAPI document: FastAPI's, with what it cannot know by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

from chatkeep import __version__
from chatkeep.accounts.browser_cookies import cookie_name
from chatkeep.accounts.dependencies import require_signed_in
from chatkeep.accounts.scopes import MEANINGS, in_order, needs_of
from chatkeep.app.examples import PARAMETERS, example_of
from chatkeep.app.middleware.origins import PROBES, SAFE_METHODS
from chatkeep.chat.api.dependencies import require_user, require_user_or_visitor
from chatkeep.config import Settings
from chatkeep.http.problems import PROTOCOL, USUAL, Problem, problem_responses

OPENAPI_PATH = "/api/v1/openapi.json"

DESCRIPTION = """\
Signs people in, streams a language model's answers to them, and keeps every turn.

**Who is asking.** Sign in with `POST /api/v1/auth/login` and keep the cookie, or send `Authorization: Bearer` with a
personal access token, whose scopes say what it may do: each call names those that let a token in. Where guests are
allowed, a first conversation needs neither and brings the cookie. Where a server in front signs people in, it says who
is asking in a header. What belongs to somebody else is answered exactly as what is not there.

**Text.** JSON in UTF-8, in and out, kept and given back as it came; only U+0000 and lone surrogates are refused.
A field that is not known is refused: it may be a misspelt one. Times are in UTC with `Z`, ids are UUIDs.

**Lists** come a page at a time: `limit` items and a `next_cursor` for the next page, null on the last. Nothing is
skipped or repeated while rows are added.

**Errors** are `application/problem+json` (RFC 9457): `detail` is for a person, `code` is for a program and does not
change. Any call may also answer 405 to a method that its address does not take.

**Every answer** has an `X-Request-ID`, yours where you sent one; the service's log knows the request by it. The audit
trail has the service's own id of the request, which stands beside yours in the log.

**OpenAI's clients** take the address of this service with `/v1` behind it, and a personal access token as their key.
Shapes and errors are OpenAI's there; `docs/clients.md` lists the calls.
"""

TAGS = [
    {"name": "Accounts", "description": "Who somebody is, where they are signed in, and what signs in for them."},
    {"name": "Conversations", "description": "What belongs together: a title, settings, and a tree of turns."},
    {"name": "Turns", "description": "What was said: prompts and replies, streamed, regenerated, edited and rated."},
    {"name": "Files", "description": "What prompts refer to: pictures, PDFs and texts."},
    {"name": "Search", "description": "Turns by what they say, in any language."},
    {"name": "Import and export", "description": "Histories as files, out and in."},
    {"name": "Administration", "description": "Users and histories of everyone, for administrators."},
    {"name": "Operations", "description": "For the people who keep the service running."},
]

# Answers that belong to no call: nobody documented sends such a request.
_ELSEWHERE = {
    "MethodNotAllowed": "method_not_allowed",
    "PreflightRefused": "preflight_refused",
    "BrokenOff": "bad_request",
    "NotStarted": "not_started",
    "TooSlow": "request_timeout",
    "HeadTooLarge": "head_too_large",
    "TooManyConnections": "too_many_connections",
    "ConnectionsExhausted": "connections_exhausted",
}

_DONE = {"200": "What was asked for.", "201": "What was made.", "202": "Taken in; it is being done.", "204": "Done."}

_REQUEST_ID = "X-Request-ID"
_HEADERS = {
    _REQUEST_ID: {"description": "What the log knows this request by.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until another try has a chance.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`: a token signs in.", "schema": {"type": "string"}},
    "Set-Cookie": {"description": "The session, signed; `HttpOnly` and `SameSite=Lax`.", "schema": {"type": "string"}},
}
_HEADERS_OF_STATUS = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}
_SIGNS_IN = ("/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/link/password")


def describe(app: FastAPI) -> None:
    """Have `app` serve a document with its errors, its examples and who may call what."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=__version__,
        summary="A chat history service.",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        openapi_version="3.1.0",
    )
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    components = document["components"]
    schemas = components["schemas"]
    schemas |= _problem_schemas()
    for schema in schemas.values():
        _say_whole_bounds(schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = _security_schemes(app.state.settings)
    components["headers"] = _HEADERS
    components["responses"] = {name: _problem(code) for name, code in _ELSEWHERE.items()}
    for context in iter_route_contexts(app.routes):
        if getattr(context, "include_in_schema", False) and context.path_format in document["paths"]:
            for method in context.methods or ():
                operation = document["paths"][context.path_format].get(method.lower())
                if operation is not None:
                    _complete(operation, context, method, schemas)
    return document


def _complete(operation: dict[str, Any], route: RouteContext, method: str, schemas: Mapping[str, Any]) -> None:
    operation["operationId"] = route.name
    operation["summary"], operation["description"] = _first_sentence(operation.get("description", ""))
    operation["security"] = _security(route) if takes_identity(route.dependant) else []
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter, schemas)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content.setdefault("example", example_of(content["schema"], schemas))
    if ways := [each["bearer"] for each in operation["security"] if "bearer" in each]:
        scopes = " or ".join(" and ".join(f"`{each}`" for each in way) for way in ways)
        operation["description"] = f"{operation['description']} Access tokens: {scopes}.".strip()
    _add_problems(operation, str(route.path_format), method)
    for status, answer in operation["responses"].items():
        _complete_answer(answer, status, schemas, signs_in=route.path_format in _SIGNS_IN)


def _security(route: RouteContext) -> list[dict[str, list[str]]]:
    """Return the ways in: a session, or a token with all scopes of one of the lists."""
    return [{"cookie": []}, *({"bearer": in_order(way)} for way in needs_of(route.endpoint))]


def takes_identity(dependant: Dependant) -> bool:
    """Tell whether a route is for the signed-in alone."""
    return dependant.call in (require_signed_in, require_user, require_user_or_visitor) or any(
        map(takes_identity, dependant.dependencies)
    )


def _complete_parameter(parameter: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    parameter["schema"] = schema = _without_null(parameter["schema"])
    description, example = PARAMETERS.get(parameter["name"].lower(), ("", None))
    parameter.setdefault("description", schema.pop("description", description))
    schema.pop("description", None)
    if parameter["name"] != "cursor":  # only a list knows what its cursors are
        parameter.setdefault("example", example_of(schema, schemas) if example is None else example)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query, a path and a header cannot say null: an absent parameter is left out."""
    others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(others) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return others[0] | rest


def _add_problems(operation: dict[str, Any], path: str, method: str) -> None:
    """Add the facts that hold for every call of a kind, so that no route has to state them."""
    codes = ["internal_error", *_of_origin(operation, path, method), *_problems_of_body(operation)]
    parameters = operation.get("parameters", ())
    if parameters:
        codes.append("invalid_request")
    if any(each["in"] == "query" and each["schema"].get("type") == "string" for each in parameters):
        codes.append("invalid_text")
    if any(each["name"] == "cursor" for each in parameters):
        codes.append("invalid_cursor")
    responses = operation["responses"]
    if "422" in responses and "application/json" in responses["422"].get("content", {}):
        del responses["422"]  # FastAPI's own, which nothing here gives
    for status, answer in problem_responses({code: PROTOCOL.get(code) or USUAL[code] for code in codes}).items():
        kept = responses.setdefault(str(status), answer)
        for media_type, content in answer["content"].items():
            examples = kept["content"][media_type].setdefault("examples", {})
            examples |= {code: each for code, each in content["examples"].items() if code not in examples}
    operation["responses"] = dict(sorted(responses.items()))


def _of_origin(operation: dict[str, Any], path: str, method: str) -> Iterator[str]:
    """Yield the codes that say that a request comes from where it may not."""
    if path not in PROBES:
        yield "host_not_allowed"
    if method not in SAFE_METHODS:
        yield "cross_site_request"
    if operation["security"]:
        yield "untrusted_identity"
        yield "insufficient_scope"


def _problems_of_body(operation: Mapping[str, Any]) -> list[str]:
    contents = operation.get("requestBody", {}).get("content", {})
    of_json = ["unsupported_media_type", "invalid_json", "invalid_text", "invalid_request"]
    return (["body_too_large"] if contents else []) + (of_json if "application/json" in contents else [])


def _complete_answer(answer: dict[str, Any], status: str, schemas: Mapping[str, Any], *, signs_in: bool) -> None:
    if answer["description"] == "Successful Response":
        answer["description"] = _DONE.get(status, "Done.")
    names = [_REQUEST_ID, *_HEADERS_OF_STATUS.get(status, ())]
    if signs_in and status.startswith("2"):
        names.append("Set-Cookie")
    answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    for media_type, content in answer.get("content", {}).items():
        if media_type == "text/event-stream":
            content.pop("schema", None)  # this version of OpenAPI cannot say what one event is
        if "example" not in content and "examples" not in content and "schema" in content:
            content["example"] = example_of(content["schema"], schemas)


def _first_sentence(text: str) -> tuple[str, str]:
    """Return a docstring's first sentence without its full stop, and the rest."""
    sentence, _, rest = " ".join(text.split()).partition(". ")
    return sentence.removesuffix("."), rest


def _problem_schemas() -> dict[str, Any]:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, schema in problem["properties"].items():
        problem["properties"][name] = _without_null(schema)
    return {**problem.pop("$defs", {}), "Problem": problem}


def _problem(code: str) -> dict[str, Any]:
    (answer,) = problem_responses({code: PROTOCOL[code]}).values()
    return answer


def _say_whole_bounds(schema: Any) -> None:
    """Write the bounds of whole numbers as such: FastAPI keeps them as floats, which cannot say the largest."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer":
            for bound in ("minimum", "maximum"):
                if bound in schema:
                    schema[bound] = max(-(2**63), min(int(schema[bound]), 2**63 - 1))
        for inner in schema.values():
            _say_whole_bounds(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _say_whole_bounds(inner)


def _security_schemes(settings: Settings) -> dict[str, Any]:
    scopes = " ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANINGS.items())
    return {
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_name(settings.cookie_name, secure=settings.cookie_secure, path=settings.root_path or "/"),
            "description": "The session that signing in begins.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": f"A personal access token. Its scopes say what it may do. {scopes}",
        },
    }
