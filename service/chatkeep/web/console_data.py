"""`/web/console/…`: what the console's pages ask for and the API does not have."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.requests import ClientDisconnect

from chatkeep.accounts.dependencies import (
    AccountsDep,
    Administrator,
    AdministratorsTerms,
    DatabaseDep,
    StreamsDep,
    require_administrator,
)
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.admin.active_turns import RunningTurn, running_page
from chatkeep.admin.dependencies import ReadingDep, ReadsDep
from chatkeep.admin.history import list_history
from chatkeep.admin.history_access import read_turns
from chatkeep.admin.history_filters import FiltersDep
from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS
from chatkeep.admin.schemas import HistoryTurn
from chatkeep.http.bodies import FromDigits, JsonRoute
from chatkeep.http.languages import language_of
from chatkeep.http.pages import CursorText, Page, cursor_of_id, page_of
from chatkeep.http.presence import while_client_waits
from chatkeep.http.streams import Stream
from chatkeep.web.audit_verification import verification_lines
from chatkeep.web.failures import with_failures_in
from chatkeep.web.turns import RenderedTurn, render_turns

MAX_ROWS = 100

Number = Annotated[int, Field(ge=1, le=MAX_ROWS), FromDigits]

router = APIRouter(
    prefix="/web/console",
    include_in_schema=False,
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


@router.get("/conversations/{conversation_id}/turns")
@needs(Scope.ADMIN)
async def rendered_turns_of_any(
    conversation_id: UUID,
    request: Request,
    database: DatabaseDep,
    reading: ReadingDep,
    administrator: Administrator,
    limit: Annotated[Number, Query()] = 30,
    cursor: CursorText = None,
) -> Page[RenderedTurn]:
    """Return the active path of anyone's conversation as HTML, newest first, when it is on record who reads it."""
    page = await read_turns(database, reading, conversation_id, order="desc", limit=limit, cursor=cursor)
    async with while_client_waits(request):
        items = with_failures_in(
            language_of(request), await render_turns(administrator.user_id, page.items), operator=True
        )
        return Page(items=items, next_cursor=page.next_cursor)
    raise ClientDisconnect


@router.get("/history")
@needs(Scope.ADMIN)
async def history_in_language(
    request: Request,
    reads: ReadsDep,
    filters: FiltersDep,
    reading: ReadingDep,
    limit: Annotated[Number, Query()] = 30,
    cursor: CursorText = None,
) -> Page[HistoryTurn]:
    """Return a page of the API's history, with why turns failed in the reader's language."""
    page = await list_history(reads, filters, reading, limit, cursor)
    return Page(items=with_failures_in(language_of(request), page.items, operator=True), next_cursor=page.next_cursor)


@router.get("/running")
@needs(Scope.ADMIN)
async def list_running(
    database: DatabaseDep, limit: Annotated[Number, Query()] = MAX_ROWS, cursor: CursorText = None
) -> Page[RunningTurn]:
    """Return the turns that are being answered, newest first: whose and how long, and nothing of what they say."""
    after = cursor_of_id(cursor, of="running")
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        turns = await running_page(connection, after=after, limit=limit + 1)
    return page_of(turns, limit, RunningTurn.model_validate, of="running")


@router.post("/audit/verification")
@needs(Scope.ADMIN)
async def verify_trail(
    accounts: AccountsDep, reads: ReadsDep, streams: StreamsDep, terms: AdministratorsTerms
) -> Stream:
    """Read the whole trail, and say how far it has come and at last what was found: JSON, a line each."""
    lines = verification_lines(reads, accounts.trail.keys)
    return Stream(lines, streams, terms, media_type="application/jsonl")
