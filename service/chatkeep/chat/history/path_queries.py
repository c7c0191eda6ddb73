"""Turns along a path from the head or a turn to the root, or down to a leaf: statements that are compiled once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Select, Uuid, and_, bindparam, cast, func, select, true

from chatkeep.chat.history.parameters import CONVERSATION_ID, TURN_ID, USER_ID
from chatkeep.chat.history.queries import TURN_COLUMNS, place_of_turn, turn_above
from chatkeep.chat.history.sibling_queries import sibling_columns, siblings_of_turn
from chatkeep.chat.records import TurnRecord
from chatkeep.database.statement import Statement, first_column, into
from chatkeep.database.tables import conversations, turns

_c = conversations.c
_t = turns.c


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a turn on its path: 0 is the root."""

    id: UUID
    position: int


@dataclass(slots=True)
class WindowTurn(TurnRecord):
    """A turn of a window that ends at the turn `start_id`."""

    start_id: UUID


_head_id = select(_c.head_turn_id).where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID).scalar_subquery()

HEAD_POSITION = Statement(
    select(_t.id, _t.position).where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, _t.id == _head_id),
    row=into(Place),
)


def _window(bounds: Any) -> Select[Any]:
    """The turns at some positions of one conversation, whichever branch they are on, `max_rows` at most.

    On a path there is one turn a position, so that a page of a path is a range of positions. Turns beside the path
    come along: they are the siblings that are counted. Of `max_rows` or more the counts mean nothing.
    """
    found = (
        select(*TURN_COLUMNS)
        .where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, bounds)
        .order_by(_t.position, _t.id)
        .limit(bindparam("max_rows", type_=Integer))
        .subquery("found")
    )
    return select(*found.c, *sibling_columns(found.c))


def _window_up() -> Statement[WindowTurn]:
    """The `limit` positions that end at the turn `start_id`, or at the head where it is null."""
    start = place_of_turn(func.coalesce(bindparam("start_id", type_=Uuid), _head_id)).cte("start")
    # Known before anything is read, so that the range is the index's: joined, the whole conversation may be.
    position = select(start.c.position).scalar_subquery()
    bounds = and_(_t.position <= position, _t.position > cast(position, BigInteger) - bindparam("limit", type_=Integer))
    window = _window(bounds).add_columns(select(start.c.id).scalar_subquery().label("start_id"))
    return Statement(window, row=into(WindowTurn))


TURNS_UP = _window_up()
TURNS_BETWEEN = Statement(
    _window(_t.position.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer))),
    row=into(TurnRecord),
)


def _path_up() -> Statement[TurnRecord]:
    """The `limit` turns that end at `start_id`, newest first, each looked up: beside them may be any number."""
    start = place_of_turn(bindparam("start_id", type_=Uuid)).add_columns(
        bindparam("limit", type_=Integer).label("still")
    )
    path = start.cte("path", recursive=True)
    above = turn_above(path, USER_ID, CONVERSATION_ID)
    path = path.union_all(
        select(above.c.id, above.c.position, above.c.parent_id, path.c.still - 1)
        .select_from(path.join(above, true()))
        .where(path.c.still > 1)
    )
    siblings = siblings_of_turn()
    return Statement(
        select(*TURN_COLUMNS, siblings.c.sibling_count, siblings.c.sibling_position)
        .select_from(path.join(turns, and_(_t.user_id == USER_ID, _t.id == path.c.id)).join(siblings, true()))
        .order_by(path.c.position.desc()),
        row=into(TurnRecord),
    )


PATH_UP = _path_up()


def _ancestor() -> Statement[UUID]:
    """The turn at `position` on the path from the turn `start_id` up."""
    start_id, position = bindparam("start_id", type_=Uuid), bindparam("position", type_=Integer)
    path = (
        select(_t.id, _t.parent_id, _t.position)
        .where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, _t.id == start_id)
        .cte("path", recursive=True)
    )
    above = turn_above(path, USER_ID, CONVERSATION_ID)
    path = path.union_all(
        select(above.c.id, above.c.parent_id, above.c.position)
        .select_from(path.join(above, true()))
        .where(path.c.position > position)
    )
    return Statement(select(path.c.id).where(path.c.position == position), row=first_column)


ANCESTOR = _ancestor()


def _leaf() -> Statement[UUID]:
    """The turn to which the newest of the branches under the turn `turn_id` has come."""
    path = (
        select(_t.id, _t.position)
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            _t.id == TURN_ID,
        )
        .cte("path", recursive=True)
    )
    below = turns.alias("below")
    next_position = cast(path.c.position, BigInteger) + 1
    newest = (
        select(below.c.id, below.c.position)
        .where(
            below.c.user_id == USER_ID,
            below.c.conversation_id == CONVERSATION_ID,
            # A range and its order, which one index alone has: a plan that is older than the turns takes another if
            # that looks as good, and reads the whole conversation at every step.
            below.c.position.between(next_position, next_position),
            below.c.parent_id == path.c.id,
        )
        .order_by(below.c.position.desc(), below.c.id.desc())
        .limit(1)
        .lateral("newest")
    )
    path = path.union_all(select(newest.c.id, newest.c.position).select_from(path.join(newest, true())))
    return Statement(select(path.c.id).order_by(path.c.position.desc()).limit(1), row=first_column)


LEAF = _leaf()
