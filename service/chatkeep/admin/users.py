"""`/api/v1/admin/users`: users over HTTP, for administrators."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from chatkeep.accounts import link_queries, session_queries, token_queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.dependencies import AccountsDep, DatabaseDep, require_administrator
from chatkeep.accounts.names import NAME_TAKEN
from chatkeep.accounts.password_links import NewLink, create_link, invite
from chatkeep.accounts.registration import NewAccount
from chatkeep.accounts.schemas import Token
from chatkeep.accounts.scopes import Scope, needs, needs_all
from chatkeep.accounts.users import HELD, change_account, delete_user, sign_out_everywhere
from chatkeep.admin import user_queries
from chatkeep.admin.dependencies import TOO_SLOW, AdministratorsAudit
from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS
from chatkeep.admin.schemas import (
    ChangeUser,
    InvitedUser,
    InviteUser,
    ListedUser,
    PendingLink,
    SetPasswordLink,
    UserDetails,
    UserSession,
)
from chatkeep.audit.actions import Action
from chatkeep.chat.history.queries import request_stop_of_turn, request_stop_of_user
from chatkeep.errors import NotFound
from chatkeep.http.addresses import request_host, request_scheme
from chatkeep.http.bodies import JsonRoute, QueryFlag, SearchText
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import BODY_ERRORS, error_responses
from chatkeep.http.root_path import root_path_of

MAX_DETAILS = 50

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
    held: Annotated[QueryFlag | None, Query(description="Whether under legal hold.")] = None,
    guest: QueryFlag | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[ListedUser]:
    """Return users, newest first, with what they have."""
    filters = user_queries.UserFilters(q=q, role=role, disabled=disabled, held=held, guest=guest)
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        rows = await user_queries.users_page(
            connection, filters, after=cursor_of_id(cursor, of="users"), limit=limit + 1
        )
    return page_of(rows, limit, ListedUser.model_validate, of="users")


@router.post(
    "/users",
    status_code=201,
    responses=error_responses(401, 403, *BODY_ERRORS, username_taken=(409, NAME_TAKEN)),
)
@needs_all(Scope.ADMIN, Scope.ACCOUNT)
async def invite_user(
    body: InviteUser, request: Request, accounts: AccountsDep, audit: AdministratorsAudit
) -> InvitedUser:
    """Make an account, also where registration is closed. `link` sets its password: once, and for a day.

    Hand the link to the user. It is in this answer and nowhere else; `/reset` makes another one.
    """
    new = NewAccount(body.username, body.role, body.email)
    async with accounts.database.transaction() as connection:
        user_id, link = await invite(connection, audit, new, accounts.clock())
        row = await user_queries.user_with_counts(connection, user_id)
    listed = ListedUser.model_validate(row).model_dump()
    return InvitedUser(**listed, link=_address(request, accounts, link), link_expires_at=link.expires_at)


@router.get("/users/{user_id}", responses=error_responses(401, 403, 404, 422, 503))
@needs(Scope.ADMIN)
async def read_user(user_id: UUID, accounts: AccountsDep) -> UserDetails:
    """Return a user with their newest sessions and access tokens, and the link that they can still use."""
    now = accounts.clock()
    async with accounts.database.transaction() as connection:
        row = await user_queries.user_with_counts(connection, user_id)
        if row is None:
            raise NotFound
        sessions = await session_queries.sessions_of(
            connection, user_id, now=now, limits=accounts.limits, after=None, limit=MAX_DETAILS
        )
        tokens = await token_queries.tokens_of(connection, user_id, after=None, limit=MAX_DETAILS)
        link = await link_queries.link_of_user(connection, user_id, now)
    return UserDetails(
        **ListedUser.model_validate(row).model_dump(),
        sessions=[UserSession.model_validate(each) for each in sessions],
        tokens=[Token.model_validate(each) for each in tokens],
        password_link=None if link is None else PendingLink.model_validate(link),
    )


@router.post(
    "/users/{user_id}/reset",
    responses=error_responses(
        401, 403, 404, 422, 503, is_guest=(409, "A guest cannot have a password. They have to register first.")
    ),
)
@needs_all(Scope.ADMIN, Scope.ACCOUNT)
async def reset_password(
    user_id: UUID, request: Request, accounts: AccountsDep, audit: AdministratorsAudit
) -> SetPasswordLink:
    """Make a link by which a user sets a new password: it works once, and for a day, and ends the one before it.

    The password stays until the link is used; then every session and token of the account ends.
    """
    async with accounts.database.transaction() as connection:
        link = await create_link(connection, audit, user_id, "reset", accounts.clock())
    return SetPasswordLink(link=_address(request, accounts, link), expires_at=link.expires_at)


@router.post(
    "/users/{user_id}/turns/{turn_id}/stop", status_code=202, responses=error_responses(401, 403, 404, 422, 503)
)
@needs(Scope.ADMIN)
async def stop_any_turn(user_id: UUID, turn_id: UUID, database: DatabaseDep, audit: AdministratorsAudit) -> None:
    """Stop a running answer, on whichever replica it is generated. What there is of it is kept."""
    async with database.transaction() as connection:
        if not await request_stop_of_turn(connection, user_id, turn_id):
            raise NotFound
        await audit.record(connection, Action.TURN_STOPPED, user_id, turn_id=str(turn_id))


def _address(request: Request, accounts: Accounts, link: NewLink) -> str:
    """Return the whole address of a link, as the asking administrator sees this service.

    It is shown to nobody else: a false `Host` deceives only the one who sends it.
    """
    scheme, host = (each(request, accounts.trusted_proxies) for each in (request_scheme, request_host))
    return f"{scheme}://{host}{root_path_of(request)}{link.path}"


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
async def delete_any_user(user_id: UUID, response: Response, database: DatabaseDep, audit: AdministratorsAudit) -> None:
    """Delete a user and all their data. The header `Erasure-Receipt` has the number of the row in the audit trail."""
    async with database.transaction() as connection:
        receipt = await delete_user(connection, audit, user_id)
    response.headers["Erasure-Receipt"] = receipt


@router.post("/users/{user_id}/sessions/revoke", status_code=204, responses=error_responses(401, 403, 404, 422, 503))
@needs(Scope.ADMIN)
async def revoke_sessions(user_id: UUID, database: DatabaseDep, audit: AdministratorsAudit) -> None:
    """Sign a user out everywhere: every session and every access token ends."""
    async with database.transaction() as connection:
        await sign_out_everywhere(connection, audit, user_id)
