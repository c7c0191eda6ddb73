"""`/api/v1/auth`: accounts, sessions and tokens over HTTP."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from chatkeep.accounts import queries, session_queries, token_queries
from chatkeep.accounts.browser_cookies import forget
from chatkeep.accounts.dependencies import (
    AccountsDep,
    AuditDep,
    ClientDep,
    DatabaseDep,
    SessionDigest,
    SessionDigests,
    SignedIn,
    VisitorAudit,
    send_session,
)
from chatkeep.accounts.login_sessions import end_other_sessions
from chatkeep.accounts.registration import TOO_MANY_REGISTRATIONS, register
from chatkeep.accounts.schemas import (
    ChangeMe,
    ChangePassword,
    CreateToken,
    DeleteMe,
    LogIn,
    LoginSession,
    NewToken,
    OwnToken,
    Register,
    Token,
    User,
)
from chatkeep.accounts.scopes import Scope, in_order, needs
from chatkeep.accounts.sign_in import WRONG_PASSWORD, change_password, delete_account, log_in, log_out
from chatkeep.accounts.tokens import create_token
from chatkeep.accounts.users import HELD
from chatkeep.audit.actions import Action
from chatkeep.errors import NotAuthenticated, NotFound
from chatkeep.http.bodies import MAX_ANONYMOUS_BYTES, JsonRoute, takes_body_of
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import BODY_ERRORS, error_responses
from chatkeep.http.schemas import answer_with

router = APIRouter(prefix="/api/v1/auth", tags=["Accounts"], route_class=JsonRoute)

INVALID_CREDENTIALS = (401, WRONG_PASSWORD)
BUSY = (503, "Too many people are signing in right now. Try again in a few seconds.")
NO_PASSWORD = (409, "This account has no password here: what signs it in stands in front of this service.")
TOO_MANY_TRIES = (429, "Too many tries. Wait 10 minutes and try again.")


@router.post(
    "/register",
    status_code=201,
    responses=error_responses(
        *BODY_ERRORS,
        username_taken=(409, "That username is taken, or looks like one that is."),
        weak_password=(422, "That password is among the first that anyone would try. Choose a longer one."),
        registration_closed=(403, "This service takes no new accounts."),
        too_many_attempts=(429, f"{TOO_MANY_REGISTRATIONS} Wait 10 minutes and try again."),
        service_unavailable=BUSY,
    ),
)
@takes_body_of(MAX_ANONYMOUS_BYTES)
async def register_account(
    body: Register,
    request: Request,
    accounts: AccountsDep,
    audit: VisitorAudit,
    client: ClientDep,
    digest: SessionDigest,
) -> User:
    """Make an account and sign it in. A guest becomes the account and keeps their conversations."""
    opened = await register(accounts, audit, body.username, body.password, body.email, client, replaces=digest)
    send_session(request, accounts, opened)
    return User.model_validate(opened.user)


@router.post(
    "/login",
    responses=error_responses(
        *BODY_ERRORS,
        invalid_credentials=INVALID_CREDENTIALS,
        too_many_attempts=TOO_MANY_TRIES,
        service_unavailable=BUSY,
    ),
)
@takes_body_of(MAX_ANONYMOUS_BYTES)
async def log_in_with_password(
    body: LogIn,
    request: Request,
    accounts: AccountsDep,
    audit: VisitorAudit,
    client: ClientDep,
    digest: SessionDigest,
) -> User:
    """Sign in. The cookie ends with the browser unless `remember` is true.

    What was said in this browser as a guest goes to the account.
    """
    opened = await log_in(
        accounts, audit, body.username, body.password, client, replaces=digest, remember=body.remember
    )
    send_session(request, accounts, opened)
    return User.model_validate(opened.user)


@router.post("/logout", status_code=204, responses=error_responses(503))
async def log_out_of_session(
    request: Request, accounts: AccountsDep, audit: VisitorAudit, digests: SessionDigests
) -> None:
    """Sign out: the session ends, and a copy of its cookie is worth nothing."""
    for digest in digests:  # all: with one that is left the browser would be signed in again
        await log_out(accounts.database, audit, digest)
    forget(request, accounts.cookie)


@router.get("/me", response_model=User, responses=error_responses(401, 503))
@needs(Scope.ACCOUNT)
async def read_me(identity: SignedIn) -> Response:
    """Return the signed-in account."""
    return answer_with(User.model_validate(identity))


@router.patch("/me", responses=error_responses(401, *BODY_ERRORS))
@needs(Scope.ACCOUNT)
async def change_me(body: ChangeMe, identity: SignedIn, database: DatabaseDep) -> User:
    """Change the display name or the e-mail address; null takes it away."""
    async with database.transaction() as connection:
        user = await queries.update_profile(connection, identity.user_id, body.model_dump(exclude_unset=True))
    if user is None:
        raise NotAuthenticated("This account is gone.")
    return User.model_validate(user)


@router.delete(
    "/me",
    status_code=204,
    responses=error_responses(
        401,
        *BODY_ERRORS,
        invalid_credentials=INVALID_CREDENTIALS,
        too_many_attempts=TOO_MANY_TRIES,
        no_password=NO_PASSWORD,
        last_administrator=(409, "This is the last administrator. Make another one first."),
        legal_hold=(409, HELD),
        service_unavailable=BUSY,
    ),
)
@needs(Scope.ACCOUNT)
async def delete_me(
    body: DeleteMe, request: Request, identity: SignedIn, accounts: AccountsDep, audit: AuditDep
) -> None:
    """Delete the account and every trace of what was written in it. A guest needs no password."""
    await delete_account(accounts, audit, identity, body.password)
    forget(request, accounts.cookie)


@router.post(
    "/password",
    status_code=204,
    responses=error_responses(
        401,
        *BODY_ERRORS,
        invalid_credentials=INVALID_CREDENTIALS,
        weak_password=(422, "A password has at least 8 characters."),
        no_password=NO_PASSWORD,
        guest_not_allowed=(403, "A guest has no password to change. Register to get one."),
        too_many_attempts=TOO_MANY_TRIES,
        service_unavailable=BUSY,
    ),
)
@needs(Scope.ACCOUNT)
async def change_my_password(
    body: ChangePassword,
    request: Request,
    identity: SignedIn,
    accounts: AccountsDep,
    audit: AuditDep,
    client: ClientDep,
) -> None:
    """Change the password. Every other session and every token ends; this session gets a new cookie."""
    opened = await change_password(accounts, audit, identity, body.current_password, body.new_password, client)
    if opened is not None:
        send_session(request, accounts, opened)


@router.get("/sessions", responses=error_responses(401, 422, 503))
@needs(Scope.ACCOUNT)
async def list_sessions(
    identity: SignedIn, accounts: AccountsDep, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
) -> Page[LoginSession]:
    """Return where this account is signed in, newest first."""
    now = accounts.clock()
    async with accounts.database.transaction() as connection:
        rows = await session_queries.sessions_of(
            connection,
            identity.user_id,
            now=now,
            limits=accounts.limits,
            after=cursor_of_id(cursor, of="sessions"),
            limit=limit + 1,
        )

    def to_session(row: Any) -> LoginSession:
        return LoginSession(
            id=row.id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=accounts.limits.ends_unused_at(row.last_seen_at, row.expires_at),
            ip=row.ip,
            user_agent=row.user_agent,
            current=row.digest == identity.digest,
        )

    return page_of(rows, limit, to_session, of="sessions")


@router.delete("/sessions/{session_id}", status_code=204, responses=error_responses(401, 404, 422, 503))
@needs(Scope.ACCOUNT)
async def end_one_session(session_id: UUID, identity: SignedIn, database: DatabaseDep, audit: AuditDep) -> None:
    """End one of this account's sessions."""
    async with database.transaction() as connection:
        if not await session_queries.end_session_by_id(connection, identity.user_id, session_id):
            raise NotFound
        await audit.record(connection, Action.SESSION_ENDED, identity.user_id, session_id=str(session_id))


