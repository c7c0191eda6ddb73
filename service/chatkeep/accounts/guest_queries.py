"""The rows of guests: found, locked, moved to an account, found again when nobody used them. None commits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.session_queries import is_alive
from chatkeep.database.driver_errors import constraint_of
from chatkeep.database.tables import (
    access_tokens,
    api_turns,
    conversations,
    file_pieces,
    file_usage,
    files,
    imported_conversations,
    imported_turns,
    login_sessions,
    password_links,
    reasoning_entries,
    reasoning_search,
    reply_fragments,
    statistics_notes,
    turn_entries,
    turn_files,
    turn_search,
    turns,
    unsettled_turns,
    unusual_turns,
    user_activity,
    users,
)
from chatkeep.database.user_lexeme import reassign_lexemes, reassign_older_lexemes
from chatkeep.ids import earliest_id
from chatkeep.sessions.store import SessionLimits

# Every table with a `user_id` is in one of the two, and a test holds it to that.
# Conversations of a guest go to the account that they sign in to. Parents first: rows are copied in this order.
MOVED: tuple[Table, ...] = (
    conversations,
    turns,
    unsettled_turns,
    unusual_turns,
    reply_fragments,
    turn_entries,
    reasoning_entries,
    turn_search,
    reasoning_search,
    imported_conversations,
    imported_turns,
    files,
    file_pieces,
    turn_files,
    api_turns,
)
# Rows that only make the guest a guest end with them; counters are added to the account's, notes to the statistics.
ENDED: tuple[Table, ...] = (login_sessions, access_tokens, password_links, user_activity, statistics_notes, file_usage)

SEARCH_ENTRIES = (turn_entries, reasoning_entries)
OLDER_SEARCH_ENTRIES = (turn_search, reasoning_search)

# The rows that others lock before a turn's counters, in the order in which they do.
_LOCKED_FIRST = (conversations, turns)


async def guest_of_session(
    connection: AsyncConnection, digest: bytes, now: datetime, limits: SessionLimits
) -> AnyRow | None:
    """Return the id of the guest who has the session and what it remembers; None where it is over or no guest's."""
    query = (
        select(users.c.id, login_sessions.c.data)
        .join(users, users.c.id == login_sessions.c.user_id)
        .where(
            login_sessions.c.digest == digest,
            is_alive(now, limits.idle_since(now)),
            users.c.is_guest,
            users.c.disabled.is_(False),
        )
    )
    return (await connection.execute(query)).one_or_none()


async def promote(connection: AsyncConnection, user_id: UUID, changes: Mapping[str, object]) -> AnyRow | None:
    """Make a guest an account; return it, or None where the name is taken: the transaction can only be ended then."""
    query = update(users).where(users.c.id == user_id).values(is_guest=False, **changes).returning(users)
    try:
        return (await connection.execute(query)).one_or_none()
    except IntegrityError as error:
        if not constraint_of(error).startswith("uq_users_username_key"):
            raise
        return None


async def lock_content(connection: AsyncConnection, user_id: UUID, *, wait: bool = True) -> None:
    """Keep a user's conversations and turns as they are until the transaction ends.

    Raises:
        DatabaseUnavailable: without `wait`, where one of them is somebody else's right now.
    """
    for table in _LOCKED_FIRST:
        query = select(table.c.id).where(table.c.user_id == user_id).order_by(table.c.id)
        await connection.execute(query.with_for_update(nowait=not wait))


async def lock_counters(connection: AsyncConnection, user_id: UUID) -> AnyRow:
    query = select(user_activity).where(user_activity.c.user_id == user_id).with_for_update()
    return (await connection.execute(query)).one()


async def copy_rows(connection: AsyncConnection, table: Table, from_user: UUID, to_user: UUID) -> None:
    """Copy all of a user's rows to another one; the originals stay.

    Not an update: the tables may be distributed by `user_id`, which then cannot be changed.
    """
    columns = [column for column in table.c if column.computed is None]
    names = [column.key for column in columns]
    changed: dict[Any, Any] = {
        table.c.user_id: literal(to_user, table.c.user_id.type),
        **{each.c.lexemes: reassign_lexemes(each.c.lexemes, from_user, to_user) for each in SEARCH_ENTRIES},
        **{each.c.lexemes: reassign_older_lexemes(each.c.lexemes, from_user, to_user) for each in OLDER_SEARCH_ENTRIES},
    }
    values: list[Any] = [changed[column].label(column.name) if column in changed else column for column in columns]
    copied = postgresql.insert(table).from_select(names, select(*values).where(table.c.user_id == from_user))
    if table is imported_conversations:
        # Both may have imported the same; then the account's own is what importing it again finds.
        copied = copied.on_conflict_do_nothing()
    await connection.execute(copied)


async def add_counters(connection: AsyncConnection, user_id: UUID, more: AnyRow) -> None:
    counters = user_activity.c
    await connection.execute(
        update(user_activity)
        .where(counters.user_id == user_id)
        .values(
            conversation_count=counters.conversation_count + more.conversation_count,
            turn_count=counters.turn_count + more.turn_count,
        )
    )


async def unused_guests(
    connection: AsyncConnection, unused_since: datetime, *, after: UUID | None, limit: int
) -> Sequence[UUID]:
    """Return ids of guests who were last seen at `unused_since` or before, oldest first, from after the id `after`.

    Ids are made in the order of time: who is younger than that is not looked at.
    """
    query = (
        select(users.c.id)
        .join(user_activity, user_activity.c.user_id == users.c.id)
        .where(users.c.is_guest, users.c.legal_hold.is_(False))
        .where(users.c.id < earliest_id(unused_since), user_activity.c.last_seen_at <= unused_since)
        .order_by(users.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(users.c.id > after)
    return (await connection.execute(query)).scalars().all()


async def lock_unused_guest(connection: AsyncConnection, user_id: UUID, unused_since: datetime) -> bool:
    """Lock a guest to be swept away; False: in use again, registered, under hold, or another process's to sweep."""
    guest = select(users.c.id).where(users.c.id == user_id, users.c.is_guest, users.c.legal_hold.is_(False))
    if (await connection.execute(guest.with_for_update(key_share=True, skip_locked=True))).first() is None:
        return False
    seen = select(user_activity.c.user_id).where(
        user_activity.c.user_id == user_id, user_activity.c.last_seen_at <= unused_since
    )
    return (await connection.execute(seen)).first() is not None
