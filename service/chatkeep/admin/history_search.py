"""Turns of all users by what they say and by an administrator's other filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    column,
    func,
    literal,
    select,
    table,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.search.candidates import (
    LEXEMES,
    ScanRow,
    asked_texts,
    entries_of,
    has_lexemes,
    newest_ended,
    newest_fitting,
    to_scan_result,
    with_end,
)
from chatkeep.chat.search.filters import Filters
from chatkeep.chat.search.index_queries import texts_from_row
from chatkeep.chat.search.older import older_tsquery
from chatkeep.chat.search.older_queries import ANY_OLDER_AT_ALL, older_matches
from chatkeep.chat.search.older_release_queries import OLDER_OF
from chatkeep.chat.search.query import SearchQuery
from chatkeep.chat.search.search import Candidate, ScanResult, Search
from chatkeep.database.statement import Row
from chatkeep.database.tables import conversations, turns, user_activity
from chatkeep.database.user_lexeme import older_user_mark, user_lexeme

_t = turns.c
_c = conversations.c
_a = user_activity.c

# As PostgreSQL last counted them.
_ABOUT_ALL_TURNS = (
    select(column("reltuples", Float))
    .select_from(table("pg_class"))
    .where(column("oid") == func.to_regclass(turns.name))
    .scalar_subquery()
)

Filter = Callable[[Select[Any]], Select[Any]]
NewestFirst = Callable[[Select[Any], UUID], Select[Any]]


@dataclass(frozen=True, slots=True)
class AnyCandidate(Candidate):
    """Anyone's turn that may fit."""

    user_id: UUID

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(row["turn_id"], (row["title"],) if "title" in row else texts_from_row(row), row["user_id"])

    def passes(self, _: Filters, /) -> bool:
        return True  # the statement had them


