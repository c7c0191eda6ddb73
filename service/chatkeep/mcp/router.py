"""`/mcp` over HTTP: streamable HTTP without sessions, for access tokens with the scope `read`.

Source: Model Context Protocol 2025-11-25 and 2026-07-28, Transports.
"""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from chatkeep.accounts.dependencies import AccountsDep
from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep, chat_of
from chatkeep.errors import NotAuthenticated
from chatkeep.http.addresses import request_host, request_scheme
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.root_path import root_path_of
from chatkeep.mcp.server import McpServer
from chatkeep.mcp.tools import TOOLS, Reader

MCP_PATH = "/mcp"
NO_BEARER = (
    "Send a personal access token of this service with the scope read (Authorization: Bearer ck_...). Make one on the "
    "account page."
)
# What the log names; anything else is a client's own word.
METHODS = ("initialize", "server/discover", "tools/list", "ping")

log = structlog.get_logger(__name__)

# Not in the OpenAPI document: its messages are JSON-RPC. See docs/clients.md.
router = APIRouter(route_class=JsonRoute, include_in_schema=False)


async def require_bearer(request: Request) -> Identity:
    """Return the owner of the token that the request bears.

    Raises:
        NotAuthenticated: there is none, or it is not valid. A cookie does not stand in for it: a page that has a
            browser send something here must not be answered as its user.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(NO_BEARER)
    return await chat_of(request).handler.identify(request)


@router.post(MCP_PATH)
@needs(Scope.READ)
async def answer_message(
    body: Annotated[dict[str, Any], Body()],
    request: Request,
    owner: Annotated[Identity, Depends(require_bearer)],
    chat: ChatDep,
    accounts: AccountsDep,
) -> Response:
    """Answer one message of a client. What it calls is in the log, as the API's routes are."""
    server: McpServer = request.app.state.mcp
    log.info("mcp_message", **_named(body))
    origin = f"{request_scheme(request, accounts.trusted_proxies)}://{request_host(request, accounts.trusted_proxies)}"
    reader = Reader(owner, chat.database, origin + root_path_of(request))
    with chat.streams.hold(stream_terms(owner)):
        return await server.answer(request, reader)


def _named(body: dict[str, Any]) -> dict[str, str]:
    method, params = body.get("method"), body.get("params")
    if method == "tools/call":
        name = params.get("name") if isinstance(params, dict) else None
        return {"method": "tools/call", "tool": name if isinstance(name, str) and name in TOOLS else "(none)"}
    return {"method": method if method in METHODS else "(other)"}
