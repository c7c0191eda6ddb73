"""From a turn to the one above it, step by step, in recursive queries."""

from typing import Any

from sqlalchemy import BigInteger, cast, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import LateralFromClause

from service.database.tables import turns


def turn_above(path: Any, user_id: ColumnElement[Any], conversation_id: ColumnElement[Any]) -> LateralFromClause:
    """Return the parent of each turn of `path`, which has `parent_id` and `position`.

    A plan can be older than most of the turns, and from before there were any all indexes look alike. So each parent
    is looked up by itself, and by all that is known of it: whichever index is taken leads to one row. As a join, or
    by fewer columns, the whole conversation could be read at every step.
    """
    above = turns.alias("above")
    return (
        select(
            above.c.id,
            above.c.parent_id,
            above.c.position,
            above.c.prompt,
            above.c.reply,
            above.c.prompt_items,
            above.c.reply_items,
            above.c.continues,
        )
        .where(
            above.c.user_id == user_id,
            above.c.conversation_id == conversation_id,
            above.c.position == cast(path.c.position, BigInteger) - 1,
            above.c.id == path.c.parent_id,
        )
        .limit(1)
        .lateral("above")
    )
