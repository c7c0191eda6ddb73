"""`/api/v1/admin`: users and histories over HTTP, for administrators."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from chatkeep.accounts.dependencies import AdministratorsTerms, DatabaseDep, StreamsDep, require_administrator
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.admin.dependencies import BEHIND, REASON_REQUIRED, TOO_SLOW, ReadingDep, ReadsDep, behind
from chatkeep.admin.history_access import read_conversation, read_file, read_turns
from chatkeep.admin.history_audit import read_history
from chatkeep.admin.history_export import history_as_csv, history_as_jsonl
from chatkeep.admin.history_filters import FiltersDep
from chatkeep.admin.schemas import AnyConversation, HistoryTurn
from chatkeep.chat.api.dependencies import ChatDep
from chatkeep.chat.api.files import CONTENT
from chatkeep.chat.api.search import NOTHING_TO_FIND
from chatkeep.chat.files.answers import FileContent, file_content
from chatkeep.chat.history.pages import MAX_PAGE_BYTES, page_of_read
from chatkeep.chat.schemas import Turn
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.downloads import Download, download
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id
from chatkeep.http.problems import error_responses

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


ExportFormat = Literal["jsonl", "csv"]
JSONL_EXAMPLE = '{"id": "0198c0de-0000-7000-8000-000000000001", "status": "complete", "username": "alice"}\n'
CSV_EXAMPLE = (
    "\ufeffid,created_at,username,prompt\r\n0198c0de-0000-7000-8000-000000000001,2026-01-31T09:30:00Z,alice,Hi\r\n"
)

# Errors of reading other users' turns by what they say.
SEARCHED = error_responses(
    *(401, 403, 422, 503),
    query_too_slow=TOO_SLOW,
    audit_reason_required=REASON_REQUIRED,
    nothing_to_find=NOTHING_TO_FIND,
)


@router.get(
    "/history",
    responses=SEARCHED | BEHIND,
)
@needs(Scope.ADMIN)
async def list_history(
    reads: ReadsDep,
    filters: FiltersDep,
    reading: ReadingDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[HistoryTurn]:
    """Return turns of all users, newest first. All filters must fit.

    Who reads is put on record first, and each user whose turns are on the page can see it.
    """
    after = cursor_of_id(cursor, of="history")
    if filters is None:
        return Page(items=[])
    turns = await read_history(
        reads, reading, filters, after=after, limit=limit, max_bytes=MAX_PAGE_BYTES, peek=1, counted=True
    )
    return page_of_read(turns, limit, HistoryTurn.of, of="history")


@router.get(
    "/history/export",
    status_code=200,
    response_class=Download,
    responses=SEARCHED
    | {
        200: BEHIND[200]
        | {"content": {"application/jsonl": {"example": JSONL_EXAMPLE}, "text/csv": {"example": CSV_EXAMPLE}}}
    },
)
@needs(Scope.ADMIN)
async def export_history(
    reads: ReadsDep,
    filters: FiltersDep,
    reading: ReadingDep,
    streams: StreamsDep,
    terms: AdministratorsTerms,
    file_format: Annotated[ExportFormat, Query(alias="format")] = "jsonl",
    bom: Annotated[
        bool, Query(description="Of the table: begin with a byte order mark, by which Excel knows UTF-8.")
    ] = True,
) -> Download:
    """Return all turns that fit as a file, newest first: one a line as JSON, or a table.

    In the table a text that a spreadsheet would take for a formula begins with an apostrophe. It is UTF-8 with a byte
    order mark, which `bom=false` leaves out. Each user whose turns are in it can see who exported them.
    """
    if file_format == "csv":
        table = history_as_csv(reads, reading, filters, has_mark=bom)
        file = await download(table, streams, terms, media_type="text/csv", name="history.csv")
    else:
        lines = history_as_jsonl(reads, reading, filters)
        file = await download(lines, streams, terms, media_type="application/jsonl", name="history.jsonl")
    file.headers.update(behind(reads.lag_seconds))
    return file


@router.get(
    "/conversations/{conversation_id}",
    responses=error_responses(401, 403, 404, 422, 503, audit_reason_required=REASON_REQUIRED),
)
@needs(Scope.ADMIN)
async def read_any_conversation(conversation_id: UUID, database: DatabaseDep, reading: ReadingDep) -> AnyConversation:
    """Return anyone's conversation, without its turns."""
    return AnyConversation.model_validate(await read_conversation(database, reading, conversation_id))


@router.get(
    "/conversations/{conversation_id}/turns",
    responses=error_responses(401, 403, 404, 422, 503, audit_reason_required=REASON_REQUIRED),
)
@needs(Scope.ADMIN)
async def list_turns_of_any(
    conversation_id: UUID,
    database: DatabaseDep,
    reading: ReadingDep,
    order: Literal["asc", "desc"] = "desc",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Turn]:
    """Return the active path of anyone's conversation."""
    return await read_turns(database, reading, conversation_id, order=order, limit=limit, cursor=cursor)


@router.get(
    "/users/{user_id}/files/{file_id}/content",
    status_code=200,
    response_class=FileContent,
    responses=CONTENT | error_responses(401, 403, 404, 422, 503, audit_reason_required=REASON_REQUIRED),
)
@needs(Scope.ADMIN)
async def read_content_of_any_file(
    user_id: UUID,
    file_id: UUID,
    chat: ChatDep,
    reading: ReadingDep,
    terms: AdministratorsTerms,
) -> FileContent:
    """Return the bytes of anyone's file, which a turn of theirs names. Who reads is put on record first."""
    row = await read_file(chat.files, reading, user_id, file_id)
    return file_content(chat.files.pieces(user_id, file_id), row, chat.streams, terms)
