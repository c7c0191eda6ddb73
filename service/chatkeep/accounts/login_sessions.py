"""Sessions of users: opened when somebody signs in, and renewed when their rights change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries, session_queries
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.queries import AnyRow
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.sessions import SessionLimits, digest_of, new_secret

MAX_USER_AGENT_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str
    user_agent: str | None
    device_cookie: str | None = None

    @property
    def shown_user_agent(self) -> str | None:
        """The part of the header that is kept; anybody can fill it with anything."""
        return self.user_agent.replace("\x00", "")[:MAX_USER_AGENT_CHARACTERS] if self.user_agent else None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just opened: `secret` goes into the cookie and is kept nowhere."""

    user: AnyRow
    secret: str
    max_age_seconds: int | None


async def open_session(
    connection: AsyncConnection,
    user: AnyRow,
    client: Client,
    *,
    now: datetime,
    limits: SessionLimits,
    replaces: bytes | None,
    remember: bool,
    data: Mapping[str, Any] | None = None,
) -> NewSession:
    """Open a session, and end the one with the digest `replaces`.

    Args:
        data: what the new session remembers from the beginning.
    """
    secret = new_secret()
    await session_queries.insert_session(
        connection,
        digest_of(secret),
        user_id=user.id,
        remember=remember,
        now=now,
        ends_at=limits.ends_at(now),
        ip=client.address,
        user_agent=client.shown_user_agent,
        data=data,
    )
    if replaces is not None:
        await session_queries.end_session(connection, replaces)
    await queries.mark_seen(connection, user.id, now)
    return NewSession(user, secret, limits.max_seconds if remember else None)


async def renew_session(database: Database, identity: Identity, client: Client, now: datetime) -> NewSession | None:
    """Give a session a new secret, as after a change of role or of the cookie's name; None where another request does
    it already.

    The old secret works for some seconds more, for requests that are under way with it.
    """
    secret = new_secret()
    async with database.transaction() as connection:
        # First, as whatever ends all sessions of a user does: it must not miss the new one.
        user = await queries.lock_user(connection, identity.user_id)
        found = await session_queries.retire_session(connection, identity.digest, now, due=not identity.exchange)
        if user is None or found is None:
            return None
        await session_queries.insert_session(
            connection,
            digest_of(secret),
            user_id=user.id,
            remember=found.remember,
            now=now,
            ends_at=found.ends_at,
            ip=client.address,
            user_agent=client.shown_user_agent,
            data=found.data,
        )
    seconds_left = int((found.ends_at - now).total_seconds())
    return NewSession(user, secret, seconds_left if found.remember else None)


async def end_other_sessions(database: Database, audit: Recorder, user_id: UUID, *, keep: bytes) -> None:
    """End every session of the user but the one with the digest `keep`."""
    async with database.transaction() as connection:
        await queries.lock_user(connection, user_id)
        ended = await session_queries.end_sessions_of(connection, user_id, keep=keep)
        await audit.record(connection, Action.SESSIONS_ENDED, user_id, ended=ended)
