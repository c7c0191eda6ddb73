"""Conversations past their retention: found user by user, by index, and deleted a batch at a time. None commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.file_queries import check_files_of
from chatkeep.accounts.queries import AnyRow, fewer, lock_user
from chatkeep.database.tables import conversations, turns, user_activity, users

RETENTION_LOCK = 0x72657465  # "rete"

_c = conversations.c


@dataclass(frozen=True, slots=True)
class Rule:
    """The conversations of a role, due where nobody has written in them since a time."""

    role: str
    unused_since: datetime

    def is_due(self) -> ColumnElement[bool]:
        """A reply that is being generated is never taken away from under its generation."""
        return and_(_c.last_turn_at < self.unused_since, _c.streaming_turn_id.is_(None))

    def covers(self, user: AnyRow) -> bool:
        return not user.legal_hold and self.role == ("guest" if user.is_guest else user.role)

    def users(self) -> list[ColumnElement[bool]]:
        if self.role == "guest":
            return [users.c.is_guest, users.c.legal_hold.is_(False)]
        return [users.c.role == self.role, users.c.is_guest.is_(False), users.c.legal_hold.is_(False)]


async def take_turns(connection: AsyncConnection, *, wait: bool) -> bool:
    """Have one process at a time delete, until this transaction ends; False where another one does."""
    if wait:
        await connection.execute(select(func.pg_advisory_xact_lock(RETENTION_LOCK)))
        return True
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(RETENTION_LOCK))))


async def users_page(connection: AsyncConnection, rule: Rule, *, after: UUID | None, limit: int) -> Sequence[AnyRow]:
    """Return at most `limit` users, from after the id `after`, and of each whether any of their data `is_due`.

    Each is looked up in the index by user and last turn: asked for those alone who have something, PostgreSQL would
    read all conversations where few have.
    """
    page = select(users.c.id).where(*rule.users()).order_by(users.c.id).limit(limit)
    if after is not None:
        page = page.where(users.c.id > after)
    found = page.subquery("page")
    due = select(_c.id).where(_c.user_id == found.c.id, rule.is_due()).order_by(_c.last_turn_at).limit(1).lateral("due")
    query = select(found.c.id, due.c.id.is_not(None).label("is_due")).select_from(found.outerjoin(due, true()))
    return (await connection.execute(query.order_by(found.c.id))).all()


async def due_conversations(
    connection: AsyncConnection, rule: Rule, user_id: UUID, *, after: AnyRow | None, limit: int
) -> Sequence[AnyRow]:
    """Return a user's conversations that are due, longest unused first, from after the row `after`."""
    query = (
        select(_c.id, _c.last_turn_at, _c.turn_count)
        .where(_c.user_id == user_id, rule.is_due())
        .order_by(_c.last_turn_at, _c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(_c.last_turn_at, _c.id) > tuple_(after.last_turn_at, after.id))
    return (await connection.execute(query)).all()


async def delete_due(connection: AsyncConnection, rule: Rule, user_id: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
    """Delete those of a user's conversations that are still due, with their turns; return how many turns each had.

    Locks are taken as everywhere: user, conversation, turns, counters. Somebody who goes on with a conversation at
    this moment is either first, and it stays, or finds it gone.
    """
    user = await lock_user(connection, user_id)
    if user is None or not rule.covers(user):
        return []
    due = and_(_c.user_id == user_id, _c.id.in_(ids), rule.is_due())
    # First, so that no turn begins behind the look at their files.
    await connection.execute(select(_c.id).where(due).order_by(_c.id).with_for_update())
    await check_files_of(connection, user_id, turns.c.conversation_id.in_(ids))
    gone = (await connection.execute(delete(conversations).where(due).returning(_c.turn_count))).scalars().all()
    await connection.execute(
        update(user_activity)
        .where(user_activity.c.user_id == user_id)
        .values(
            conversation_count=fewer(user_activity.c.conversation_count, len(gone)),
            turn_count=fewer(user_activity.c.turn_count, sum(gone)),
        )
    )
    return gone
