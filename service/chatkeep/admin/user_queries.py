"""Queries on users, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    Select,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from chatkeep.accounts.usernames import character_pairs, username_key
from chatkeep.database.tables import user_activity, users


@dataclass(frozen=True, slots=True)
class UserFilters:
    q: str | None = None
    role: str | None = None
    disabled: bool | None = None
    held: bool | None = None
    guest: bool | None = None


def _users() -> Select[Any]:
    return select(
        users,
        func.coalesce(user_activity.c.conversation_count, 0).label("conversation_count"),
        func.coalesce(user_activity.c.turn_count, 0).label("turn_count"),
        user_activity.c.last_seen_at,
    ).outerjoin(user_activity, user_activity.c.user_id == users.c.id)


async def users_page(
    connection: AsyncConnection, filters: UserFilters, *, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Return at most `limit` users, newest first, from after the id `after`."""
    query = _users().order_by(users.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(users.c.id < after)
    if filters.role is not None:
        query = query.where(users.c.role == filters.role)
    if filters.disabled is not None:
        query = query.where(users.c.disabled if filters.disabled else users.c.disabled.is_(False))
    if filters.held is not None:
        query = query.where(users.c.legal_hold if filters.held else users.c.legal_hold.is_(False))
    if filters.guest is not None:
        query = query.where(users.c.is_guest if filters.guest else users.c.is_guest.is_(False))
    if filters.q:
        query = _with_part_of_name(query, filters.q)
    return (await connection.execute(query)).all()


def _with_part_of_name(query: Select[Any], part: str) -> Select[Any]:
    """By the index of pairs of characters, and then exactly."""
    named = or_(
        func.strpos(users.c.username_key, username_key(part)) > 0,
        *(func.strpos(_folded(column), _folded(literal(part))) > 0 for column in (users.c.email, users.c.display_name)),
    )
    if pairs := character_pairs(part):
        query = query.where(users.c.name_pairs.contains(pairs))
    return query.where(named)


def _folded(text: ColumnElement[Any]) -> ColumnElement[str]:
    return func.lower(func.normalize(text, literal_column("NFKC")))


async def user_with_counts(connection: AsyncConnection, user_id: UUID) -> Row[Any] | None:
    return (await connection.execute(_users().where(users.c.id == user_id))).one_or_none()


async def user_id_by_name(connection: AsyncConnection, username: str) -> UUID | None:
    query = select(users.c.id).where(users.c.username_key == username_key(username))
    return (await connection.execute(query)).scalar_one_or_none()
