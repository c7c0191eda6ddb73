"""Scopes of access tokens: every route of the service, asked with a token of every scope.

A route that is added without a line in this table fails the test.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from chatkeep.accounts.scopes import DEFAULT_SCOPES, MEANINGS, Scope, needs_of
from chatkeep.app import create_app
from chatkeep.app.openapi import takes_identity
from chatkeep.chatstream.router import router as chatstream_router
from chatkeep.ids import new_id
from tests.support.running_service import RunningService, settings_for

APP = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
ROUTES = [route for route in APP.routes if isinstance(route, APIRoute)]
DOCUMENT = APP.openapi()

# Which scopes let a token in, any of them; with a plus, both together. OPEN asks nobody who they are.
OPEN = ""
TABLE: dict[str, dict[str, str]] = {
    "/api/v1/auth": {
        "POST /register": OPEN,
        "POST /login": OPEN,
        "POST /logout": OPEN,
        "POST /link": OPEN,
        "POST /link/password": OPEN,
        "GET /me": "account",
        "PATCH /me": "account",
        "DELETE /me": "account",
        "GET /me/access-log": "account",
        "POST /password": "account",
        "GET /sessions": "account",
        "DELETE /sessions": "account",
        "DELETE /sessions/{session_id}": "account",
        "GET /tokens": "account",
        "POST /tokens": "account",
        "DELETE /tokens/{token_id}": "account",
        "GET /token": "chat read import account admin",
    },
    "/api/v1/conversations": {
        "POST ": "chat",
        "GET ": "read",
        "GET /{conversation_id}": "chat read",
        "PATCH /{conversation_id}": "chat",
        "DELETE /{conversation_id}": "chat",
        "GET /{conversation_id}/export": "read",
        "GET /{conversation_id}/turns": "chat read",
        "POST /{conversation_id}/turns": "chat",
        "GET /{conversation_id}/turns/{turn_id}": "chat read",
        "POST /{conversation_id}/turns/{turn_id}/regenerate": "chat",
        "POST /{conversation_id}/turns/{turn_id}/edit": "chat",
        "POST /{conversation_id}/turns/{turn_id}/continue": "chat",
        "GET /{conversation_id}/turns/{turn_id}/siblings": "chat read",
        "GET /{conversation_id}/turns/{turn_id}/leaf": "chat read",
        "POST /{conversation_id}/turns/{turn_id}/stop": "chat",
        "GET /{conversation_id}/turns/{turn_id}/events": "chat read",
        "PUT /{conversation_id}/turns/{turn_id}/feedback": "chat",
        "DELETE /{conversation_id}/turns/{turn_id}/feedback": "chat",
    },
    "/api/v1": {
        "GET /models": "chat read",
        "POST /files": "chat",
        "GET /files": "read",
        "GET /files/{file_id}": "chat read",
        "GET /files/{file_id}/content": "chat read",
        "DELETE /files/{file_id}": "chat",
        "GET /search": "read",
        "GET /export": "read",
        "POST /import": "import",
        "GET /openapi.json": OPEN,
    },
    "/api/v1/ui/chat": {
        "POST ": "chat",
        "GET /{chat_id:path}/stream": "chat read",
        "POST /{chat_id:path}/stop": "chat",
        "GET /{chat_id:path}/messages": "chat read",
    },
    "/api/v1/admin": {
        "GET /users": "admin",
        "GET /users/{user_id}": "admin",
        # Whoever follows the link that these return is that user.
        "POST /users": "admin+account",
        "POST /users/{user_id}/reset": "admin+account",
        "POST /users/{user_id}/turns/{turn_id}/stop": "admin",
        "GET /erasures": "admin",
        "GET /erasures/{receipt}": "admin",
        # It can make an administrator of an account that the program signs in with.
        "PATCH /users/{user_id}": "admin+account",
        "DELETE /users/{user_id}": "admin",
        "POST /users/{user_id}/sessions/revoke": "admin",
        "GET /users/{user_id}/files/{file_id}/content": "admin",
        "GET /history": "admin",
        "GET /history/export": "admin",
        "GET /conversations/{conversation_id}": "admin",
        "GET /conversations/{conversation_id}/turns": "admin",
        "POST /retention/run": "admin",
        "GET /stats": "admin",
        "GET /audit": "admin",
    },
    "/v1": {
        "GET /models": "chat read",
        "GET /models/{model_id:path}": "chat read",
        "POST /responses": "chat",
        "GET /responses/{response_id}": "chat read",
        "DELETE /responses/{response_id}": "chat",
        "POST /responses/{response_id}/cancel": "chat",
        "GET /responses/{response_id}/input_items": "chat read",
        "POST /responses/{call}": "chat read",
        "POST /conversations": "chat",
        "GET /conversations": "read",
        "GET /conversations/{conversation_id}": "chat read",
        "POST /conversations/{conversation_id}": "chat",
        "DELETE /conversations/{conversation_id}": "chat",
        "GET /conversations/{conversation_id}/items": "chat read",
        "POST /conversations/{conversation_id}/items": "chat",
        "GET /conversations/{conversation_id}/items/{item_id}": "chat read",
        "DELETE /conversations/{conversation_id}/items/{item_id}": "chat",
        "POST /files": "chat",
        "GET /files": "read",
        "GET /files/{file_id}": "chat read",
        "GET /files/{file_id}/content": "chat read",
        "DELETE /files/{file_id}": "chat",
        "POST /chat/completions": "chat",
        "GET /chat/completions/{completion_id}": "chat read",
        "DELETE /chat/completions/{completion_id}": "chat",
    },
    "": {
        "POST /mcp": "read",
        "POST /chat_stream": "chat",
        "POST /clear_context": "chat",
        "GET /get_prompt": "chat",
        "POST /set_generation_params": "chat",
        "GET /get_generation_params": "chat",
        "POST /set_feedback": "chat",
        "GET /get_load": "chat read",
        "GET /get_resource_usage": "chat read",
        "GET /healthz": OPEN,
        "HEAD /healthz": OPEN,
        "GET /readyz": OPEN,
        "HEAD /readyz": OPEN,
        "GET /metrics": OPEN,
        "GET /docs": OPEN,
        "GET /static/{digest}/{language}/{name}": OPEN,
        "GET /set-password": OPEN,
        # Pages show who is signed in.
        "GET /": "account",
        "GET /c/{conversation_id}": "account",
        "GET /account": "account",
        "GET /console": "admin",
        "GET /console/users": "admin",
        "GET /console/users/{user_id}": "admin",
        "GET /console/history": "admin",
        "GET /console/statistics": "admin",
        "GET /console/audit": "admin",
        "GET /console/running": "admin",
        "GET /console/conversations/{conversation_id}": "admin",
        "GET /web/conversations/{conversation_id}/turns": "chat read",
        "GET /web/conversations/{conversation_id}/turns/{turn_id}": "chat read",
        "POST /web/markdown": "chat read",
        "GET /web/console/conversations/{conversation_id}/turns": "admin",
        "GET /web/console/history": "admin",
        "GET /web/console/running": "admin",
        "POST /web/console/audit/verification": "admin",
    },
}
BODIES: dict[str, Any] = {
    "POST /api/v1/auth/tokens": {"name": "as wide", "scopes": ["account"]},
    "POST /mcp": {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    "POST /chat_stream": {"user_input": "Hello"},
    "POST /set_feedback": {"message_id": str(new_id()), "rating": 1},
    "POST /set_generation_params": {"params": {"temperature": 1}},
    "POST /web/markdown": {"text": "Hello"},
    "POST /v1/responses": {"model": "m", "input": "Hello"},
    "POST /v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    "POST /v1/conversations/{conversation_id}/items": {"items": [{"role": "user", "content": "Hello"}]},
}
# What a token of an administrator with the right scope would do to the others, or would wait for.
ENDS_TOKEN = {"DELETE /api/v1/auth/me", "POST /api/v1/auth/password", "DELETE /api/v1/auth/sessions"}


def listed() -> Iterator[tuple[str, str]]:
    for prefix, routes in TABLE.items():
        for name, scopes in routes.items():
            method, _, path = name.partition(" ")
            yield f"{method} {prefix}{path}", scopes


SCOPES = dict(listed())
CLOSED = [name for name, scopes in SCOPES.items() if scopes]


def named(route: APIRoute) -> str:
    return f"{min(route.methods or ())} {route.path}"


def ways_of(name: str) -> list[set[str]]:
    return [set(way.split("+")) for way in SCOPES[name].split()]


@dataclass
class Asked:
    """A token of each scope of one administrator, with a client for each."""

    clients: dict[str, httpx2.AsyncClient]

    async def ask(self, name: str, *scopes: str) -> httpx2.Response:
        method, _, path = name.partition(" ")
        operation = DOCUMENT["paths"].get(path, {}).get(method.lower(), {})
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        required = [each for each in operation.get("parameters", ()) if each["in"] == "query" and each.get("required")]
        filled = re.sub(r"\{\w+(:path)?\}", str(new_id()), path)
        params = {each["name"]: each["example"] for each in required}
        body = BODIES.get(name, content.get("example", {}))
        options: dict[str, Any] = {} if method in ("GET", "HEAD") else {"json": body}
        return await self.clients["+".join(scopes)].request(method, filled, params=params, **options)


@pytest.fixture(scope="module")
async def asked(service: RunningService) -> Asked:
    administrator = await service.administrator()
    together = [way.split("+") for way in {way for scopes in SCOPES.values() for way in scopes.split()}]
    held = [[scope.value] for scope in Scope] + [each for each in together if len(each) > 1]
    return Asked({"+".join(each): bearer(service, await administrator.token(*each)) for each in held})


def bearer(service: RunningService, token: str) -> httpx2.AsyncClient:
    return service.client(headers={"Authorization": f"Bearer {token}"})


def test_the_table_names_every_route_and_no_other() -> None:
    assert sorted(SCOPES) == sorted(named(route) for route in ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_a_route_says_the_scopes_of_the_table(route: APIRoute) -> None:
    assert [set(way) for way in needs_of(route.endpoint)] == ways_of(named(route))
    if takes_identity(route.dependant):
        assert SCOPES[named(route)], "a route that is for somebody lets in nobody's token"


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("name", CLOSED)
async def test_a_token_is_let_in_by_its_scope_and_otherwise_told_what_it_lacks(
    asked: Asked, name: str, scope: Scope
) -> None:
    ways = ways_of(name)
    if {scope.value} in ways:
        if name in ENDS_TOKEN:
            return
        answer = await asked.ask(name, scope)
        assert answer.status_code not in (401, 403), answer.text
        return
    answer = await asked.ask(name, scope)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == ("application/json" if is_foreign(name) else "application/problem+json")
    body = answer.json()
    if name.partition(" ")[2].startswith("/v1/"):
        body = body["error"]
        assert body["type"] == "permission_error"
    assert (body.get("code") or body["error"]) == "insufficient_scope"
    missing = body["scope"].split() if "scope" in body else missing_in(answer)
    assert set(missing) == ways[0] - {scope.value}
    assert set(missing_in(answer)) == set(missing)
    said = body.get("detail") or body["message"]
    assert all(each in said for each in missing)
    assert scope.value in said


def is_foreign(name: str) -> bool:
    """Tell whether a route has errors of another API's shape."""
    path = name.partition(" ")[2]
    return path.startswith("/v1/") or path in {getattr(route, "path", "") for route in chatstream_router.routes}


