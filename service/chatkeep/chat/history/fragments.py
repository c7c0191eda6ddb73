"""The fragments of a reply that is being generated: one row for each write, put together in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    Integer,
    ScalarSelect,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement

from chatkeep.chat.history.parameters import TURN_ID, USER_ID
from chatkeep.chat.reply_log import ITEM, ReplySpan, between, stretches_of
from chatkeep.database.statement import BACKGROUND_SECONDS, Row, Statement
from chatkeep.database.tables import reply_fragments, turns

_f = reply_fragments.c
_t = turns.c
_is_item = _f.kind == literal_column(f"'{ITEM}'")

LAST_POSITION = 2**31 - 1

# A write that was under way when its connection was lost may come after the turn's end.
DELETE_ORPHAN_FRAGMENTS = Statement(
    delete(reply_fragments).where(_f.user_id == _t.user_id, _f.turn_id == _t.id, _t.status != "streaming"),
    timeout_seconds=BACKGROUND_SECONDS,
)

RENAME_TEXT = Statement(
    update(reply_fragments)
    .where(
        _f.user_id == USER_ID,
        _f.turn_id == TURN_ID,
        _f.position < bindparam("end", type_=Integer),
        _f.kind.is_(None),
    )
    .values(kind=bindparam("kind", type_=Text)),
    timeout_seconds=BACKGROUND_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a reply that is not yet written down; an empty one only asks."""

    user_id: UUID
    turn_id: UUID
    position: int
    text: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A reply as far as the database has it, from some position on.

    Args:
        stretches: in order, none empty.
        ended: the turn has ended; its reply may still go on after them.
        whole: they are all that there is of it.
    """

    stretches: Sequence[ReplySpan]
    ended: bool
    whole: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any], start: int, most: int) -> Self:
        """Return the stretches in a row of FOLLOW, from `start` on."""
        if row["status"] == "streaming":
            fragments = map(ReplySpan, row["positions"] or (), row["kinds"] or (), row["texts"] or ())
            return cls(list(between(fragments, start, start + most)), ended=False)
        if row["items"] is None:
            rest = row["rest"] or ""
            return cls([ReplySpan(start, None, rest)] if rest else [], ended=True)
        kept = stretches_of(row["reply"] or "", row["items"])
        return cls(list(between(kept, start, LAST_POSITION)), ended=True, whole=True)


def written_text(user_id: ColumnElement[Any], turn_id: ColumnElement[Any]) -> ScalarSelect[str]:
    """Return the text of a turn's fragments in order; NULL where there is none."""
    return (
        select(_joined(_f.text, _f.position))
        .where(_f.user_id == user_id, _f.turn_id == turn_id, _f.kind.is_(None))
        .scalar_subquery()
    )


def written_items(user_id: ColumnElement[Any], turn_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return the items of a turn's fragments, as `chatkeep.chat.reply_log.items_of` makes them; NULL where there is
    nothing but text.

    Neighbours of a kind are one item, but for whole items. How long the reasoning took is known to its process alone.
    """
    before = func.lag(_f.kind).over(order_by=_f.position)
    is_first = func.row_number().over(order_by=_f.position) == 1
    begins = case((is_first | _is_item | _f.kind.is_distinct_from(before), 1), else_=0)
    length = case((_f.kind.is_(None), func.char_length(_f.text)), else_=0)
    marked = (
        select(_f.position, _f.kind, _f.text, length.label("length"), begins.label("begins"))
        .where(_f.user_id == user_id, _f.turn_id == turn_id)
        .correlate(turns)  # or it would be of all turns
        .subquery("marked")
    )
    m = marked.c
    numbered = select(
        m.position,
        m.kind,
        m.text,
        m.length,
        func.sum(m.begins).over(order_by=m.position).label("run"),
        (func.sum(m.length).over(order_by=m.position) - m.length).label("start"),
    ).subquery("numbered")
    n = numbered.c
    first = func.min(n.position)
    text = func.jsonb_build_object(
        "type", "message", "start", func.min(n.start), "end", func.min(n.start) + func.sum(n.length)
    )
    reasoning = func.jsonb_build_object(
        "type", "reasoning", "text", _joined(n.text, n.position), "seconds", null(), "field", n.kind
    )
    item = case(
        (n.kind.is_(None), text),
        (n.kind == literal_column(f"'{ITEM}'"), cast(func.min(n.text), JSONB)),
        else_=reasoning,
    )
    runs = select(first.label("first"), n.kind, item.label("item")).group_by(n.run, n.kind).subquery("runs")
    r = runs.c
    items = func.jsonb_agg(aggregate_order_by(r.item, r.first))
    return select(case((func.bool_or(r.kind.is_not(None)), items))).scalar_subquery()


def _joined(text: ColumnElement[Any], position: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.string_agg(text, aggregate_order_by(literal_column("''"), position))


def _follow() -> Statement[Row]:
    """At most `most` positions of a reply from `start` on as far as it is written down, for who is not its process.

    Of one that has ended, `rest`, where it is plain text, and the whole `reply` with its `items` where it is not.
    Fragments are read from the one that `start` lies in.
    """
    start, most = bindparam("start", type_=Integer), bindparam("most", type_=Integer)
    first = (
        select(func.max(_f.position))
        .where(_f.user_id == USER_ID, _f.turn_id == TURN_ID, _f.position <= start)
        .scalar_subquery()
    )
    written = (
        select(_f.position, _f.kind, _f.text)
        .where(_f.user_id == USER_ID, _f.turn_id == TURN_ID, _f.position >= first, _f.position < start + most)
        .subquery("written")
    )
    w = written.c
    ended, is_plain = _t.status != "streaming", _t.reply_items.is_(None)
    return Statement(
        select(
            _t.status,
            case((ended & is_plain, func.substr(_t.reply, start + 1, most))).label("rest"),
            case((ended & ~is_plain, _t.reply)).label("reply"),
            case((ended, _t.reply_items)).label("items"),
            *(
                select(func.array_agg(aggregate_order_by(column, w.position))).scalar_subquery().label(name)
                for name, column in (("positions", w.position), ("kinds", w.kind), ("texts", w.text))
            ),
        ).where(_t.user_id == USER_ID, _t.id == TURN_ID)
    )


FOLLOW = _follow()
