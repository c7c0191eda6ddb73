"""`/console`: the pages of administrators. What they show comes from the API, whose 403 is the guard."""

from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from service.accounts.dependencies import TheAccounts, require_administrator, require_identity
from service.accounts.schemas import User
from service.admin.dependencies import TheReading
from service.admin.history_filters import Status, TheDatabase
from service.admin.router import list_turns_of_any
from service.errors import NotAuthenticated, Unavailable
from service.http.bodies import FromDigits, JsonRoute
from service.http.pages import CursorText, Page
from service.web.rendering import rendered_page
from service.web.turns import RenderedTurn, rendered_turns

MOST_TURNS = 100
SECTIONS = ("users", "history")
Section = Literal["users", "history"]

Number = Annotated[int, Field(ge=1, le=MOST_TURNS), FromDigits]

router = APIRouter(include_in_schema=False, route_class=JsonRoute)


@router.get("/console")
async def users_page(request: Request, accounts: TheAccounts) -> HTMLResponse:
    return await _page("users", request, accounts)


@router.get("/console/conversations/{conversation_id}")
async def conversation_page(conversation_id: UUID, request: Request, accounts: TheAccounts) -> HTMLResponse:
    """Show what asks for the reason; the turns come when it is given."""
    return await _page("conversation", request, accounts, conversation_id=str(conversation_id))


@router.get("/console/{section}")
async def section_page(section: Section, request: Request, accounts: TheAccounts) -> HTMLResponse:
    return await _page(section, request, accounts)


@router.get("/web/console/conversations/{conversation_id}/turns", dependencies=[Depends(require_administrator)])
async def rendered_turns_of_any(
    conversation_id: UUID,
    database: TheDatabase,
    reading: TheReading,
    limit: Annotated[Number, Query()] = 30,
    cursor: CursorText = None,
) -> Page[RenderedTurn]:
    """Return the active path of anyone's conversation as HTML, newest first, when it is on record who reads it."""
    page = await list_turns_of_any(conversation_id, database, reading, "desc", limit, cursor)
    return Page(items=await rendered_turns(page.items), next_cursor=page.next_cursor)


async def _page(name: str, request: Request, accounts: TheAccounts, **values: object) -> HTMLResponse:
    """Show a page of the console to an administrator, and to anybody else that it is none of theirs."""
    try:
        user = User.model_validate(await require_identity(request, accounts))
    except NotAuthenticated:
        return rendered_page("console_closed", request, None)
    except Unavailable:
        return rendered_page("unavailable", request, None, status=503)
    if user.role != "admin":
        return rendered_page("console_closed", request, user, status=403)
    needs_reason = request.app.state.settings.require_audit_reason
    values |= {"section": name, "sections": SECTIONS, "needs_reason": needs_reason, "statuses": get_args(Status)}
    return rendered_page(f"console_{name}", request, user, values=values)
