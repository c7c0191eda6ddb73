"""Turns along a path from the head or a turn to the root, or down to a leaf: statements that are compiled once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Uuid, and_, bindparam, cast, func, select, true

from chatkeep.chat.history.parameters import CONVERSATION_ID, TURN_ID, USER_ID
from chatkeep.chat.history.queries import TURN_COLUMNS, place_of_turn, read_within, text_size, turn_above
from chatkeep.chat.history.sibling_queries import sibling_columns, siblings_of_turn
from chatkeep.chat.records import ReadTurn
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
class WindowTurn(ReadTurn):
    """A turn of a window that ends at the turn `start_id`."""

    start_id: UUID


_head_id = select(_c.head_turn_id).where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID).scalar_subquery()

HEAD_POSITION = Statement(
    select(_t.id, _t.position).where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, _t.id == _head_id),
    row=into(Place),
)


def _found(bounds: Any) -> Any:
    """The turns at some positions of one conversation, whichever branch they are on, `max_rows` at most.

    On a path there is one turn a position, so that a page of a path is a range of positions. Turns beside the path
    come along: they are the siblings that are counted. Of `max_rows` or more the counts mean nothing.
    """
    return (
        select(*TURN_COLUMNS, text_size(_t).label("size"))
        .where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, bounds)
        .order_by(_t.position, _t.id)
        .limit(bindparam("max_rows", type_=Integer))
        .subquery("found")
    )


def _window_up() -> Statement[WindowTurn]:
    """The `limit` positions that end at the turn `start_id`, or at the head where it is null.

    Texts are read from that turn on, up to `max_bytes` in all.
    """
    start = place_of_turn(func.coalesce(bindparam("start_id", type_=Uuid), _head_id)).cte("start")
    # Known before anything is read, so that the range is the index's: joined, the whole conversation may be.
    position = select(start.c.position).scalar_subquery()
    start_id = select(start.c.id).scalar_subquery()
    bounds = and_(_t.position <= position, _t.position > cast(position, BigInteger) - bindparam("limit", type_=Integer))
    found = _found(bounds)
    # No page has those.
    is_beside = and_(found.c.position == position, found.c.id != start_id)
    columns = read_within(found, found.c.size, [is_beside, found.c.position.desc(), found.c.id])
    return Statement(
        select(*columns, *sibling_columns(found.c), start_id.label("start_id")),
        row=into(WindowTurn),
    )


TURNS_UP = _window_up()


def _window_down() -> Statement[ReadTurn]:
    """The positions `first` to `last`. Texts are read from the first on, up to `max_bytes` in all."""
    found = _found(_t.position.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer)))
    columns = read_within(found, found.c.size, [found.c.position, found.c.id])
    return Statement(
        select(*columns, *sibling_columns(found.c)).order_by(found.c.position, found.c.id), row=into(ReadTurn)
    )


TURNS_BETWEEN = _window_down()


def _path_up() -> Statement[ReadTurn]:
    """The `limit` turns that end at `start_id`, each looked up: beside them may be any number.

    Ordered by their position times `direction`, which is 1 or -1. Texts are read in that order, up to `max_bytes`.
    """
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
    found = (
        select(*TURN_COLUMNS, text_size(_t).label("size"), siblings.c.sibling_count, siblings.c.sibling_position)
        .select_from(path.join(turns, and_(_t.user_id == USER_ID, _t.id == path.c.id)).join(siblings, true()))
        .subquery("found")
    )
    place = cast(found.c.position, BigInteger) * bindparam("direction", type_=Integer)
    columns = read_within(found, found.c.size, [place])
    return Statement(
        select(*columns, found.c.sibling_count, found.c.sibling_position).order_by(place),
        row=into(ReadTurn),
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