@router.delete("/sessions", status_code=204, responses=error_responses(401, 503))
@needs(Scope.ACCOUNT)
async def end_all_other_sessions(identity: SignedIn, database: DatabaseDep, audit: AuditDep) -> None:
    """End every session of this account but the asking one."""
    await end_other_sessions(database, audit, identity.user_id, keep=identity.digest)


@router.get("/tokens", responses=error_responses(401, 422, 503))
@needs(Scope.ACCOUNT)
async def list_tokens(
    identity: SignedIn, database: DatabaseDep, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
) -> Page[Token]:
    """Return this account's access tokens, newest first, without their secrets."""
    async with database.transaction() as connection:
        rows = await token_queries.tokens_of(
            connection, identity.user_id, after=cursor_of_id(cursor, of="tokens"), limit=limit + 1
        )
    return page_of(rows, limit, Token.model_validate, of="tokens")


@router.post(
    "/tokens",
    status_code=201,
    responses=error_responses(
        401,
        *BODY_ERRORS,
        forbidden=(403, "Only an administrator makes tokens with the scope admin."),
        guest_not_allowed=(403, "A guest has no access tokens. Register first."),
        too_many_tokens=(409, "An account has at most 50 access tokens. Revoke one that is not used."),
    ),
)
@needs(Scope.ACCOUNT)
async def create_access_token(
    body: CreateToken, identity: SignedIn, accounts: AccountsDep, audit: AuditDep
) -> NewToken:
    """Make an access token for `Authorization: Bearer`. Its secret is in this answer and nowhere else.

    `scopes` say what it may do: each call names the ones that it takes. A token that makes another one gives it no
    scope that it lacks, and no later end than its own. Without `expires_at` the new token ends as late as this service
    lets one end: after a year, unless it is set up otherwise.
    """
    now, limits = accounts.clock(), accounts.token_limits
    row, secret = await create_token(
        accounts.database, audit, identity, body.name, body.expires_at, body.scopes, now=now, limits=limits
    )
    return NewToken(**Token.model_validate(row).model_dump(), token=secret)


@router.get("/token", responses=error_responses(401, 404, 503))
@needs(*Scope)
async def read_own_token(identity: SignedIn) -> OwnToken:
    """Return the scopes and the end of the token that asks. Any token may ask; 404 without a token."""
    if not identity.by_token:
        raise NotFound("No access token asks.")
    return OwnToken(scopes=in_order(identity.scopes), expires_at=identity.token_ends_at)


@router.delete("/tokens/{token_id}", status_code=204, responses=error_responses(401, 404, 422, 503))
@needs(Scope.ACCOUNT)
async def delete_token(token_id: UUID, identity: SignedIn, database: DatabaseDep, audit: AuditDep) -> None:
    """End one of this account's tokens."""
    async with database.transaction() as connection:
        if not await token_queries.delete_token(connection, identity.user_id, token_id):
            raise NotFound
        await audit.record(connection, Action.TOKEN_DELETED, identity.user_id, token_id=str(token_id))
