"""Every route whose answer may last is one of those that know whose it is. A new one fails until it is listed."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from fastapi.routing import APIRoute
from starlette.responses import StreamingResponse

import chatkeep
from chatkeep.accounts.dependencies import require_administrator
from chatkeep.app import create_app
from chatkeep.http.streams import Stream
from tests.support.running_service import settings_for

APP = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
ROUTES = [route for route in APP.routes if isinstance(route, APIRoute)]

# Reading is refused late by `LateAnswer`, whatever it waits for. Of the others: what waits for longer than a few
# statements is a stream, or held. The rest is over in the time of a look at the rights.
STREAMS = {
    "GET /api/v1/export",
    "GET /api/v1/conversations/{conversation_id}/export",
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/events",
    "GET /api/v1/files/{file_id}/content",
    "GET /v1/files/{file_id}/content",
    "GET /api/v1/admin/history/export",
    "GET /api/v1/admin/users/{user_id}/files/{file_id}/content",
    "POST /web/console/audit/verification",
    "POST /api/v1/ui/chat",
}
HELD = {
    "POST /api/v1/conversations/{conversation_id}/turns",
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/regenerate",
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/continue",
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/edit",
    "POST /api/v1/files",
    "POST /api/v1/import",
    "POST /api/v1/admin/retention/run",
    "POST /chat_stream",
    "POST /mcp",
    "POST /v1/responses",
    "POST /v1/files",
    "POST /v1/responses/{response_id}/cancel",
    "POST /v1/chat/completions",
}
SHORT = {
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/logout",
    "PATCH /api/v1/auth/me",
    "DELETE /api/v1/auth/me",
    "POST /api/v1/auth/password",
    "DELETE /api/v1/auth/sessions",
    "DELETE /api/v1/auth/sessions/{session_id}",
    "POST /api/v1/auth/tokens",
    "DELETE /api/v1/auth/tokens/{token_id}",
    "POST /api/v1/conversations",
    "PATCH /api/v1/conversations/{conversation_id}",
    "DELETE /api/v1/conversations/{conversation_id}",
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/stop",
    "PUT /api/v1/conversations/{conversation_id}/turns/{turn_id}/feedback",
    "DELETE /api/v1/conversations/{conversation_id}/turns/{turn_id}/feedback",
    "DELETE /api/v1/files/{file_id}",
    "PATCH /api/v1/admin/users/{user_id}",
    "DELETE /api/v1/admin/users/{user_id}",
    "POST /api/v1/auth/link",
    "POST /api/v1/auth/link/password",
    "POST /api/v1/admin/users",
    "POST /api/v1/admin/users/{user_id}/reset",
    "POST /api/v1/admin/users/{user_id}/turns/{turn_id}/stop",
    "POST /api/v1/admin/users/{user_id}/sessions/revoke",
    "DELETE /v1/responses/{response_id}",
    "DELETE /v1/files/{file_id}",
    "DELETE /v1/chat/completions/{completion_id}",
    "POST /v1/responses/{call}",
    "POST /v1/conversations",
    "POST /v1/conversations/{conversation_id}",
    "DELETE /v1/conversations/{conversation_id}",
    "POST /v1/conversations/{conversation_id}/items",
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}",
    "POST /api/v1/ui/chat/{chat_id:path}/stop",
    "POST /clear_context",
    "POST /set_generation_params",
    "POST /set_feedback",
    "POST /web/markdown",
}


def named(route: APIRoute) -> str:
    return f"{min(route.methods or ())} {route.path}"


def is_stream(route: APIRoute) -> bool:
    classes = [route.response_class, get_type_hints(route.endpoint).get("return")]
    return any(inspect.isclass(each) and issubclass(each, StreamingResponse) for each in classes)


def writing_modules() -> Iterator[tuple[str, ast.AST]]:
    folder = Path(chatkeep.__file__).parent
    for file in folder.rglob("*.py"):
        yield str(file.relative_to(folder)), ast.parse(file.read_text(encoding="utf-8"))


def test_every_route_is_listed_and_no_other() -> None:
    writing = {named(route) for route in ROUTES if not named(route).startswith(("GET", "HEAD"))}
    assert writing == (STREAMS | HELD | SHORT) - {each for each in STREAMS if each.startswith("GET")}
    assert {named(route) for route in ROUTES if is_stream(route)} == STREAMS


@pytest.mark.parametrize("route", [each for each in ROUTES if is_stream(each)], ids=named)
def test_every_stream_is_one_that_ends_with_its_terms(route: APIRoute) -> None:
    classes = [route.response_class, get_type_hints(route.endpoint).get("return")]
    found = [each for each in classes if inspect.isclass(each) and issubclass(each, StreamingResponse)]
    assert all(issubclass(each, Stream) for each in found)


def test_no_module_streams_by_itself() -> None:
    own = {"StreamingResponse", "FileResponse", "EventSourceResponse", "StaticFiles"}
    found = {
        name
        for name, tree in writing_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and _last_name(node) in own
    }
    assert found == {"http/streams.py"}


def test_an_administrators_stream_asks_for_an_administrator() -> None:
    """An endpoint that only administrators may ask, and that lasts, has their terms and not those of anybody."""
    checked = [route for route in ROUTES if named(route) in STREAMS | HELD and _asks_administrators(route.dependant)]
    assert len(checked) == 4
    for route in checked:
        assert "terms" in inspect.signature(route.endpoint).parameters, named(route)


def _asks_administrators(dependant: Any) -> bool:
    return dependant.call is require_administrator or any(map(_asks_administrators, dependant.dependencies))


def _last_name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
