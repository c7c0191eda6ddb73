"""What is written down of a reply that is being generated, put together in SQL."""

from typing import Any

from sqlalchemy import Integer, ScalarSelect, Uuid, bindparam, case, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement

from service.database.hot import BACKGROUND_SECONDS, Statement
from service.database.tables import reply_fragments, turns

_user_id = bindparam("user_id", type_=Uuid)
_turn_id = bindparam("turn_id", type_=Uuid)
_f = reply_fragments.c
_t = turns.c


def written_text(
    user_id: ColumnElement[Any],
    turn_id: ColumnElement[Any],
    start: ColumnElement[int] | None = None,
    end: ColumnElement[int] | None = None,
) -> ScalarSelect[str]:
    """Return the text of a turn's fragments in order; NULL where there is none.

    Args:
        start: only fragments that begin at this code point of the reply, or after it ...
        end: ... and before this one.
    """
    pieces = func.string_agg(_f.text, aggregate_order_by(literal_column("''"), _f.position))
    query = select(pieces).where(_f.user_id == user_id, _f.turn_id == turn_id)
    if start is not None:
        query = query.where(_f.position >= start)
    if end is not None:
        query = query.where(_f.position < end)
    return query.scalar_subquery()


# A write that was under way when its connection was lost may come after the turn's end.
SWEEP_FRAGMENTS = Statement(
    delete(reply_fragments).where(_f.user_id == _t.user_id, _f.turn_id == _t.id, _t.status != "streaming"),
    timeout_seconds=BACKGROUND_SECONDS,
)


def _follow() -> Statement:
    """At most `most` of a reply from `start` on as far as it is written down, for whoever is not its process.

    Fragments are read from the one that `start` lies in; `first` is where that begins.
    """
    start, most = bindparam("start", type_=Integer), bindparam("most", type_=Integer)
    first = (
        select(func.max(_f.position))
        .where(_f.user_id == _user_id, _f.turn_id == _turn_id, _f.position <= start)
        .scalar_subquery()
    )
    return Statement(
        select(
            _t.status,
            case((_t.status != "streaming", func.substr(_t.reply, start + 1, most))).label("rest"),
            first.label("first"),
            written_text(_user_id, _turn_id, first, start + most).label("fragments"),
        ).where(_t.user_id == _user_id, _t.id == _turn_id)
    )


FOLLOW = _follow()
