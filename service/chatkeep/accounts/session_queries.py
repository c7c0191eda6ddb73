"""The rows of sessions. Whose they are is one column that this library does not look behind."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import login_sessions as s
from chatkeep.ids import new_id
from chatkeep.sessions.store import SessionLimits

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Time: TypeAlias = datetime | BindParameter[datetime]

# Requests already under way with the old cookie still find it.
RENEWAL_GRACE = timedelta(seconds=30)


def is_alive(now: Time, idle_since: Time) -> ColumnElement[bool]:
    """Return the condition of a session that is neither past its end nor idle for too long."""
    return (s.c.expires_at > now) & (s.c.last_seen_at > idle_since)


async def insert_session(
    connection: AsyncConnection,
    digest: bytes,
    *,
    user_id: UUID | None,
    remember: bool,
    now: datetime,
    ends_at: datetime,
    ip: str | None,
    user_agent: str | None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Keep a new session under the digest of its secret.

    Args:
        data: the attributes of the session, as JSON.
    """
    await connection.execute(
        insert(s).values(
            digest=digest,
            id=new_id(),
            user_id=user_id,
            remember=remember,
            created_at=now,
            last_seen_at=now,
            expires_at=ends_at,
            ip=ip,
            user_agent=user_agent,
            data=dict(data or {}),
        )
    )


async def sessions_of(
    connection: AsyncConnection,
    user_id: UUID,
    *,
    now: datetime,
    limits: SessionLimits,
    after: UUID | None,
    limit: int,
) -> Sequence[AnyRow]:
    """Return at most `limit` live sessions of one user, newest first, from after the id `after`."""
    query = (
        select(s.c.digest, s.c.id, s.c.created_at, s.c.last_seen_at, s.c.expires_at, s.c.ip, s.c.user_agent)
        .where(s.c.user_id == user_id, is_alive(now, limits.idle_since(now)))
        .order_by(s.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(s.c.id < after)
    return (await connection.execute(query)).all()


async def addresses_of(connection: AsyncConnection, user_id: UUID, *, limit: int) -> Sequence[str]:
    """Return where the user's newest sessions were used last."""
    query = select(s.c.ip).where(s.c.user_id == user_id, s.c.ip.is_not(None)).order_by(s.c.id.desc()).limit(limit)
    return (await connection.execute(query)).scalars().all()


async def session_exists(connection: AsyncConnection, digest: bytes) -> bool:
    return (await connection.execute(select(s.c.digest).where(s.c.digest == digest))).first() is not None


async def end_session(connection: AsyncConnection, digest: bytes) -> UUID | None:
    """End a session; return whose it was, or None where there was none or it was nobody's."""
    ended = await connection.execute(delete(s).where(s.c.digest == digest).returning(s.c.user_id))
    return ended.scalar_one_or_none()


async def end_session_by_id(connection: AsyncConnection, user_id: UUID, session_id: UUID) -> bool:
    """End one of the user's sessions; False where it is not theirs or not there."""
    ended = await connection.execute(delete(s).where(s.c.user_id == user_id, s.c.id == session_id))
    return ended.rowcount > 0


async def end_sessions_of(connection: AsyncConnection, user_id: UUID, *, keep: bytes | None = None) -> int:
    """End every session of the user but the one with the digest `keep`; return how many."""
    query = delete(s).where(s.c.user_id == user_id)
    if keep is not None:
        query = query.where(s.c.digest != keep)
    return (await connection.execute(query)).rowcount


async def ask_renewal(connection: AsyncConnection, user_id: UUID) -> None:
    """Have each of the user's sessions get a new id on its next request."""
    await connection.execute(update(s).where(s.c.user_id == user_id).values(renew=True))


async def retire_session(
    connection: AsyncConnection, digest: bytes, now: datetime, *, due: bool = True
) -> AnyRow | None:
    """Let a session that is being renewed end soon; return `remember`, `data` and when it would have ended.

    None where another request was first, and where it ends soon anyway.

    Args:
        due: only one that is to be renewed; otherwise any.
    """
    soon = now + RENEWAL_GRACE
    query = select(s.c.remember, s.c.data, s.c.expires_at.label("ends_at"))
    query = query.where(s.c.digest == digest, s.c.expires_at > soon).with_for_update()
    found = (await connection.execute(query.where(s.c.renew) if due else query)).one_or_none()
    if found is not None:
        await connection.execute(update(s).where(s.c.digest == digest).values(renew=False, expires_at=soon))
    return found


async def sweep_sessions(connection: AsyncConnection, now: datetime, limits: SessionLimits) -> int:
    """Delete the rows of sessions that are over; return how many."""
    expired = await connection.execute(delete(s).where(s.c.expires_at <= now))
    # Sessions with limits of their own have them in expires_at.
    unused = delete(s).where(s.c.last_seen_at <= limits.idle_since(now), s.c.ends_at.is_(None))
    idle = await connection.execute(unused)
    return expired.rowcount + idle.rowcount
