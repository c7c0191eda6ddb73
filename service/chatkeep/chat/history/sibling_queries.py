"""The siblings of turns, counted: a tree may have tens of thousands of turns under one parent."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.selectable import LateralFromClause

from chatkeep.database.tables import turns

_t = turns.c


def siblings_of_turn() -> LateralFromClause:
    """How many turns have the same parent as the row of `turns` beside it, and which of them it is.

    For one turn, or for turns at different distances from the root: beside siblings it counts them for each.
    """
    beside = turns.alias("beside")
    return (
        select(
            func.count().label("sibling_count"),
            func.count().filter(beside.c.id <= _t.id).label("sibling_position"),
        )
        .where(
            beside.c.user_id == _t.user_id,
            beside.c.conversation_id == _t.conversation_id,
            beside.c.position == _t.position,
            beside.c.parent_id.is_not_distinct_from(_t.parent_id),
        )
        .lateral("siblings")
    )


def sibling_columns(columns: Any) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Return the count and the position of each of the rows, all of whose siblings are among them."""
    return (
        func.count().over(partition_by=columns.parent_id).label("sibling_count"),
        func.row_number().over(partition_by=columns.parent_id, order_by=columns.id).label("sibling_position"),
    )


def with_siblings(page: Select[Any]) -> Select[Any]:
    """The turns of a page of (`user_id`, `id`), with how many siblings each has and which of them it is.

    Whoever made the tree chose how many siblings a page meets. So the turns at one distance from the root are read
    once, however many of them are on the page. Which are on it is told by a list and not by a join: a plan that
    expects few siblings would read them all for each row of the page.
    """
    found = page.subquery("found")
    at, beside = turns.alias("at"), turns.alias("beside")
    level = (at.c.user_id, at.c.conversation_id, at.c.position)
    levels = (
        select(*level, func.array_agg(aggregate_order_by(at.c.id, at.c.id)).label("ids"))
        .select_from(found)
        .join(at, and_(at.c.user_id == found.c.user_id, at.c.id == found.c.id))
        .group_by(*level)
        .subquery("levels")
    )
    numbered = (
        select(beside.c.id, *sibling_columns(beside.c))
        .where(
            beside.c.user_id == levels.c.user_id,
            beside.c.conversation_id == levels.c.conversation_id,
            beside.c.position == levels.c.position,
        )
        .lateral("numbered")
    )
    return (
        select(levels.c.user_id, numbered.c.id, numbered.c.sibling_count, numbered.c.sibling_position)
        .select_from(levels.join(numbered, true()))
        .where(numbered.c.id == func.any(levels.c.ids))
    )
