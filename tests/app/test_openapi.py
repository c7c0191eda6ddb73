"""The OpenAPI document: valid, whole, and true."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

import chatkeep as package
from chatkeep import __version__, errors
from chatkeep.app import create_app, operations
from chatkeep.app.middleware.origins import PROBES
from chatkeep.app.openapi import OPENAPI_PATH
from chatkeep.chatstream.router import router as chatstream_router
from chatkeep.http.problems import MEDIA_TYPE, PROTOCOL, status_of
from chatkeep.mcp.router import router as mcp_router
from chatkeep.openai.routers import ROUTERS as OPENAI_ROUTERS
from chatkeep.ui_messages.chats import router as ui_chats_router
from chatkeep.web.routers import ROUTERS as WEB_ROUTERS
from tests.support.running_service import RunningService, settings_for

APP = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
DOCUMENT = APP.openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]

TURNS = "/api/v1/conversations/{conversation_id}/turns"

# Served, and not described: pages for people, and the same without a body.
HIDDEN = {("GET", "/docs"), ("GET", OPENAPI_PATH), ("HEAD", OPENAPI_PATH), ("HEAD", "/healthz"), ("HEAD", "/readyz")}

Operation = dict[str, Any]


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


OPERATIONS = list(operations_of(DOCUMENT))
EACH = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[operation["operationId"] for _, _, operation in OPERATIONS]
)


def misfits(value: object, schema: dict[str, Any]) -> list[str]:
    """Return the faults of an example."""
    whole = schema | {"components": {"schemas": SCHEMAS}}
    return [error.message for error in OAS31Validator(whole, format_checker=oas31_format_checker).iter_errors(value)]


def test_the_document_is_valid() -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["version"] == __version__


async def test_the_document_is_served(service: RunningService) -> None:
    answer = await service.client().get(OPENAPI_PATH)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == service.app.openapi()
    assert answer.json()["paths"] == DOCUMENT["paths"]


def test_every_route_is_described() -> None:
    served = {
        (method, context.path_format) for context in iter_route_contexts(APP.routes) for method in context.methods or ()
    }
    described = {(method, path) for method, path, _ in OPERATIONS}
    undescribed = {
        (method, context.path_format)
        for router in (chatstream_router, mcp_router, *OPENAI_ROUTERS, ui_chats_router, *WEB_ROUTERS)
        for context in iter_route_contexts(router.routes)
        for method in context.methods or ()
    }
    assert served - described == HIDDEN | undescribed
    assert described <= served


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)


@EACH
def test_an_operation_says_what_it_does_and_for_whom(method: str, path: str, operation: Operation) -> None:
    assert operation["summary"]
    assert not operation["summary"].endswith(".")
    assert len(operation["summary"]) < 120
    (tag,) = operation["tags"]
    assert tag in [each["name"] for each in DOCUMENT["tags"]]
    schemes = {name for each in operation["security"] for name in each}
    assert schemes in (set(), {"cookie", "bearer"})
    anyone = path in (
        *PROBES,
        *(f"/api/v1/auth/{call}" for call in ("register", "login", "logout", "link", "link/password")),
    )
    assert anyone == (not schemes)


def test_ways_to_sign_in_are_described() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert schemes["cookie"] | {"description": ""} == {
        "type": "apiKey",
        "in": "cookie",
        "name": "sid",
        "description": "",
    }
    assert schemes["bearer"]["scheme"] == "bearer"
    for chosen, name in (({}, "__Host-sid"), ({"cookie_name": "chat"}, "__Host-chat")):
        other = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing", cookie_secure=True, **chosen))
        assert other.openapi()["components"]["securitySchemes"]["cookie"]["name"] == name


@EACH
def test_parameters_have_a_description_and_an_example_that_fits(method: str, path: str, operation: Operation) -> None:
    names = [each["name"] for each in operation.get("parameters", ())]
    assert [name for name in names if "{" + name + "}" in path] == [
        part[1:-1] for part in path.split("/") if "{" in part
    ]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        if parameter["name"] != "cursor":
            assert misfits(parameter["example"], parameter["schema"]) == [], parameter["name"]
        assert "null" not in str(parameter["schema"]), parameter["name"]


@EACH
def test_bodies_and_answers_have_an_example_that_fits(method: str, path: str, operation: Operation) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert misfits(content["example"], content["schema"]) == []
    for status, answer in operation["responses"].items():
        assert answer["description"] not in ("", "Successful Response")
        assert ("content" in answer) == (status != "204"), status
        for content in answer.get("content", {}).values():
            examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
            for example in examples:
                assert misfits(example, content.get("schema", {})) == [], status


@EACH
def test_every_error_has_an_example_for_each_code(method: str, path: str, operation: Operation) -> None:
    for status, answer in operation["responses"].items():
        if status < "400":
            continue
        assert answer["content"].keys() == {MEDIA_TYPE}
        content = answer["content"][MEDIA_TYPE]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert content["examples"]
        for code, example in content["examples"].items():
            assert (example["value"]["code"], example["value"]["status"]) == (code, int(status))
            assert example["value"]["detail"].endswith(".") or code == "invalid_request"


def codes_of(operation: Operation) -> set[str]:
    return {
        code
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in answer["content"][MEDIA_TYPE]["examples"]
    }


@EACH
def test_common_errors_are_described_where_they_happen(method: str, path: str, operation: Operation) -> None:
    codes = codes_of(operation)
    parameters = operation.get("parameters", ())
    body = "requestBody" in operation
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    strings = [each for each in parameters if each["in"] == "query" and each["schema"].get("type") == "string"]
    expected = {
        "internal_error": True,
        "host_not_allowed": path not in PROBES,
        "not_authenticated": bool(operation["security"]),
        "forbidden": path.startswith("/api/v1/admin/") or (method, path) == ("POST", "/api/v1/auth/tokens"),
        "insufficient_scope": bool(operation["security"]),
        "cross_site_request": method != "GET",
        "body_too_large": body,
        "unsupported_media_type": takes_json,
        "invalid_json": takes_json,
        "invalid_text": takes_json or bool(strings),
        "invalid_request": takes_json or bool(parameters),
        "invalid_cursor": any(each["name"] == "cursor" for each in parameters),
        "database_unavailable": path not in ("/healthz", "/metrics"),
    }
    assert {code: code in codes for code in expected} == expected
    if "{" in path:
        assert "not_found" in codes
    assert "method_not_allowed" not in codes  # nobody can make a documented call and get it


@EACH
def test_headers_of_answers_are_described(method: str, path: str, operation: Operation) -> None:
    for status, answer in operation["responses"].items():
        assert "X-Request-ID" in answer["headers"]
        assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))
        assert ("WWW-Authenticate" in answer["headers"]) == (status == "401")
    signs_in = path.endswith(("/auth/register", "/auth/login", "/auth/link/password"))
    done = next(answer for status, answer in operation["responses"].items() if status < "300")
    assert ("Set-Cookie" in done["headers"]) == signs_in


def test_streams_are_described() -> None:
    streaming = {
        f"{method} {path.removeprefix(TURNS)}"
        for method, path, operation in OPERATIONS
        if "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    }
    assert streaming == {
        "POST ",
        "POST /{turn_id}/regenerate",
        "POST /{turn_id}/continue",
        "POST /{turn_id}/edit",
        "GET /{turn_id}/events",
    }
    turns = DOCUMENT["paths"][TURNS]["post"]
    example = turns["responses"]["200"]["content"]["text/event-stream"]["example"]
    assert [line for line in example.splitlines() if line.startswith("event: ")] == [
        "event: turn",
        "event: delta",
        "event: done",
    ]
    assert turns["responses"]["201"]["content"].keys() == {"application/json"}
    assert "idempotency-key" in [each["name"].lower() for each in turns["parameters"]]


def test_lists_promise_a_cursor() -> None:
    for name, schema in SCHEMAS.items():
        if name.startswith("Page_"):
            assert schema["required"] == ["items", "next_cursor"]


def test_bodies_refuse_unknown_fields() -> None:
    for _, _, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            name = (content["schema"].get("$ref") or content["schema"]["allOf"][0]["$ref"]).rpartition("/")[2]
            assert SCHEMAS[name]["additionalProperties"] is False, name


# Codes: what is described, and what can be given.


def classes() -> dict[str, type[errors.ChatkeepError]]:
    found = [
        each
        for module in (errors, operations)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, errors.ChatkeepError) and not issubclass(each, errors.StartUpError)
    ]
    return {each.__name__: each for each in found if each is not errors.ChatkeepError}


def given_codes() -> set[str]:
    """Return the codes of the errors that the source raises somewhere, and of HTTP's own answers."""
    known = classes()
    raised: set[str] = set()
    for file in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                raised.add(node.exc.id)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                raised.add(node.func.id)
    return {known[name].code for name in raised & known.keys()} | PROTOCOL.keys()


def described_codes() -> set[str]:
    found = {code for _, _, operation in OPERATIONS for code in codes_of(operation)}
    for answer in DOCUMENT["components"]["responses"].values():
        found |= answer["content"][MEDIA_TYPE]["examples"].keys()
    return found


def test_every_code_that_can_be_given_is_described() -> None:
    assert given_codes() - described_codes() == set()


def test_every_code_that_is_described_can_be_given() -> None:
    assert described_codes() - given_codes() - {"invalid_text"} == set()


@pytest.mark.parametrize("kind", classes().values(), ids=classes())
def test_every_error_class_is_described_or_only_a_family(kind: type[errors.ChatkeepError]) -> None:
    families = {"conflict", "too_many_requests"}
    assert (kind.code in described_codes()) == (kind.code not in families)


@EACH
def test_described_codes_have_the_status_of_their_class(method: str, path: str, operation: Operation) -> None:
    statuses = {each.code: status_of(each.__new__(each)) for each in classes().values()}
    statuses |= {code: status for code, (status, _) in PROTOCOL.items()}
    for status, answer in operation["responses"].items():
        for code in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}):
            assert statuses[code] == int(status)
