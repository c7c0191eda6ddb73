"""Dependencies that tell a router who is asking."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.browser_cookies import Held, all_contents, give, held_by
from chatkeep.accounts.device_cookie import DEVICE_COOKIE_SECONDS
from chatkeep.accounts.guests import begin_guest
from chatkeep.accounts.identity import (
    Identity,
    identity_by_session,
    identity_by_token,
    identity_of,
    stream_terms,
    valid_digests,
)
from chatkeep.accounts.login_sessions import Client, NewSession, renew_session
from chatkeep.accounts.proxy_accounts import identity_by_proxy
from chatkeep.accounts.scopes import Needs, needs_of, require_scope
from chatkeep.accounts.throttling import place_of
from chatkeep.audit.trail import AuditTrail, Origin, Recorder
from chatkeep.database.database import Database
from chatkeep.database.shares import caller
from chatkeep.errors import Forbidden, NotAuthenticated
from chatkeep.http.addresses import client_address
from chatkeep.http.late_answers import set_terms
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.sessions import digest_of


def accounts_of(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


# Dependencies are coroutines though they wait for nothing: FastAPI runs plain functions in threads, which costs more.
async def get_accounts(request: Request) -> Accounts:
    return accounts_of(request)


AccountsDep = Annotated[Accounts, Depends(get_accounts)]


async def get_database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]


def client_of(accounts: Accounts, connection: HTTPConnection) -> Client:
    return Client(
        address=client_address(connection, accounts.trusted_proxies),
        user_agent=connection.headers.get("user-agent"),
        device_cookie=next(iter(held_by(connection, accounts.device_cookie.cookie).contents), None),
    )


async def get_client(request: Request, accounts: AccountsDep) -> Client:
    client = client_of(accounts, request)
    _wait_in_turn(client)
    return client


def _wait_in_turn(client: Client) -> None:
    """Have somebody who is not signed in wait for connections with all others at their address."""
    if caller.get() is None:
        caller.set(place_of(client.address))


ClientDep = Annotated[Client, Depends(get_client)]


async def get_session_digests(request: Request, accounts: AccountsDep) -> list[bytes]:
    """Return the digests of the sessions of all the request's cookies, to end them.

    One as a rule; none where there is no cookie, or only such as were not signed here.
    """
    return [digest_of(secret) for secret in all_contents(request, accounts.cookie)]


async def get_session_digest(request: Request, accounts: AccountsDep) -> bytes | None:
    """Return the one that counts: where there are several, one that is still valid, or else the first."""
    digests = [digest_of(secret) for secret in held_by(request, accounts.cookie).contents]
    if len(digests) > 1:
        now, limits = accounts.clock(), accounts.limits
        valid = await valid_digests(accounts.database, digests, now=now, limits=limits)
        digests.sort(key=lambda digest: digest not in valid)
    return next(iter(digests), None)


SessionDigest = Annotated[bytes | None, Depends(get_session_digest)]
SessionDigests = Annotated[list[bytes], Depends(get_session_digests)]


def send_session(request: Request, accounts: Accounts, opened: NewSession) -> None:
    """Give the browser the session's cookie, and the mark of a browser that was let in."""
    give(request, accounts.cookie, opened.secret, max_age_seconds=opened.max_age_seconds)
    if opened.user.is_guest:
        return  # there is no password whose tries the mark could tell apart
    account, remember = opened.user.username_key, opened.max_age_seconds is not None
    mark = accounts.device_cookie
    marks = held_by(request, mark.cookie)
    device = next(filter(None, (mark.read(content, account) for content in marks.contents)), None)
    if device is None or remember or marks.is_earlier:
        lifetime = DEVICE_COOKIE_SECONDS if remember else None
        give(request, mark.cookie, mark.content(account, device), max_age_seconds=lifetime)


async def require_identity(request: Request, accounts: Accounts, needs: Needs | None = None) -> Identity:
    """Return the asking user: the one a trusted server in front names; by `Authorization: Bearer` where
    there is one; otherwise by cookie.

    Args:
        needs: the scopes that let a token in, see `chatkeep.accounts.scopes`; None for what the endpoint says.

    Raises:
        NotAuthenticated: nobody, or no longer.
        InsufficientScope, Forbidden: the token lacks a scope, or none is taken here.
        UntrustedIdentity: a user is named, and not by that server.
    """
    identity = await _identity_of(request, accounts)
    if identity is None:
        raise NotAuthenticated("Sign in first: there is no valid session cookie or token.")
    caller.set(identity.user_id)
    if identity.by_token:
        # Here alone: whatever needs somebody comes by here, so that no route can forget it.
        require_scope(identity.scopes, needs_of(request.scope.get("endpoint")) if needs is None else needs)
    if identity.renew or identity.exchange:
        identity = await _renewed(request, accounts, identity)
    set_terms(request.scope, stream_terms(identity))
    return identity


