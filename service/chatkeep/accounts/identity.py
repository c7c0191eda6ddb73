"""Identities: the account behind a cookie or a token, in one statement."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from chatkeep.accounts import identity_queries as queries
from chatkeep.accounts.identity_queries import KnownUser
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.scopes import ALL_SCOPES
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.http.open_streams import StreamTerms
from chatkeep.sessions import SessionLimits, digest_of
from chatkeep.sessions.store import TOUCH_INTERVAL

# Tells a scanner of leaked secrets, and the reader of a configuration, what this is.
TOKEN_PREFIX = "ck_"  # noqa: S105  a prefix, not a secret


@dataclass(frozen=True, slots=True)
class Identity:
    """The signed-in account, as it was when the request began.

    Args:
        digest: under which the asking session or token is kept.
        by_session: a session's cookie asks, not a token.
        remember: the session's cookie outlives the browser's session.
        renew: the session is to get a new id.
        exchange: the same, for its cookie has the name of an earlier version.
        by_proxy: a server in front has signed the user in; there is neither a session nor a token.
        by_token: an access token asks.
        scopes: the parts of the account that are open; all of them, unless a token asks.
        token_ends_at: when the asking token ends, where one asks and ends.
    """

    user_id: UUID
    username: str
    email: str | None
    display_name: str | None
    role: Literal["user", "admin"]
    is_guest: bool
    created_at: datetime
    digest: bytes = b""
    by_session: bool = False
    remember: bool = False
    renew: bool = False
    exchange: bool = False
    by_proxy: bool = False
    by_token: bool = False
    scopes: frozenset[str] = ALL_SCOPES
    token_ends_at: datetime | None = None

    @property
    def id(self) -> UUID:
        return self.user_id

    @property
    def is_administrator(self) -> bool:
        return self.role == "admin"


# Somebody who has nothing yet, where guests are allowed: no row has this user's id.
VISITOR = Identity(
    user_id=UUID(int=0),
    username="",
    email=None,
    display_name=None,
    role="user",
    is_guest=True,
    created_at=datetime.min.replace(tzinfo=UTC),
)


async def identity_by_session(
    database: Database, digest: bytes, address: Callable[[], str], *, now: datetime, limits: SessionLimits
) -> Identity | None:
    """Return the session's user, or None where it ended or the user is disabled."""
    user = await database.row(queries.USER_BY_SESSION, digest=digest, now=now, idle_since=limits.idle_since(now))
    if user is None:
        return None
    if limits.needs_touch(now, user.last_seen_at):
        seen_before = now - limits.touch_interval
        await database.execute(queries.TOUCH_SESSION, digest=digest, now=now, seen_before=seen_before, ip=address())
    return identity_in(user, digest, by_session=True, remember=user.remember, renew=user.renew)


async def identity_by_token(database: Database, token: str, now: datetime) -> Identity | None:
    """Return the token's user, or None where it ended or the user is disabled."""
    if not token.startswith(TOKEN_PREFIX) or not token.isascii():
        return None
    digest = digest_of(token)
    user = await database.row(queries.USER_BY_TOKEN, digest=digest, now=now)
    if user is None:
        return None
    seen_before = now - TOUCH_INTERVAL
    if user.last_used_at is None or user.last_used_at <= seen_before:
        await database.execute(queries.TOUCH_TOKEN, digest=digest, now=now, seen_before=seen_before)
    scopes = frozenset(user.scopes) & ALL_SCOPES
    return replace(identity_in(user, digest), by_token=True, scopes=scopes, token_ends_at=user.expires_at)


def identity_of(user: AnyRow, *, digest: bytes = b"", by_session: bool = False, remember: bool = False) -> Identity:
    """Return the identity of a row of `users`."""
    return Identity(
        user_id=user.id,
        username=user.username,
        email=user.email,
        display_name=user.display_name,
        role=user.role,
        is_guest=user.is_guest,
        created_at=user.created_at,
        digest=digest,
        by_session=by_session,
        remember=remember,
    )


def stream_terms(identity: Identity, roles: Collection[str] = ()) -> StreamTerms:
    """Return on which terms somebody is sent an answer that lasts; see `StreamTerms`."""
    return StreamTerms(identity.user_id, identity.digest, frozenset(roles))


async def standing(
    terms: Collection[StreamTerms], *, database: Database, clock: Clock, limits: SessionLimits
) -> set[StreamTerms]:
    """Return those terms that hold: of accounts with the role that is needed, and by what has not ended."""
    now = clock()
    digests = [each.digest for each in terms if each.digest]
    outside = [each.user_id for each in terms if not each.digest]
    roles: dict[bytes | UUID, str] = {}
    if digests:
        valid = await database.rows(
            queries.ROLES_OF_DIGESTS, digests=digests, now=now, idle_since=limits.idle_since(now)
        )
        roles |= {each.digest: each.role for each in valid}
    if outside:
        users = await database.rows(queries.ROLES_OF_USERS, user_ids=outside)
        roles |= {each.id: each.role for each in users}
    return {each for each in terms if _allows(roles.get(each.digest or each.user_id), each.roles)}


def _allows(role: str | None, needed: Collection[str]) -> bool:
    return role is not None and (not needed or role in needed)


async def valid_digests(
    database: Database, digests: Collection[bytes], *, now: datetime, limits: SessionLimits
) -> set[bytes]:
    """Return those digests whose session or token has not ended, of users who are not disabled."""
    valid = await database.rows(
        queries.ROLES_OF_DIGESTS, digests=list(digests), now=now, idle_since=limits.idle_since(now)
    )
    return {each.digest for each in valid}


def identity_in(
    user: KnownUser,
    digest: bytes = b"",
    *,
    by_session: bool = False,
    remember: bool = False,
    renew: bool = False,
    by_proxy: bool = False,
) -> Identity:
    """Return the identity of a user whom one of `identity_queries` found."""
    return Identity(
        user_id=user.user_id,
        username=user.username,
        email=user.email,
        display_name=user.display_name,
        role=user.role,
        is_guest=user.is_guest,
        created_at=user.created_at,
        digest=digest,
        by_session=by_session,
        remember=remember,
        renew=renew,
        by_proxy=by_proxy,
    )