def missing_in(answer: httpx2.Response) -> list[str]:
    """Return the scopes that the header names, as RFC 6750 has it."""
    header = answer.headers["www-authenticate"]
    found = re.fullmatch(r'Bearer error="insufficient_scope", scope="([a-z ]+)"', header)
    assert found, header
    return found.group(1).split()


@pytest.mark.parametrize("name", [name for name in CLOSED if "+" in SCOPES[name]])
async def test_scopes_that_are_needed_together_let_in_together(asked: Asked, name: str) -> None:
    (way,) = ways_of(name)
    answer = await asked.ask(name, *SCOPES[name].split("+"))
    assert answer.status_code not in (401, 403), (way, answer.text)


async def test_a_route_that_says_nothing_lets_no_token_in(service: RunningService, asked: Asked) -> None:
    everything = bearer(service, await (await service.administrator()).token(*Scope))
    routes = [route for route in service.app.routes if isinstance(route, APIRoute)]
    endpoint: Any = next(route.endpoint for route in routes if named(route) == "GET /api/v1/auth/me")
    said = endpoint.scopes_needed
    del endpoint.scopes_needed
    try:
        for client in (everything, asked.clients["account"]):
            answer = await client.get("/api/v1/auth/me")
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await (await service.person()).client.get("/api/v1/auth/me")).status_code == 200
    finally:
        endpoint.scopes_needed = said


def test_the_document_names_each_operations_scopes() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            name = f"{method.upper()} {path}"
            bearer = [set(each["bearer"]) for each in operation["security"] if "bearer" in each]
            assert bearer == ways_of(name), name
            assert ("insufficient_scope" in json.dumps(operation)) == bool(bearer)
            assert all(f"`{scope}`" in operation["description"] for way in bearer for scope in way)


def test_every_scope_is_explained() -> None:
    assert set(MEANINGS) == set(Scope)
    assert DEFAULT_SCOPES == (Scope.CHAT,)
    bearer = DOCUMENT["components"]["securitySchemes"]["bearer"]["description"]
    assert all(meaning in bearer for meaning in MEANINGS.values())