class AnyTurns:
    """The turns that pass an administrator's other filters.

    Args:
        filtered: puts the other filters on a query of `turns`.
        newest: the same, and from after a turn in order.
        user_id: of whom, where one of them is about a user.
        by_user_alone: no other of them is given.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        asked: SearchQuery,
        filtered: Filter,
        newest: NewestFirst,
        *,
        user_id: UUID | None,
        by_user_alone: bool,
    ) -> None:
        self._connection = connection
        self._filtered = filtered
        self._newest = newest
        self._user_id = user_id
        self._by_user_alone = by_user_alone
        self._asked = asked
        self._entries = entries_of(asked)
        # No entry has the words of titles.
        conditions = [] if asked.in_title else asked.conditions
        self._conditions = [literal(each, LEXEMES) for each in conditions]
        self.can_use_index = bool(conditions)

    async def just_ended(self, after: UUID) -> Sequence[AnyCandidate]:
        user_id = None if self._user_id is None else literal(self._user_id)
        found = newest_ended(literal(after), user_id=user_id).cte("found")
        return [AnyCandidate.from_row(row) for row in await self._rows(self._filtered(self._with_texts(found)))]

    async def scan(self, after: UUID, turns: int, limit: int) -> ScanResult[AnyCandidate]:
        # As a constant, of which there are two: for any number PostgreSQL would prepare for many.
        many = bindparam("turns", turns, Integer, literal_execute=True)
        if self._by_user_alone:
            user_id = None if self._user_id is None else literal(self._user_id)
            fitting, ids = newest_fitting(literal(after), many, self._conditions, self._entries, user_id=user_id)
        else:
            window = self._newest(select(_t.user_id, _t.id), after).limit(many)
            fitting, ids = self._of_turns(window), window.with_only_columns(_t.id)
        found = fitting.limit(limit).cte("found").prefix_with("MATERIALIZED")
        shown = self._with_texts(found)
        query = with_end(shown, ids, found=found, limit=literal(limit), history=self._history())
        rows = [ScanRow.from_row(AnyCandidate.from_row, row) for row in await self._rows(query)]
        return to_scan_result(rows, turns)

    def _history(self) -> ColumnElement[Any]:
        if self._user_id is None:
            return _ABOUT_ALL_TURNS
        return select(_a.turn_count).where(_a.user_id == self._user_id).scalar_subquery()

    def _of_turns(self, window: Select[Any]) -> Select[Any]:
        newest, _s = window.subquery("newest"), self._entries.c
        # One by one, and no further than to the last that is wanted.
        entry = (
            select(_s.turn_id)
            .where(
                _s.user_id == newest.c.user_id,
                _s.turn_id == newest.c.id,
                *has_lexemes(_s.lexemes, self._conditions),
            )
            .limit(1)
            .lateral("entry")
        )
        found = select(newest.c.user_id, newest.c.id.label("turn_id")).join(entry, true())
        return found.order_by(newest.c.id.desc())

    async def index_lookup(self, after: UUID, limit: int) -> Sequence[AnyCandidate]:
        _s = self._entries.c
        says_it = and_(*has_lexemes(_s.lexemes, self._conditions))
        if self._user_id is not None:
            says_it = and_(_s.lexemes.contains(literal([user_lexeme(self._user_id)], LEXEMES)), says_it)
        return await self._of_entries(select(_s.user_id, _s.turn_id).where(says_it), after, limit)

    async def older(self, after: UUID, limit: int) -> Sequence[AnyCandidate]:
        if not (await self._connection.execute(ANY_OLDER_AT_ALL)).first():
            return []
        mark = None if self._user_id is None else f"'{older_user_mark(self._user_id)}'"
        tsquery = None if self._asked.in_title else older_tsquery(self._asked)
        return await self._of_entries(older_matches(OLDER_OF[self._entries.name], mark, tsquery), after, limit)

    async def _of_entries(self, entries: Select[Any], after: UUID, limit: int) -> Sequence[AnyCandidate]:
        # By itself: together with an order, or with whose it is, PostgreSQL may take the index of that, and read all
        # turns for a rare word.
        entry = entries.cte("entry").prefix_with("MATERIALIZED")
        query = select(entry.c.user_id, entry.c.turn_id).where(entry.c.turn_id < after)
        if self._user_id is not None:
            query = query.where(entry.c.user_id == self._user_id)
        if self._by_user_alone:
            query = query.order_by(entry.c.turn_id.desc()).limit(limit)
        found = query.cte("found").prefix_with("MATERIALIZED")
        newest = self._filtered(self._with_texts(found)).order_by(_t.id.desc()).limit(limit)
        return [AnyCandidate.from_row(row) for row in await self._rows(newest)]

    def _with_texts(self, found: FromClause) -> Select[Any]:
        texts = [_title_of_newest()] if self._asked.in_title else asked_texts(self._entries)
        return select(_t.user_id, _t.id.label("turn_id"), *texts).join_from(
            found, turns, and_(_t.user_id == found.c.user_id, _t.id == found.c.turn_id)
        )

    async def _rows(self, query: Select[Any]) -> list[Row]:
        return list((await self._connection.execute(query)).mappings().all())


def _title_of_newest() -> ColumnElement[Any]:
    """The title of a turn's conversation, of which it is the newest; null of others, so that each is found once."""
    own = and_(_c.user_id == _t.user_id, _c.id == _t.conversation_id, _c.head_turn_id == _t.id)
    return select(_c.title).where(own).correlate(turns).scalar_subquery().label("title")


async def found_turns(
    asked: SearchQuery, source: AnyTurns, *, after: UUID | None, limit: int
) -> list[tuple[UUID, UUID]]:
    """Return the newest turns from after the turn `after` that say what is asked for, as (`user_id`, `id`).

    Raises:
        QueryTooSlow: it took longer than a search may.
    """
    found = await Search(asked, source, limit=limit).newest(after)
    return [(each.user_id, each.turn_id) for each in found]
