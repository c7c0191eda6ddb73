"""Turns, by themselves and on their paths: one statement a function, and none commits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from chatkeep.chat.history.fragments import written_items, written_text
from chatkeep.chat.history.parameters import CONVERSATION_ID, MAX_BYTES, REPLICA_ID, TURN_ID, USER_ID
from chatkeep.chat.history.sibling_queries import sibling_columns, siblings_of_turn
from chatkeep.chat.records import ReadTurn, TurnRecord
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import IS_RUNNING, conversations, turns, unsettled_turns

_c = conversations.c
_t = turns.c
_u = unsettled_turns.c

# A reply as it stands: while it is generated, its text so far.
_is_streaming = _t.status == "streaming"
_reply = case((_is_streaming, written_text(_t.user_id, _t.id)), else_=_t.reply).label("reply")
_reply_items = case((_is_streaming, written_items(_t.user_id, _t.id)), else_=_t.reply_items).label("reply_items")

# Columns that only the turn's own process needs.
_INNER = ("reply", "reply_items", "idempotency_key", "request_digest", "stop_requested", "replica_id")

TURN_COLUMNS = (
    *(column for column in turns.c if column.name not in _INNER),
    _reply,
    _reply_items,
)

# Those of them that can be long.
TEXTS = ("prompt", "prompt_items", "reply", "reply_items")

# As they are kept, items are compressed: about so many times as long as JSON.
PACKED = 4


@dataclass(frozen=True, slots=True)
class Owner:
    """A turn, and its user now."""

    id: UUID
    user_id: UUID


SET_FEEDBACK = Statement(
    update(turns)
    .where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, _t.id == TURN_ID)
    .values(rating=bindparam("rating", type_=Integer), comment=bindparam("comment", type_=Text))
    .returning(_t.id)
)

# The users of one replica's turns as of now: a guest who signs in takes theirs along.
OWNERS = Statement(
    select(_u.turn_id.label("id"), _u.user_id).where(
        _u.replica_id == REPLICA_ID,
        IS_RUNNING,
        _u.turn_id == func.any(bindparam("turn_ids", type_=ARRAY(Uuid))),
    ),
    row=into(Owner),
)


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


def items_size(columns: Any) -> ColumnElement[int]:
    """Return about how long a turn's items are as JSON, of which none is read."""
    sizes = (func.coalesce(func.pg_column_size(columns[name]), 0) for name in ("prompt_items", "reply_items"))
    return PACKED * (next(sizes) + next(sizes))


def text_size(columns: Any) -> ColumnElement[int]:
    """Return how many bytes a turn's texts and items have. How long a text is stands beside it: none is read."""
    reply = func.coalesce(func.octet_length(columns.reply), 0)
    return func.octet_length(columns.prompt) + reply + items_size(columns)


def read_within(found: Any, size: ColumnElement[int], order: Sequence[Any]) -> list[ColumnElement[Any]]:
    """Return the columns of turns, and as `is_read` whether their texts were: those of the first ones, until they are
    `MAX_BYTES` together, and one at least.

    Args:
        found: has `TURN_COLUMNS`.
        size: of the texts of one of them, as `text_size` has it.
    """
    is_read = func.sum(size).over(order_by=order) - size <= MAX_BYTES
    columns = [
        case((is_read, found.c[column.name])).label(column.name) if column.name in TEXTS else found.c[column.name]
        for column in TURN_COLUMNS
    ]
    return [*columns, is_read.label("is_read")]


def within_bytes(page: Select[Any], order: Callable[[Any], Sequence[Any]], max_bytes: Any) -> Select[Any]:
    """The first of these (`user_id`, `id`), one at least, until their texts are `max_bytes` together.

    Args:
        order: the order of the page, by the columns of `turns`.
    """
    found = page.subquery("sized")
    size = text_size(_t)
    before = func.sum(size).over(order_by=order(_t)) - size
    sized = (
        select(found.c.user_id, found.c.id, before.label("before"))
        .join(turns, and_(_t.user_id == found.c.user_id, _t.id == found.c.id))
        .subquery("measured")
    )
    return select(sized.c.user_id, sized.c.id).where(sized.c.before <= max_bytes)


def place_of_turn(turn_id: ColumnElement[Any]) -> Select[Any]:
    """Where a turn of the conversation stands."""
    at = turns.alias("at")
    return select(at.c.id, at.c.position, at.c.parent_id).where(
        at.c.user_id == USER_ID, at.c.conversation_id == CONVERSATION_ID, at.c.id == turn_id
    )


def _one_turn() -> Statement[TurnRecord]:
    siblings = siblings_of_turn()
    return Statement(
        select(*TURN_COLUMNS, siblings.c.sibling_count, siblings.c.sibling_position)
        .select_from(turns.join(siblings, true()))
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            _t.id == TURN_ID,
        ),
        row=into(TurnRecord),
    )


TURN = _one_turn()


def _siblings() -> Statement[ReadTurn]:
    """The turns with the same parent as `turn_id`, oldest first, from after the id `after_id`.

    Their texts as far as they are `max_bytes` together.
    """
    turn = place_of_turn(TURN_ID).cte("turn")
    numbered = (
        select(_t.id, *sibling_columns(_t))
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            # Known before anything is read, as in `path_queries`.
            _t.position == select(turn.c.position).scalar_subquery(),
            _t.parent_id.is_not_distinct_from(select(turn.c.parent_id).scalar_subquery()),
        )
        .subquery("numbered")
    )
    page = (
        select(numbered)
        .where(numbered.c.id > bindparam("after_id", type_=Uuid))
        .order_by(numbered.c.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("page")
    )
    found = (
        select(*TURN_COLUMNS, text_size(_t).label("size"), page.c.sibling_count, page.c.sibling_position)
        .select_from(page.join(turns, and_(_t.user_id == USER_ID, _t.id == page.c.id)))
        .subquery("found")
    )
    columns = read_within(found, found.c.size, [found.c.id])
    return Statement(
        select(*columns, found.c.sibling_count, found.c.sibling_position).order_by(found.c.id), row=into(ReadTurn)
    )


SIBLINGS = _siblings()


async def request_stop_of_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Ask for the end of every reply that is being generated for a user, on whichever replica."""
    running = and_(_u.user_id == user_id, IS_RUNNING, _t.user_id == user_id, _t.id == _u.turn_id)
    await connection.execute(update(turns).where(running).values(stop_requested=True))


async def request_stop_of_turn(connection: AsyncConnection, user_id: UUID, turn_id: UUID) -> bool:
    """Ask for the end of a reply, on whichever replica it is generated; False where it is not (any more)."""
    running = and_(_t.user_id == user_id, _t.id == turn_id, _t.status == "streaming")
    return (await connection.execute(update(turns).where(running).values(stop_requested=True))).rowcount > 0


async def turn_exists(connection: AsyncConnection, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> bool:
    query = select(_t.id).where(_t.user_id == user_id, _t.conversation_id == conversation_id, _t.id == turn_id)
    return (await connection.execute(query)).first() is not None
