"""Turns of all users by what they say and by an administrator's other filters."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.chat.search.asked import Asked
from service.chat.search.candidates import has_lexemes, is_whole_match, walked
from service.chat.search.finding import Finding, Walked
from service.database.search_marks import user_mark
from service.database.tables import turn_search, turns

_s = turn_search.c
_t = turns.c

Filter = Callable[[Select[Any]], Select[Any]]


class AnyTurns:
    """The turns that pass an administrator's other filters.

    Args:
        filtered: puts the other filters on a query of `turns`.
        user_id: of whom, where one of them is about a user.
        by_user_alone: no other of them is given.
    """

    few_turns = False

    def __init__(
        self,
        connection: AsyncConnection,
        asked: Asked,
        filtered: Filter,
        *,
        user_id: UUID | None,
        by_user_alone: bool,
    ) -> None:
        self._connection = connection
        self._filtered = filtered
        self._user_id = user_id
        self._by_user_alone = by_user_alone
        self._tsquery = literal(asked.tsquery, Text)
        self._needles = literal(list(asked.needles), ARRAY(Text))
        self.can_use_index = user_id is None or not asked.by_beginnings

    async def walk(self, after: UUID, turns: int) -> Walked:
        number = func.row_number().over(order_by=_t.id.desc()).label("number")
        newest = (
            self._filtered(select(_t.user_id, _t.id, number))
            .where(_t.id < after)
            .order_by(_t.id.desc())
            .limit(turns)
            .cte("newest")
        )
        judged = (
            select(
                newest,
                and_(has_lexemes(_s.lexemes, self._tsquery), is_whole_match(_s, self._needles)).label("fits"),
            )
            .outerjoin_from(newest, turn_search, and_(_s.user_id == newest.c.user_id, _s.turn_id == newest.c.id))
            .cte("judged")
        )
        return walked(await self._rows(_with_texts(judged)))

    async def look_up(self, after: UUID, limit: int) -> Sequence[Any]:
        query = select(_s.user_id, _s.turn_id).where(
            has_lexemes(_s.lexemes, self._tsquery), _s.turn_id < after, is_whole_match(_s, self._needles)
        )
        if self._user_id is not None:
            mark = literal(f"'{user_mark(self._user_id)}'", Text)
            query = query.where(_s.user_id == self._user_id, has_lexemes(_s.lexemes, mark))
        if self._by_user_alone:
            query = query.order_by(_s.turn_id.desc()).limit(limit)
        # By itself: together with the order PostgreSQL may take the order's index, and read all turns for a rare word.
        found = query.cte("found").prefix_with("MATERIALIZED")
        return await self._rows(
            self._filtered(select(_t.user_id, _t.id.label("turn_id"), _t.prompt, _t.reply))
            .join_from(found, turns, and_(_t.user_id == found.c.user_id, _t.id == found.c.turn_id))
            .order_by(_t.id.desc())
            .limit(limit)
        )

    async def _rows(self, query: Select[Any]) -> list[Any]:
        return list((await self._connection.execute(query)).mappings().all())


def _with_texts(judged: Any) -> Select[Any]:
    """The turns that fit, with what they say, and the last one of all."""
    last = select(func.max(judged.c.number)).scalar_subquery()
    return (
        select(
            judged.c.user_id,
            judged.c.id.label("turn_id"),
            judged.c.number,
            func.coalesce(judged.c.fits, literal(False)).label("fits"),
            case((judged.c.fits, _t.prompt)).label("prompt"),
            case((judged.c.fits, _t.reply)).label("reply"),
        )
        .join_from(judged, turns, and_(_t.user_id == judged.c.user_id, _t.id == judged.c.id))
        .where(or_(judged.c.fits, judged.c.number == last))
        .order_by(judged.c.id.desc())
    )


async def found_turns(asked: Asked, source: AnyTurns, *, after: UUID | None, limit: int) -> list[tuple[UUID, UUID]]:
    """Return the newest turns from after the turn `after` that say what is asked for, as (`user_id`, `id`).

    Raises:
        QueryTooSlow: it took longer than a search may.
    """
    rows = await Finding(asked, source, limit=limit).newest(after)
    return [(row["user_id"], row["turn_id"]) for row in rows]
