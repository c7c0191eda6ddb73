"""Candidates in SQL: turns whose lexemes fit, by the index or one by one."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from service.chat.search.asked import Asked
from service.chat.search.finding import Walked
from service.database.database import Database
from service.database.hot import Statement
from service.database.search_marks import user_mark
from service.database.tables import conversations, turn_search, turns, user_activity

# With more turns than this a common word is quicker found from the newest on.
FEW_TURNS = 2_000

_user_id = bindparam("user_id", type_=Uuid)
_after = bindparam("after", type_=Uuid)
_limit = bindparam("limit", type_=Integer)
_mark = bindparam("mark", type_=Text)
_tsquery = bindparam("tsquery", type_=Text)
_needles = bindparam("needles", type_=ARRAY(Text))
_s = turn_search.c
_t = turns.c
_c = conversations.c


def has_lexemes(lexemes: Any, tsquery: Any) -> ColumnElement[bool]:
    return lexemes.op("@@", is_comparison=True)(cast(tsquery, TSQUERY))


def is_whole_match(row: Any, needles: Any) -> ColumnElement[bool]:
    """Of a turn in one part, what fits it fits; of one in several, each needle has to be in one of them."""
    needle = func.unnest(needles).table_valued("tsquery", name="needle").render_derived()
    part = turn_search.alias("part")
    somewhere = exists().where(
        part.c.user_id == row.user_id, part.c.turn_id == row.turn_id, has_lexemes(part.c.lexemes, needle.c.tsquery)
    )
    return or_(row.parts == 1, not_(exists().select_from(needle).where(not_(somewhere))))


def _shown(found: Any) -> Select[Any]:
    return (
        select(
            found.c.turn_id,
            _t.conversation_id,
            _t.prompt,
            _t.reply,
            _t.created_at,
            _c.title.label("conversation_title"),
        )
        .select_from(found)
        .join(turns, and_(_t.user_id == _user_id, _t.id == found.c.turn_id))
        .join(conversations, and_(_c.user_id == _user_id, _c.id == _t.conversation_id))
        .order_by(found.c.turn_id.desc())
    )


def _look_up() -> Statement:
    """The user's newest candidates, by the index on lexemes, which knows whose they are.

    Two conditions on the lexemes, and not one, have PostgreSQL expect few rows of that index, and take it.
    """
    found = (
        select(_s.turn_id)
        .where(
            _s.user_id == _user_id,
            _s.turn_id < _after,
            has_lexemes(_s.lexemes, _mark),
            has_lexemes(_s.lexemes, _tsquery),
            is_whole_match(_s, _needles),
        )
        .order_by(_s.turn_id.desc())
        .limit(_limit)
        .cte("found")
    )
    return Statement(_shown(found))


def _walk() -> Statement:
    """The user's newest turns before `after`: the candidates among them, and the last one that was looked at."""
    newest = (
        select(
            _s.user_id,
            _s.turn_id,
            _s.parts,
            _s.lexemes,
            func.row_number().over(order_by=_s.turn_id.desc()).label("number"),
        )
        .where(_s.user_id == _user_id, _s.turn_id < _after)
        .order_by(_s.turn_id.desc())
        .limit(_limit)
        .cte("newest")
    )
    n = newest.c
    judged = select(
        n.turn_id,
        n.number,
        and_(has_lexemes(n.lexemes, _tsquery), is_whole_match(n, _needles)).label("fits"),
    ).cte("judged")
    last = select(func.max(judged.c.number)).scalar_subquery()
    shown = _shown(judged).with_only_columns(
        judged.c.turn_id,
        judged.c.number,
        judged.c.fits,
        _t.conversation_id,
        case((judged.c.fits, _t.prompt)).label("prompt"),
        case((judged.c.fits, _t.reply)).label("reply"),
        _t.created_at,
        _c.title.label("conversation_title"),
    )
    return Statement(shown.where(or_(judged.c.fits, judged.c.number == last)))


LOOK_UP = _look_up()
WALK = _walk()
TURN_COUNT = Statement(select(user_activity.c.turn_count).where(user_activity.c.user_id == _user_id))


class OwnTurns:
    """The turns of one user, by statements that are compiled once."""

    def __init__(self, database: Database, user_id: UUID, asked: Asked, *, turn_count: int) -> None:
        self._database = database
        self._user_id = user_id
        self._values = {"user_id": user_id, "tsquery": asked.tsquery, "needles": list(asked.needles)}
        # What begins with one character is looked up for all users together: that takes longer than a user's turns.
        self.can_use_index = not asked.by_beginnings
        self.few_turns = self.can_use_index and turn_count <= FEW_TURNS

    @classmethod
    async def of(cls, database: Database, user_id: UUID, asked: Asked) -> "OwnTurns":
        row = await database.row(TURN_COUNT, user_id=user_id)
        return cls(database, user_id, asked, turn_count=row["turn_count"] if row else 0)

    async def walk(self, after: UUID, turns: int) -> Walked:
        rows = await self._database.rows(WALK, **self._values, after=after, limit=turns)
        return walked(rows)

    async def look_up(self, after: UUID, limit: int) -> list[Any]:
        mark = f"'{user_mark(self._user_id)}'"
        return await self._database.rows(LOOK_UP, **self._values, mark=mark, after=after, limit=limit)


def walked(rows: list[Any]) -> Walked:
    """Return what a walk came by, from its candidates and the last row that it looked at."""
    if not rows:
        return Walked((), 0, None)
    return Walked([row for row in rows if row["fits"]], rows[-1]["number"], rows[-1]["turn_id"])
