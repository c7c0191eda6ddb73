"""Queries on users, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    Select,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from chatkeep.accounts.usernames import pairs_of_key, search_key, username_key
from chatkeep.chat.search.matching import SearchedText
from chatkeep.chat.search.query import Term, part_of_name
from chatkeep.database.tables import user_activity, users

# Read at once where few of those who may be meant are.
MORE_USERS = 500


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
    if not filters.q:
        return (await connection.execute(_filtered(filters, after).limit(limit))).all()
    query, part = _with_pairs_of(filters.q), part_of_name(filters.q)
    found: list[Row[Any]] = []
    many = limit
    while len(found) < limit:
        rows = (await connection.execute(_filtered(filters, after).where(query).limit(many))).all()
        found += [row for row in rows if _is_named(row, part)]
        if len(rows) < many:
            break
        after, many = rows[-1].id, MORE_USERS
    return found[:limit]


def _filtered(filters: UserFilters, after: UUID | None) -> Select[Any]:
    query = _users().order_by(users.c.id.desc())
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
    return query


def _with_pairs_of(q: str) -> ColumnElement[bool]:
    """Whether a user may have it in a name, by the index of pairs of characters: as either kind of them has it."""
    words = " ".join(q.split())
    keys = {username_key(words), search_key(words)}
    if any(len(key) < 2 for key in keys):
        return true()
    return or_(*(users.c.name_pairs.contains(pairs_of_key(key)) for key in sorted(keys)))


def _is_named(user: Row[Any], part: Term) -> bool:
    names = (user.username, user.email, user.display_name)
    return any(SearchedText(name).has(part) for name in names if name)


async def user_with_counts(connection: AsyncConnection, user_id: UUID) -> Row[Any] | None:
    return (await connection.execute(_users().where(users.c.id == user_id))).one_or_none()


async def user_id_by_name(connection: AsyncConnection, username: str) -> UUID | None:
    query = select(users.c.id).where(users.c.username_key == username_key(username))
    return (await connection.execute(query)).scalar_one_or_none()
