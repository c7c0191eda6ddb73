"""`/api/v1/admin`: users and histories over HTTP, for administrators."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from service.accounts.administrators import HELD, change_account, delete_user, sign_out_everywhere
from service.accounts.dependencies import AdministratorsTerms, TheStreams, require_administrator
from service.admin import queries
from service.admin.dependencies import REASON_REQUIRED, AdministratorsAudit, TheReading
from service.admin.history_export import history_as_csv, history_as_jsonl
from service.admin.history_filters import QUERY_TIMEOUT_SECONDS, AskedFilters, TheDatabase
from service.admin.history_reading import read_conversation, read_history, read_turns
from service.admin.schemas import AnyConversation, ChangeUser, HistoryTurn, ListedUser
from service.chat.schemas import Turn
from service.chat.search.router import NOTHING_TO_FIND
from service.chat.turn_queries import request_stop_of_user
from service.http.bodies import JsonRoute, QueryFlag, SearchText
from service.http.downloads import Download, download
from service.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from service.http.problems import documented

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


TOO_SLOW = (503, "That took too long and was stopped. Narrow it: by user, by time, by status.")
ExportFormat = Literal["jsonl", "csv"]
JSONL_EXAMPLE = '{"id": "0198c0de-0000-7000-8000-000000000001", "status": "complete", "username": "alice"}\n'
CSV_EXAMPLE = "id,created_at,username,prompt\r\n0198c0de-0000-7000-8000-000000000001,2026-01-31T09:30:00Z,alice,Hi\r\n"
LAST_ADMINISTRATOR = (409, "This is the last administrator. Make another one first.")

# What reading other users' turns by what they say may answer, besides the turns.
SEARCHED = documented(
    *(401, 403, 422, 503),
    query_too_slow=TOO_SLOW,
    audit_reason_required=REASON_REQUIRED,
    nothing_to_find=NOTHING_TO_FIND,
)


@router.get("/users", responses=documented(401, 403, 422, 503, query_too_slow=TOO_SLOW))
async def list_users(
    database: TheDatabase,
    q: Annotated[SearchText | None, Query(description="Part of the username, e-mail or display name.")] = None,
    role: Literal["user", "admin"] | None = None,
    disabled: QueryFlag | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[ListedUser]:
    """Return users, newest first, with what they have."""
    filters = queries.UserFilters(q=q, role=role, disabled=disabled)
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        rows = await queries.users_page(connection, filters, after=cursor_of_id(cursor, of="users"), limit=limit + 1)
    return page_of(rows, limit, ListedUser.model_validate, of="users")


@router.patch(
    "/users/{user_id}",
    responses=documented(
        401,
        403,
        404,
        413,
        415,
        422,
        503,
        last_administrator=LAST_ADMINISTRATOR,
        is_guest=(409, "A guest cannot be an administrator. They have to register first."),
    ),
)
async def change_user(user_id: UUID, body: ChangeUser, database: TheDatabase, audit: AdministratorsAudit) -> ListedUser:
    """Change a role, or who may sign in; in force on the user's next request. While `legal_hold` is true nobody can
    delete the user or one of their conversations, and retention leaves them alone.
    """
    async with database.transaction() as connection:
        await change_account(
            connection, audit, user_id, role=body.role, disabled=body.disabled, legal_hold=body.legal_hold
        )
        if body.disabled:
            await request_stop_of_user(connection, user_id)
        row = await queries.user_with_counts(connection, user_id)
    return ListedUser.model_validate(row)


@router.delete(
    "/users/{user_id}",
    status_code=204,
    responses=documented(401, 403, 404, 422, 503, last_administrator=LAST_ADMINISTRATOR, legal_hold=(409, HELD)),
)
async def delete_any_user(user_id: UUID, database: TheDatabase, audit: AdministratorsAudit) -> None:
    """Delete a user and all their data."""
    async with database.transaction() as connection:
        await delete_user(connection, audit, user_id)


@router.post("/users/{user_id}/sessions/revoke", status_code=204, responses=documented(401, 403, 404, 422, 503))
async def revoke_sessions(user_id: UUID, database: TheDatabase, audit: AdministratorsAudit) -> None:
    """Sign a user out everywhere: every session and every access token ends."""
    async with database.transaction() as connection:
        await sign_out_everywhere(connection, audit, user_id)


@router.get(
    "/history",
    responses=SEARCHED,
)
async def list_history(
    database: TheDatabase,
    filters: AskedFilters,
    reading: TheReading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[HistoryTurn]:
    """Return turns of all users, newest first. All filters must fit.

    Who reads is put on record first, and each user whose turns are on the page can see it.
    """
    after = cursor_of_id(cursor, of="history")
    if filters is None:
        return Page(items=[])
    rows = await read_history(database, reading, filters, after=after, limit=limit)
    return page_of(rows, limit, HistoryTurn.from_row, of="history")


@router.get(
    "/history/export",
    status_code=200,
    response_class=Download,
    responses=SEARCHED
    | {200: {"content": {"application/jsonl": {"example": JSONL_EXAMPLE}, "text/csv": {"example": CSV_EXAMPLE}}}},
)
async def export_history(
    database: TheDatabase,
    filters: AskedFilters,
    reading: TheReading,
    streams: TheStreams,
    terms: AdministratorsTerms,
    file_format: Annotated[ExportFormat, Query(alias="format")] = "jsonl",
) -> Download:
    """Return all turns that fit as a file, newest first: one a line as JSON, or a table.

    In the table a text that a spreadsheet would take for a formula begins with an apostrophe. Each user whose turns are
    in it can see who exported them.
    """
    if file_format == "csv":
        table = history_as_csv(database, reading, filters)
        return await download(table, streams, terms, media_type="text/csv", name="history.csv")
    lines = history_as_jsonl(database, reading, filters)
    return await download(lines, streams, terms, media_type="application/jsonl", name="history.jsonl")


@router.get(
    "/conversations/{conversation_id}",
    responses=documented(401, 403, 404, 422, 503, audit_reason_required=REASON_REQUIRED),
)
async def read_any_conversation(conversation_id: UUID, database: TheDatabase, reading: TheReading) -> AnyConversation:
    """Return anyone's conversation, without its turns."""
    return AnyConversation.from_row(await read_conversation(database, reading, conversation_id))


@router.get(
    "/conversations/{conversation_id}/turns",
    responses=documented(401, 403, 404, 422, 503, audit_reason_required=REASON_REQUIRED),
)
async def list_turns_of_any(
    conversation_id: UUID,
    database: TheDatabase,
    reading: TheReading,
    order: Literal["asc", "desc"] = "desc",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Turn]:
    """Return the active path of anyone's conversation."""
    return await read_turns(database, reading, conversation_id, order=order, limit=limit, cursor=cursor)
