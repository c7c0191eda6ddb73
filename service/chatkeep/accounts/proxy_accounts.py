"""Accounts of people whom a server in front has signed in, made when they are first seen.

If the process dies before the account is committed, nothing has happened; afterwards the next request finds it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request

from chatkeep.accounts import queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.identity import Identity, identity_in
from chatkeep.accounts.identity_queries import TOUCH_USER, USER_BY_NAME
from chatkeep.accounts.names import warn_of_lookalike
from chatkeep.accounts.schemas import Email
from chatkeep.accounts.trusted_headers import ProxyIdentity, TrustedHeaderAuth
from chatkeep.accounts.usernames import require_username, username_key
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Origin, Recorder
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, NotAuthenticated, UsernameTaken
from chatkeep.http.addresses import client_address
from chatkeep.http.bodies import Name
from chatkeep.sessions.store import TOUCH_INTERVAL

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


async def identity_by_proxy(accounts: Accounts, auth: TrustedHeaderAuth, connection: HTTPConnection) -> Identity | None:
    """Return the account of whom the server in front names; None where it names nobody.

    Raises:
        UntrustedIdentity: it is not that server that names somebody.
        NotAuthenticated: the account is disabled.
        Invalid: the name, e-mail address or display name is not one.
    """
    named = auth.named(connection)
    if named is None:
        return None
    key = username_key(named.username)
    user = await accounts.database.row(USER_BY_NAME, username_key=key)
    if user is None:
        request_id = getattr(connection.state, "request_id", None)
        origin = Origin(address=client_address(connection, accounts.trusted_proxies), request_id=request_id)
        await _make_account(accounts.database, accounts.trail.by(origin), named, key, accounts.clock())
        user = await accounts.database.row(USER_BY_NAME, username_key=key)
    if user is None or user.disabled:
        raise NotAuthenticated("This account is disabled.")
    if user.is_guest:
        # A cookie says whose it is, and the server in front has not seen that.
        raise UsernameTaken("That name belongs to a guest of this service.")
    now = accounts.clock()
    seen_before = now - TOUCH_INTERVAL
    if user.last_seen_at is None or user.last_seen_at <= seen_before:
        await accounts.database.execute(TOUCH_USER, user_id=user.user_id, now=now)
    return identity_in(user, by_proxy=True)


def identify_by(auth: TrustedHeaderAuth, chatkeep: FastAPI) -> Callable[[Request], Awaitable[UUID]]:
    """Return the `identify` of a `PersistentChatStreamHandler`: it gives the user whom the server in front names."""

    async def identify(request: Request) -> UUID:
        accounts: Accounts = chatkeep.state.accounts
        identity = await identity_by_proxy(accounts, auth, request)
        if identity is None:
            raise NotAuthenticated(f"Nobody is signed in: there is no {auth.user_header}.")
        return identity.user_id

    return identify


async def _make_account(database: Database, audit: Recorder, named: ProxyIdentity, key: str, now: datetime) -> None:
    """Make the account, unless another request makes it right now."""
    require_username(named.username)
    email = _fitting(_EMAIL, named.email, "e-mail address")
    display_name = _fitting(_NAME, named.display_name, "display name")
    async with database.transaction() as connection:
        made = await queries.insert_user(
            connection,
            username=named.username,
            username_key=key,
            password_hash=None,
            now=now,
            email=email,
        )
        if made is None:
            return
        # Not refused: who somebody is was decided in front, and there they cannot choose another name.
        await warn_of_lookalike(connection, made)
        if display_name:
            await queries.update_profile(connection, made.id, {"display_name": display_name})
        await audit.acting_as(made.id).record(connection, Action.ACCOUNT_CREATED, made.id, from_outside=True)


def _fitting(kind: TypeAdapter[str], value: str | None, what: str) -> str | None:
    if value is None:
        return None
    try:
        return kind.validate_python(value)
    except ValidationError:
        raise Invalid(f"The server in front gives something for the {what} that is none.") from None
