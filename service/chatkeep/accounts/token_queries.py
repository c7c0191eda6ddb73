"""Access tokens: one statement a function, and none commits."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.scopes import ALL_SCOPES
from chatkeep.database.tables import access_tokens, users
from chatkeep.ids import new_id


async def insert_token(
    connection: AsyncConnection,
    digest: bytes,
    *,
    user_id: UUID,
    name: str,
    now: datetime,
    expires_at: datetime | None,
    scopes: Sequence[str],
) -> AnyRow:
    token = {"digest": digest, "id": new_id(), "user_id": user_id, "name": name, "scopes": scopes}
    kept = await connection.execute(
        insert(access_tokens).values(**token, created_at=now, expires_at=expires_at).returning(access_tokens)
    )
    return kept.one()


async def tokens_of(connection: AsyncConnection, user_id: UUID, *, after: UUID | None, limit: int) -> Sequence[AnyRow]:
    query = select(access_tokens).where(access_tokens.c.user_id == user_id)
    if after is not None:
        query = query.where(access_tokens.c.id < after)
    return (await connection.execute(query.order_by(access_tokens.c.id.desc()).limit(limit))).all()


async def count_tokens(connection: AsyncConnection, user_id: UUID, now: datetime) -> int:
    """Return how many of the user's tokens have not ended."""
    kept = access_tokens.c
    query = select(func.count()).where(kept.user_id == user_id, kept.expires_at.is_(None) | (kept.expires_at > now))
    return (await connection.execute(query)).scalar_one()


async def delete_token(connection: AsyncConnection, user_id: UUID, token_id: UUID) -> bool:
    deleted = await connection.execute(
        delete(access_tokens).where(access_tokens.c.user_id == user_id, access_tokens.c.id == token_id)
    )
    return deleted.rowcount > 0


async def owner_of_unlimited(connection: AsyncConnection) -> str | None:
    """Return the name of somebody with a token that may do everything; None where nobody has one."""
    query = select(users.c.username).join(access_tokens, access_tokens.c.user_id == users.c.id)
    query = query.where(access_tokens.c.scopes.contains(list(ALL_SCOPES))).limit(1)
    return (await connection.execute(query)).scalar_one_or_none()


async def token_exists(connection: AsyncConnection, digest: bytes) -> bool:
    query = select(access_tokens.c.digest).where(access_tokens.c.digest == digest)
    return (await connection.execute(query)).first() is not None


async def delete_tokens_of(connection: AsyncConnection, user_id: UUID) -> int:
    """End every token of the user; return how many."""
    return (await connection.execute(delete(access_tokens).where(access_tokens.c.user_id == user_id))).rowcount


async def sweep_tokens(connection: AsyncConnection, now: datetime) -> None:
    """Delete tokens that have expired."""
    await connection.execute(delete(access_tokens).where(access_tokens.c.expires_at <= now))
