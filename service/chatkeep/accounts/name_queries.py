"""Skeletons of names, which are compared: kept with each account, looked up, filled in for old ones. None commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, bindparam, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.lookalikes import skeleton_digests
from chatkeep.accounts.queries import AnyRow
from chatkeep.database.tables import users

NAMES_LOCK = 0x6E616D65  # "name"
_LOCK_KEY_BYTES = 4


async def lock_names(connection: AsyncConnection, digests: Sequence[bytes]) -> None:
    """Have one transaction at a time take a name with one of these skeletons, until this one ends.

    No unique index can do it: accounts that were there before may look alike. A statement of its own, for one that
    waits sees the rows as they were before it waited. In order, so that two do not wait for each other.
    """
    keys = sorted(int.from_bytes(each[:_LOCK_KEY_BYTES], signed=True) for each in digests)
    key = func.unnest(cast(literal(keys, ARRAY(Integer)), ARRAY(Integer))).column_valued("key")
    await connection.execute(select(func.pg_advisory_xact_lock(NAMES_LOCK, key)))


async def user_with_skeleton(
    connection: AsyncConnection, digests: Sequence[bytes], *, besides: str | None = None
) -> AnyRow | None:
    """Return an account whose name has one of these skeletons, but for the one with the key `besides`."""
    query = select(users).where(users.c.name_skeletons.overlap(list(digests)))
    if besides is not None:
        query = query.where(users.c.username_key != besides)
    return (await connection.execute(query.limit(1))).one_or_none()


async def user_named_like(connection: AsyncConnection, key: str, digests: Sequence[bytes]) -> AnyRow | None:
    """Return an account with this key or one of these skeletons, in one look-up of two indexes."""
    like = users.c.name_skeletons.overlap(list(digests))
    query = select(users).where((users.c.username_key == key) | like).limit(1)
    return (await connection.execute(query)).one_or_none()


async def fill_skeletons(connection: AsyncConnection, *, limit: int) -> int:
    """Keep what names are compared by for accounts that have none yet; return of how many.

    Rows that somebody is changing are left for the next time: nobody waits for this, and it waits for nobody.
    """
    due = select(users.c.id, users.c.username).where(users.c.name_skeletons.is_(None), ~users.c.is_guest)
    locked = due.order_by(users.c.id).limit(limit).with_for_update(key_share=True, skip_locked=True)
    found = (await connection.execute(locked)).all()
    if found:
        filled: list[dict[str, Any]] = [{"user_id": row.id, "digests": skeleton_digests(row.username)} for row in found]
        await connection.execute(
            update(users)
            .where(users.c.id == bindparam("user_id"))
            .values(name_skeletons=bindparam("digests", type_=users.c.name_skeletons.type)),
            filled,
        )
    return len(found)
