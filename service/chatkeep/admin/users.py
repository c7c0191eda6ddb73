"""`/api/v1/admin/users`: users over HTTP, for administrators."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from chatkeep.accounts.dependencies import DatabaseDep, require_administrator
from chatkeep.accounts.scopes import Scope, needs, needs_all
from chatkeep.accounts.users import HELD, change_account, delete_user, sign_out_everywhere
from chatkeep.admin import user_queries
from chatkeep.admin.dependencies import TOO_SLOW, AdministratorsAudit
from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS
from chatkeep.admin.schemas import ChangeUser, ListedUser
from chatkeep.chat.history.queries import request_stop_of_user
from chatkeep.http.bodies import JsonRoute, QueryFlag, SearchText
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import BODY_ERRORS, error_responses

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


LAST_ADMINISTRATOR = (409, "This is the last administrator. Make another one first.")


@router.get("/users", responses=error_responses(401, 403, 422, 503, query_too_slow=TOO_SLOW))
@needs(Scope.ADMIN)
async def list_users(
    database: DatabaseDep,
    q: Annotated[SearchText | None, Query(description="Part of the username, e-mail or display name.")] = None,
    role: Literal["user", "admin"] | None = None,
    disabled: QueryFlag | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[ListedUser]:
    """Return users, newest first, with what they have."""
    filters = user_queries.UserFilters(q=q, role=role, disabled=disabled)
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        rows = await user_queries.users_page(
            connection, filters, after=cursor_of_id(cursor, of="users"), limit=limit + 1
        )
    return page_of(rows, limit, ListedUser.model_validate, of="users")


@router.patch(
    "/users/{user_id}",
    responses=error_responses(
        401,
        403,
        404,
        *BODY_ERRORS,
        last_administrator=LAST_ADMINISTRATOR,
        is_guest=(409, "A guest cannot be an administrator. They have to register first."),
    ),
)
@needs_all(Scope.ADMIN, Scope.ACCOUNT)
async def change_user(user_id: UUID, body: ChangeUser, database: DatabaseDep, audit: AdministratorsAudit) -> ListedUser:
    """Change a role, or who may sign in; in force on the user's next request. While `legal_hold` is true nobody can
    delete the user or one of their conversations, and retention leaves them alone.
    """
    async with database.transaction() as connection:
        await change_account(
            connection, audit, user_id, role=body.role, disabled=body.disabled, legal_hold=body.legal_hold
        )
        if body.disabled:
            await request_stop_of_user(connection, user_id)
        row = await user_queries.user_with_counts(connection, user_id)
    return ListedUser.model_validate(row)


@router.delete(
    "/users/{user_id}",
    status_code=204,
    responses=error_responses(401, 403, 404, 422, 503, last_administrator=LAST_ADMINISTRATOR, legal_hold=(409, HELD)),
)
@needs(Scope.ADMIN)
async def delete_any_user(user_id: UUID, database: DatabaseDep, audit: AdministratorsAudit) -> None:
    """Delete a user and all their data."""
    async with database.transaction() as connection:
        await delete_user(connection, audit, user_id)


@router.post("/users/{user_id}/sessions/revoke", status_code=204, responses=error_responses(401, 403, 404, 422, 503))
@needs(Scope.ADMIN)
async def revoke_sessions(user_id: UUID, database: DatabaseDep, audit: AdministratorsAudit) -> None:
    """Sign a user out everywhere: every session and every access token ends."""
    async with database.transaction() as connection:
        await sign_out_everywhere(connection, audit, user_id)
