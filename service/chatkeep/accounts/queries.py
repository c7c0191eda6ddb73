"""Users, and who is asking: one statement a function, and none commits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.lookalikes import skeleton_digests
from chatkeep.accounts.usernames import character_pairs, username_key
from chatkeep.database.tables import (
    conversations,
    user_activity,
    users,
)
from chatkeep.errors import NotFound
from chatkeep.ids import new_id
from chatkeep.statistics.outbox import note_user

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

ADMINISTRATORS_LOCK = 0x61646D69  # "admi"


async def insert_user(
    connection: AsyncConnection,
    *,
    username: str,
    username_key: str,
    password_hash: str | None,
    now: datetime,
    email: str | None = None,
    role: str = "user",
    is_guest: bool = False,
) -> AnyRow | None:
    """Keep a new user; return it, or None where the name is taken.

    Guests are not compared with names that look alike: nobody chose theirs.
    """
    new = postgresql.insert(users).values(
        id=new_id(),
        username=username,
        username_key=username_key,
        password_hash=password_hash,
        email=email,
        role=role,
        is_guest=is_guest,
        created_at=now,
        name_pairs=character_pairs(username, email),
        name_skeletons=None if is_guest else skeleton_digests(username),
    )
    user = (await connection.execute(new.on_conflict_do_nothing().returning(users))).one_or_none()
    if user is not None:
        await connection.execute(insert(user_activity).values(user_id=user.id, last_seen_at=now))
        if not is_guest:
            await note_user(connection, user.id, now)
    return user


async def user_by_key(connection: AsyncConnection, username_key: str) -> AnyRow | None:
    found = await connection.execute(select(users).where(users.c.username_key == username_key))
    return found.one_or_none()


async def require_user_by_key(connection: AsyncConnection, username_key: str) -> AnyRow:
    """Return the user.

    Raises:
        NotFound: no such name.
    """
    if (user := await user_by_key(connection, username_key)) is None:
        raise NotFound("There is no user of that name.")
    return user


async def user_by_id(connection: AsyncConnection, user_id: UUID) -> AnyRow | None:
    return (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()


async def lock_user(connection: AsyncConnection, user_id: UUID) -> AnyRow | None:
    """Return the user, and keep the row as it is until the transaction ends.

    Whatever decides by a user's row, or changes several of a user's rows, takes this lock first: a sign-in that
    meets a change of password waits for it and then sees it. It does not stand in the way of conversations and
    turns, whose foreign keys only share the row's key.
    """
    query = select(users).where(users.c.id == user_id).with_for_update(key_share=True)
    return (await connection.execute(query)).one_or_none()


def fewer(counter: ColumnElement[int], by: int) -> ColumnElement[int]:
    """Return a counter less so many, and 0 where it would be below: whatever it holds, the rest of the act is done."""
    taken = max(by, 0)
    return func.greatest(counter, taken, type_=BigInteger) - taken


async def mark_seen(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    await connection.execute(update(user_activity).where(user_activity.c.user_id == user_id).values(last_seen_at=now))


async def update_user(connection: AsyncConnection, user_id: UUID, changes: Mapping[str, object]) -> AnyRow | None:
    """Change some columns; return the user as it is now, or None where there is none."""
    changed = await connection.execute(update(users).where(users.c.id == user_id).values(**changes).returning(users))
    return changed.one_or_none()


async def update_profile(connection: AsyncConnection, user_id: UUID, changes: Mapping[str, object]) -> AnyRow | None:
    """Change the e-mail address or the display name, and what they are found by."""
    user = await lock_user(connection, user_id)
    if user is None or not changes:
        return user
    names = {"email": user.email, "display_name": user.display_name, **changes}
    pairs = character_pairs(user.username, *(str(name) if name else None for name in names.values()))
    return await update_user(connection, user_id, {**changes, "name_pairs": pairs})


async def delete_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Delete a user and, by the foreign keys, every row of their own that is left."""
    await connection.execute(delete(users).where(users.c.id == user_id))


async def delete_conversations_of(connection: AsyncConnection, user_id: UUID) -> None:
    """Delete the user's conversations and, by the foreign keys, their turns."""
    await connection.execute(delete(conversations).where(conversations.c.user_id == user_id))


async def delete_activity_of(connection: AsyncConnection, user_id: UUID) -> AnyRow | None:
    """Delete the counters of a user, and return them."""
    deleted = delete(user_activity).where(user_activity.c.user_id == user_id).returning(user_activity)
    return (await connection.execute(deleted)).one_or_none()


async def lock_administrators(connection: AsyncConnection) -> None:
    """Have one transaction at a time decide who is an administrator, until this one ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(ADMINISTRATORS_LOCK)))


async def preferred_administrator(connection: AsyncConnection, preferred: str) -> AnyRow | None:
    """Return name, hash and `disabled` of an administrator: one who can sign in before others, the oldest.

    Args:
        preferred: the name of one that comes before older ones.
    """
    query = (
        select(users.c.username, users.c.password_hash, users.c.disabled)
        .where(users.c.role == "admin")
        .order_by(users.c.disabled, users.c.username_key != username_key(preferred), users.c.id)
        .limit(1)
    )
    return (await connection.execute(query)).one_or_none()


async def administrator_exists(connection: AsyncConnection, *, besides: UUID | None = None) -> bool:
    """Tell whether there is an administrator; with `besides`, whether another one can sign in."""
    query = select(users.c.id).where(users.c.role == "admin").limit(1)
    if besides is not None:
        query = query.where(users.c.id != besides, users.c.disabled.is_(False))
    return (await connection.execute(query)).first() is not None


async def oldest_administrator(connection: AsyncConnection) -> AnyRow | None:
    """Return the oldest administrator who can sign in, or None."""
    query = select(users).where(users.c.role == "admin", users.c.disabled.is_(False))
    return (await connection.execute(query.order_by(users.c.created_at, users.c.id).limit(1))).first()
