"""`/api/v1/admin`: users and histories over HTTP, for administrators."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator

from service.accounts.administrators import change_account, delete_user
from service.accounts.dependencies import require_administrator
from service.accounts.queries import lock_user
from service.admin import queries
from service.admin.schemas import AnyConversation, ChangeUser, HistoryTurn, ListedUser
from service.chat.pages import turns_page
from service.chat.queries import request_stop_of_user
from service.chat.schemas import Turn
from service.database.database import Database
from service.errors import NotFound
from service.http.bodies import JsonRoute, Moment, QueryFlag, SearchText
from service.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, encode_cursor, first_of
from service.http.problems import documented
from service.sessions import queries as session_queries

QUERY_TIMEOUT_SECONDS = 10

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


async def get_database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


TheDatabase = Annotated[Database, Depends(get_database)]
Rating = Annotated[Literal[1, -1], BeforeValidator(lambda text: int(text) if text in ("1", "-1") else text)]
Status = Literal["streaming", "complete", "stopped", "failed", "interrupted"]
TOO_SLOW = (503, "That took too long and was stopped. Narrow it: by user, by time, by status.")
LAST_ADMINISTRATOR = (409, "This is the last administrator. Make another one first.")


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
    page = first_of(rows, limit)
    items = [ListedUser.model_validate(row) for row in page.rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id, of="users") if page.more else None)


@router.patch(
    "/users/{user_id}",
    responses=documented(401, 403, 404, 413, 415, 422, 503, last_administrator=LAST_ADMINISTRATOR),
)
async def change_user(user_id: UUID, body: ChangeUser, database: TheDatabase) -> ListedUser:
    """Change a role, or who may sign in; in force on the user's next request."""
    async with database.transaction() as connection:
        await change_account(connection, user_id, role=body.role, disabled=body.disabled)
        if body.disabled:
            await request_stop_of_user(connection, user_id)
        row = await queries.user_with_counts(connection, user_id)
    return ListedUser.model_validate(row)


@router.delete(
    "/users/{user_id}",
    status_code=204,
    responses=documented(401, 403, 404, 422, 503, last_administrator=LAST_ADMINISTRATOR),
)
async def delete_any_user(user_id: UUID, database: TheDatabase) -> None:
    """Delete a user and everything of theirs."""
    async with database.transaction() as connection:
        await delete_user(connection, user_id)


@router.post("/users/{user_id}/sessions/revoke", status_code=204, responses=documented(401, 403, 404, 422, 503))
async def revoke_sessions(user_id: UUID, database: TheDatabase) -> None:
    """Sign a user out everywhere."""
    async with database.transaction() as connection:
        # A session that is being renewed at this moment would otherwise outlive its end.
        if await lock_user(connection, user_id) is None:
            raise NotFound
        await session_queries.end_sessions_of(connection, user_id)


@router.get("/history", responses=documented(401, 403, 422, 503, query_too_slow=TOO_SLOW))
async def list_history(
    database: TheDatabase,
    user_id: UUID | None = None,
    username: Annotated[SearchText | None, Query(description="Exactly, but for case and width.")] = None,
    conversation_id: UUID | None = None,
    model: SearchText | None = None,
    status: Status | None = None,
    rating: Rating | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="Begun at this time or later.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Begun before this time.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[HistoryTurn]:
    """Return turns of all users, newest first. All filters must fit."""
    after = cursor_of_id(cursor, of="history")
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        if username is not None:
            named = await queries.user_id_by_name(connection, username)
            if named is None or user_id not in (None, named):
                return Page(items=[])
            user_id = named
        filters = queries.HistoryFilters(
            user_id=user_id,
            conversation_id=conversation_id,
            model=model,
            status=status,
            rating=rating,
            since=since,
            until=until,
        )
        rows = await queries.history_page(connection, filters, after=after, limit=limit + 1)
    page = first_of(rows, limit)
    items = [HistoryTurn.from_row(row) for row in page.rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id, of="history") if page.more else None)


@router.get("/conversations/{conversation_id}", responses=documented(401, 403, 404, 422, 503))
async def read_any_conversation(conversation_id: UUID, database: TheDatabase) -> AnyConversation:
    """Return anyone's conversation, without its turns."""
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        row = await queries.conversation_by_id(connection, conversation_id)
    if row is None:
        raise NotFound
    return AnyConversation.from_row(row)


@router.get("/conversations/{conversation_id}/turns", responses=documented(401, 403, 404, 422, 503))
async def list_turns_of_any(
    conversation_id: UUID,
    database: TheDatabase,
    order: Literal["asc", "desc"] = "desc",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Turn]:
    """Return the active path of anyone's conversation."""
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        row = await queries.conversation_by_id(connection, conversation_id)
    if row is None:
        raise NotFound
    return await turns_page(database, row["user_id"], conversation_id, order=order, limit=limit, cursor=cursor)