async def _renewed(request: Request, accounts: Accounts, identity: Identity) -> Identity:
    client, now = client_of(accounts, request), accounts.clock()
    opened = await renew_session(accounts.database, identity, client, now)
    if opened is None:
        return identity
    send_session(request, accounts, opened)
    return replace(identity, digest=digest_of(opened.secret), renew=False, exchange=False)


async def is_signed_in(request: Request, accounts: Accounts) -> bool:
    """Tell whether the request comes from an account; nothing is renewed, so that it may be asked again."""
    return await _identity_of(request, accounts) is not None


def allows_guest(accounts: Accounts, request: Request) -> bool:
    """Tell whether somebody whom nobody knows may become a guest; not a program whose token is wrong, nor somebody
    whom a server in front names, and whose account is disabled.
    """
    claimed = accounts.front_server is not None and accounts.front_server.is_in(request)
    return accounts.allow_guests and not claimed and not _bears_token(request)


async def create_guest(request: Request, accounts: Accounts) -> Identity:
    """Make the visitor a guest, and give the browser the cookie. To be called when all else about the request is right.

    Raises:
        TooManyAttempts: too many guests began at this address.
    """
    client = client_of(accounts, request)
    _wait_in_turn(client)
    opened = await begin_guest(accounts, visitor_audit_of(request, accounts.trail, client), client)
    send_session(request, accounts, opened)
    return identity_of(opened.user, digest=digest_of(opened.secret), by_session=True, remember=True)


def _bears_token(request: Request) -> bool:
    return request.headers.get("authorization", "").partition(" ")[0].lower() == "bearer"


async def _identity_of(request: Request, accounts: Accounts) -> Identity | None:
    if accounts.front_server is not None:
        # First: such a server may hand on tokens of its own in the same header.
        identity = await identity_by_proxy(accounts, accounts.front_server, request)
        if identity is not None:
            return identity
    if _bears_token(request):
        # A wrong token is not made good by a cookie: the caller believes to be somebody else.
        token = request.headers["authorization"].partition(" ")[2]
        return await identity_by_token(accounts.database, token.strip(), accounts.clock())
    held = held_by(request, accounts.cookie)
    if held.is_earlier:
        return await _identity_by_earlier_name(request, accounts, held)
    for content in held.contents:
        identity = await _identity_by_cookie(request, accounts, content)
        if identity is not None:
            return identity
    return None


async def _identity_by_earlier_name(request: Request, accounts: Accounts, held: Held) -> Identity | None:
    """Return the asking user by cookies of the old name, to be exchanged; None where they are of several users.

    One of those may be planted by another host of the domain, to have the user write in a stranger's account.
    """
    asked = [await _identity_by_cookie(request, accounts, content) for content in held.contents]
    found = [identity for identity in asked if identity is not None]
    if len({identity.user_id for identity in found}) != 1:
        return None
    return replace(found[0], exchange=True)


async def _identity_by_cookie(request: Request, accounts: Accounts, content: str) -> Identity | None:
    return await identity_by_session(
        accounts.database,
        digest_of(content),
        lambda: client_address(request, accounts.trusted_proxies),
        now=accounts.clock(),
        limits=accounts.limits,
    )


async def require_signed_in(request: Request) -> Identity:
    # Not with the accounts as a dependency of its own: each costs as much as the look-up.
    return await require_identity(request, accounts_of(request))


SignedIn = Annotated[Identity, Depends(require_signed_in)]


def visitor_audit_of(request: Request, trail: AuditTrail, client: Client) -> Recorder:
    """Return an audit recorder for a request whose user is not known yet."""
    request_id = getattr(request.state, "request_id", None)
    return trail.by(Origin(address=client.address, request_id=request_id))


async def get_visitor_audit(request: Request, accounts: AccountsDep, client: ClientDep) -> Recorder:
    return visitor_audit_of(request, accounts.trail, client)


VisitorAudit = Annotated[Recorder, Depends(get_visitor_audit)]


async def get_audit(visitor: VisitorAudit, identity: SignedIn) -> Recorder:
    """Return an audit recorder for the signed-in account."""
    return visitor.acting_as(identity.user_id)


AuditDep = Annotated[Recorder, Depends(get_audit)]


async def require_administrator(request: Request, identity: SignedIn) -> Identity:
    if not identity.is_administrator:
        raise Forbidden("This takes an administrator.")
    set_terms(request.scope, stream_terms(identity, roles=[identity.role]))
    return identity


Administrator = Annotated[Identity, Depends(require_administrator)]


async def get_administrators_terms(identity: Administrator) -> StreamTerms:
    """Return on which terms an administrator is sent an answer that lasts: for as long as they are one."""
    return stream_terms(identity, roles=[identity.role])


AdministratorsTerms = Annotated[StreamTerms, Depends(get_administrators_terms)]


async def get_streams(request: Request) -> OpenStreams:
    streams: OpenStreams = request.app.state.streams
    return streams


StreamsDep = Annotated[OpenStreams, Depends(get_streams)]
