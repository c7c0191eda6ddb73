"""`/`, `/c/{id}`, `/account`: the pages, what they load, and replies as HTML for them. Everything else is the API's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response

from chatkeep.accounts.dependencies import AccountsDep, DatabaseDep, require_identity
from chatkeep.accounts.schemas import User
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import CurrentUser
from chatkeep.errors import NotAuthenticated, NotFound, Unavailable
from chatkeep.http.bodies import Body, FromDigits, JsonRoute, Text, takes_body_of
from chatkeep.http.languages import language_of
from chatkeep.http.presence import while_client_waits
from chatkeep.prose.markdown import MAX_MARKDOWN_CHARACTERS
from chatkeep.web.failures import with_failures_in
from chatkeep.web.rendering import ASSETS, render_page
from chatkeep.web.turns import RenderedTurn, TurnWindow, render_text, render_turn, window_after, window_before

MAX_TURNS = 100

router = APIRouter(include_in_schema=False, route_class=JsonRoute)

Place = Annotated[int, Field(ge=0, lt=2**31 - 1 - MAX_TURNS), FromDigits]
Number = Annotated[int, Field(ge=1, le=MAX_TURNS), FromDigits]


class Markdown(Body):
    text: Annotated[Text, Field(max_length=MAX_MARKDOWN_CHARACTERS)]


class Rendered(BaseModel):
    html: str


@router.get("/")
@router.get("/c/{conversation_id}")
@needs(Scope.ACCOUNT)
async def chat_page(request: Request, accounts: AccountsDep) -> HTMLResponse:
    """Show the chat; which conversation, the page reads from its address."""
    return await _page("chat", request, accounts)


@router.get("/account")
@needs(Scope.ACCOUNT)
async def account_page(request: Request, accounts: AccountsDep) -> HTMLResponse:
    return await _page("account", request, accounts)


@router.get("/set-password")
async def set_password_page(request: Request) -> HTMLResponse:
    """Show the form of a link that sets a password; the link's secret is told to no page."""
    return render_page("set_password", request, None)


@router.get("/static/{digest}/{language}/{name}")
async def static_file(digest: str, language: str, name: str, request: Request) -> Response:
    """Send a file. Its address changes with its content, so that browsers may keep it for ever.

    Another version's address, while replicas are being replaced, gets the file as it is here, to be kept by nobody.
    """
    asset = ASSETS.get(language, name)
    if asset is None:
        raise NotFound
    kept = "public, max-age=31536000, immutable" if digest == ASSETS.digest else "no-store"
    headers = {"Cache-Control": kept, "ETag": asset.etag}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/web/conversations/{conversation_id}/turns")
@needs(Scope.CHAT, Scope.READ)
async def rendered_turns(
    conversation_id: UUID,
    request: Request,
    identity: CurrentUser,
    database: DatabaseDep,
    start: Annotated[UUID | None, Query()] = None,
    first: Annotated[Place | None, Query()] = None,
    limit: Annotated[Number, Query()] = 30,
) -> TurnWindow:
    """Return a stretch of the active path: up from the turn `start` (or the head), or down from the index `first`."""
    found = TurnWindow(items=[], more=False)
    async with while_client_waits(request):
        if first is not None:
            found = await window_after(database, identity.user_id, conversation_id, first=first, limit=limit)
        else:
            found = await window_before(database, identity.user_id, conversation_id, start_id=start, limit=limit)
        found.items = with_failures_in(language_of(request), found.items, operator=identity.is_administrator)
    return found


@router.get("/web/conversations/{conversation_id}/turns/{turn_id}")
@needs(Scope.CHAT, Scope.READ)
async def one_rendered_turn(
    conversation_id: UUID, turn_id: UUID, request: Request, identity: CurrentUser, database: DatabaseDep
) -> RenderedTurn:
    async with while_client_waits(request):
        turn = await render_turn(database, identity.user_id, conversation_id, turn_id)
        return with_failures_in(language_of(request), [turn], operator=identity.is_administrator)[0]
    raise ClientDisconnect


@router.post("/web/markdown")
@takes_body_of(None)
@needs(Scope.CHAT, Scope.READ)
async def rendered_markdown(body: Markdown, request: Request, identity: CurrentUser) -> Rendered:
    """Return a part of a reply that is still being written as HTML. Only for the signed-in: it costs time."""
    html = ""
    async with while_client_waits(request):
        html = await render_text(identity.user_id, body.text)
    return Rendered(html=html)


async def _page(name: str, request: Request, accounts: AccountsDep) -> HTMLResponse:
    user = None
    try:
        user = User.model_validate(await require_identity(request, accounts))
    except NotAuthenticated:
        pass  # the page asks them to sign in
    except Unavailable:
        return render_page("unavailable", request, None, status=503)
    return render_page(name, request, user)
