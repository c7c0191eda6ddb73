"""The statements that find the user of a session, a token or a name, and mark each as used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, select, update

from chatkeep.accounts.session_queries import is_alive
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import TIME, access_tokens, login_sessions, user_activity, users


@dataclass(frozen=True, slots=True)
class KnownUser:
    """The columns of a user that an identity is made of."""

    user_id: UUID
    username: str
    email: str | None
    display_name: str | None
    role: Literal["user", "admin"]
    is_guest: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionUser(KnownUser):
    last_seen_at: datetime
    remember: bool
    renew: bool


@dataclass(frozen=True, slots=True)
class TokenUser(KnownUser):
    last_used_at: datetime | None
    scopes: Sequence[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NamedUser(KnownUser):
    disabled: bool
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class DigestRole:
    """A session or a token that has not ended, by its digest, and the role of its user."""

    digest: bytes
    role: str


@dataclass(frozen=True, slots=True)
class UserRole:
    id: UUID
    role: str


_IDENTITY = (
    users.c.id.label("user_id"),
    users.c.username,
    users.c.username_key,
    users.c.email,
    users.c.display_name,
    users.c.role,
    users.c.is_guest,
    users.c.created_at,
)
_now = bindparam("now", type_=TIME)
_digest = bindparam("digest", type_=login_sessions.c.digest.type)

USER_BY_SESSION = Statement(
    select(
        *_IDENTITY,
        login_sessions.c.last_seen_at,
        login_sessions.c.remember,
        login_sessions.c.renew,
    )
    .join(users, users.c.id == login_sessions.c.user_id)
    .where(
        login_sessions.c.digest == _digest,
        is_alive(_now, bindparam("idle_since", type_=TIME)),
        users.c.disabled.is_(False),
    ),
    row=into(SessionUser),
)

USER_BY_TOKEN = Statement(
    select(*_IDENTITY, access_tokens.c.last_used_at, access_tokens.c.scopes, access_tokens.c.expires_at)
    .join(users, users.c.id == access_tokens.c.user_id)
    .where(
        access_tokens.c.digest == _digest,
        access_tokens.c.expires_at.is_(None) | (access_tokens.c.expires_at > _now),
        users.c.disabled.is_(False),
    ),
    row=into(TokenUser),
)

# Disabled ones and guests too: a name that is taken has to be told apart from a new one.
USER_BY_NAME = Statement(
    select(*_IDENTITY, users.c.disabled, user_activity.c.last_seen_at)
    .outerjoin(user_activity, user_activity.c.user_id == users.c.id)
    .where(users.c.username_key == bindparam("username_key", type_=users.c.username_key.type)),
    row=into(NamedUser),
)
TOUCH_USER = Statement(
    update(user_activity)
    .where(user_activity.c.user_id == bindparam("user_id", type_=users.c.id.type))
    .values(last_seen_at=_now)
)

# Of many sessions and tokens at once, those that still open something, and the role of their user.
_digests = bindparam("digests", type_=ARRAY(login_sessions.c.digest.type))
ROLES_OF_DIGESTS = Statement(
    select(login_sessions.c.digest, users.c.role)
    .join(users, users.c.id == login_sessions.c.user_id)
    .where(
        login_sessions.c.digest == any_(_digests),
        is_alive(_now, bindparam("idle_since", type_=TIME)),
        users.c.disabled.is_(False),
    )
    .union_all(
        select(access_tokens.c.digest, users.c.role)
        .join(users, users.c.id == access_tokens.c.user_id)
        .where(
            access_tokens.c.digest == any_(_digests),
            access_tokens.c.expires_at.is_(None) | (access_tokens.c.expires_at > _now),
            users.c.disabled.is_(False),
        )
    ),
    row=into(DigestRole),
)

# The same of accounts that somebody else signs in.
ROLES_OF_USERS = Statement(
    select(users.c.id, users.c.role).where(
        users.c.id == any_(bindparam("user_ids", type_=ARRAY(users.c.id.type))), users.c.disabled.is_(False)
    ),
    row=into(UserRole),
)

# A session or a token is marked as used together with its user, at most once a minute and by one of many requests.
_seen_before = bindparam("seen_before", type_=TIME)
_touched = (
    update(login_sessions)
    .where(login_sessions.c.digest == _digest, login_sessions.c.last_seen_at <= _seen_before)
    .values(last_seen_at=_now, ip=bindparam("ip", type_=login_sessions.c.ip.type))
    .returning(login_sessions.c.user_id)
    .cte("touched")
)
TOUCH_SESSION = Statement(
    update(user_activity).where(user_activity.c.user_id == _touched.c.user_id).values(last_seen_at=_now)
)
_used = (
    update(access_tokens)
    .where(
        access_tokens.c.digest == _digest,
        access_tokens.c.last_used_at.is_(None) | (access_tokens.c.last_used_at <= _seen_before),
    )
    .values(last_used_at=_now)
    .returning(access_tokens.c.user_id)
    .cte("used")
)
TOUCH_TOKEN = Statement(
    update(user_activity).where(user_activity.c.user_id == _used.c.user_id).values(last_seen_at=_now)
)
