"""The rows of links that set a password."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.queries import AnyRow
from chatkeep.database.tables import password_links, users

_l = password_links.c


async def insert_link(
    connection: AsyncConnection, digest: bytes, *, user_id: UUID, kind: str, now: datetime, expires_at: datetime
) -> None:
    values = {"digest": digest, "user_id": user_id, "kind": kind, "created_at": now, "expires_at": expires_at}
    await connection.execute(insert(password_links).values(**values))


async def user_of_link(connection: AsyncConnection, digest: bytes, now: datetime) -> AnyRow | None:
    """Return the user whom a link that still works is for, with its `kind` and when it ends."""
    query = select(users.c.id, users.c.username, _l.kind, _l.expires_at).join(users, users.c.id == _l.user_id)
    query = query.where(_l.digest == digest, _l.expires_at > now, users.c.disabled.is_(False))
    return (await connection.execute(query)).one_or_none()


async def link_of_user(connection: AsyncConnection, user_id: UUID, now: datetime) -> AnyRow | None:
    """Return the kind and the end of the link that a user can still use; never what it is found by."""
    query = select(_l.kind, _l.created_at, _l.expires_at).where(_l.user_id == user_id, _l.expires_at > now)
    return (await connection.execute(query)).one_or_none()


async def take_link(connection: AsyncConnection, digest: bytes, user_id: UUID, now: datetime) -> bool:
    """Use a link up; False where another request was faster, or it has ended."""
    taken = delete(password_links).where(_l.digest == digest, _l.user_id == user_id, _l.expires_at > now)
    return (await connection.execute(taken)).rowcount > 0


async def delete_links_of(connection: AsyncConnection, user_id: UUID) -> int:
    return (await connection.execute(delete(password_links).where(_l.user_id == user_id))).rowcount


async def sweep_links(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(delete(password_links).where(_l.expires_at <= now))
