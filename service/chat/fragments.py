"""What is written down of a reply that is being generated, put together in SQL."""

from typing import Any

from sqlalchemy import ScalarSelect, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement

from service.database.tables import reply_fragments

_f = reply_fragments.c


def written_text(
    user_id: ColumnElement[Any], turn_id: ColumnElement[Any], start: ColumnElement[int] | None = None
) -> ScalarSelect[str]:
    """Return the text of a turn's fragments in order; NULL where there is none.

    Args:
        start: only fragments that begin at this code point of the reply, or after it.
    """
    pieces = func.string_agg(_f.text, aggregate_order_by(literal_column("''"), _f.position))
    query = select(pieces).where(_f.user_id == user_id, _f.turn_id == turn_id)
    if start is not None:
        query = query.where(_f.position >= start)
    return query.scalar_subquery()
