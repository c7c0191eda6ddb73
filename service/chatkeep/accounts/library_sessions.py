"""Users who are signed in by a session of `chatkeep.sessions`, whichever store keeps it.

For applications of one's own that have `FasterSessionMiddleware` and want this service's accounts: what the session
holds is the account's id and a mark of what it was signed in with. Who that is now is asked again on each request, so
a user who is disabled or deleted, or whose password or role changes, is signed out of all such sessions at once.
"""

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.accounts import queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.dependencies import AccountsDep
from chatkeep.accounts.failed_logins import refusals_on_record
from chatkeep.accounts.familiarity import lane_of
from chatkeep.accounts.identity import Identity, identity_of
from chatkeep.accounts.login_sessions import Client
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.sign_in import WRONG_PASSWORD
from chatkeep.accounts.throttling import counters_for, forgive_attempt, limit_attempts
from chatkeep.accounts.usernames import username_key
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Origin
from chatkeep.database.database import Database
from chatkeep.errors import InvalidCredentials, NotAuthenticated
from chatkeep.sessions import HttpSession, http_session

# One of the keys at which the middleware changes the session's id.
ACCOUNT_KEY = "account"


async def log_in_session(
    accounts: Accounts, session: HttpSession, username: str, password: str, client: Client
) -> Identity:
    """Sign somebody in to the session, which gets a new id: one that was planted is worth nothing.

    If the process dies before the answer begins, nobody is signed in.

    Raises:
        InvalidCredentials: the same for an unknown name, a wrong password and a disabled account.
        TooManyAttempts, Unavailable: as `chatkeep.accounts.sign_in.log_in`.
    """
    user = await _user_by_password(accounts, username, password, client)
    session.change_id()
    session.set_attribute(ACCOUNT_KEY, {"id": str(user.id), "mark": _mark(user)})
    return identity_of(user)


async def user_of_session(database: Database, session: HttpSession) -> Identity | None:
    """Return the user who is signed in to the session, as the account is now; None for nobody."""
    account = session.get_attribute(ACCOUNT_KEY)
    if account is None:
        return None
    async with database.transaction() as connection:
        user = await queries.user_by_id(connection, UUID(account["id"]))
    if user is None or user.disabled or _mark(user) != account["mark"]:
        return None
    return identity_of(user)


class SessionUserMiddleware:
    """Sets `request.state.user`: an `Identity`, or None. Add it before `FasterSessionMiddleware`, which is then
    around it. `app.state.accounts` holds the accounts.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            accounts: Accounts = scope["app"].state.accounts
            session = http_session(HTTPConnection(scope))
            scope.setdefault("state", {})["user"] = await user_of_session(accounts.database, session)
        await self.app(scope, receive, send)


async def require_session_user(
    accounts: AccountsDep, session: Annotated[HttpSession, Depends(http_session)]
) -> Identity:
    """Return the user who is signed in to the request's session.

    Raises:
        NotAuthenticated: nobody, or no longer.
    """
    user = await user_of_session(accounts.database, session)
    if user is None:
        raise NotAuthenticated("Sign in first: nobody is signed in to this session.")
    return user


SessionUser = Annotated[Identity, Depends(require_session_user)]


async def _user_by_password(accounts: Accounts, username: str, password: str, client: Client) -> AnyRow:
    key = username_key(username)
    device = accounts.device_cookie.read(client.device_cookie, key)
    counters = counters_for(key, client.address, device)
    audit = accounts.trail.by(Origin(address=client.address))
    counted = limit_attempts(accounts.database, accounts.owed_tries, counters, accounts.clock())
    async with refusals_on_record(accounts.database, audit, key), counted:
        async with accounts.database.transaction() as connection:
            user = await queries.user_by_key(connection, key)
            lane = await lane_of(connection, user, client.address, device)
        # A password that changes in the meantime changes the mark: the session that is begun here is then nobody's.
        matches, _ = await accounts.hasher.verify(password, user.password_hash if user else None, lane)
        if user is None or not matches or user.disabled:
            raise InvalidCredentials(WRONG_PASSWORD)
        async with accounts.database.transaction() as connection:
            await queries.mark_seen(connection, user.id, accounts.clock())
            await forgive_attempt(connection, counters)
            await audit.acting_as(user.id).record(connection, Action.SIGNED_IN, user.id)
    return user


def _mark(user: AnyRow) -> str:
    """Return a mark that changes with the password and the role; the session need not keep the hash itself."""
    return hashlib.sha256(f"{user.id} {user.role} {user.password_hash}".encode()).hexdigest()
