"""The statements of an export: pages by the last row seen (keyset)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    select,
    true,
    tuple_,
)

from chatkeep.chat.history.queries import TURN_COLUMNS, turn_above, within_bytes
from chatkeep.chat.history.sibling_queries import sibling_columns, with_siblings
from chatkeep.chat.records import ConversationRecord, TurnRecord
from chatkeep.database.statement import Statement, first_column, into
from chatkeep.database.tables import conversations, turn_files, turns

_user_id = bindparam("user_id", type_=Uuid)
_conversation_id = bindparam("conversation_id", type_=Uuid)
_after_id = bindparam("after_id", type_=Uuid)
_limit = bindparam("limit", type_=Integer)
_max_bytes = bindparam("max_bytes", type_=BigInteger)
_c = conversations.c
_t = turns.c

# The siblings of turns that come without them: see `SIBLINGS_FROM`.
NOT_COUNTED = 1, 1


@dataclass(frozen=True, slots=True)
class SiblingNumber:
    """How many siblings a turn has, and which of them it is."""

    id: UUID
    sibling_count: int
    sibling_position: int


# Oldest first: what goes on in the meantime does not move a conversation in this order.
def _conversations_after() -> Statement[ConversationRecord]:
    """As many conversations as fit, one at least: an import may have set aside megabytes in the metadata of each."""
    page = (
        select(_c.user_id, _c.id, func.pg_column_size(_c.extra).label("size"))
        .where(_c.user_id == _user_id, _c.id > _after_id)
        .order_by(_c.id)
        .limit(_limit)
        .subquery("page")
    )
    before = (func.sum(page.c.size).over(order_by=page.c.id) - page.c.size).label("before")
    sized = select(page.c.user_id, page.c.id, before).subquery("sized")
    return Statement(
        select(conversations)
        .select_from(sized)
        .join(conversations, and_(_c.user_id == sized.c.user_id, _c.id == sized.c.id))
        .where(sized.c.before <= _max_bytes)
        .order_by(_c.id),
        row=into(ConversationRecord),
    )


CONVERSATIONS_AFTER = _conversations_after()


def _in_files(columns: Any) -> Sequence[Any]:
    return columns.conversation_id, columns.position, columns.id


def _turns_of(found: Any, *more: ColumnElement[Any]) -> Select[Any]:
    """The turns of a page of (`user_id`, `id`), which is cut before anything is joined to it."""
    return (
        select(*TURN_COLUMNS, *more)
        .select_from(found)
        .join(turns, and_(_t.user_id == found.c.user_id, _t.id == found.c.id))
        .order_by(_t.conversation_id, _t.position, _t.id)
    )


def _turns_after() -> Statement[TurnRecord]:
    """Turns of neighbouring conversations, parents before children: from after a turn, to those of `last_id`.

    Turns with an id above `newest_id` are left out. As many as fit; none where there are no more. Their siblings are
    not counted, which for each batch would be as many as one parent has: see `SIBLINGS_FROM`.
    """
    after = tuple_(_conversation_id, bindparam("position", type_=Integer), _after_id)
    page = (
        select(_t.user_id, _t.id)
        .where(
            _t.user_id == _user_id,
            tuple_(_t.conversation_id, _t.position, _t.id) > after,
            _t.conversation_id >= _conversation_id,
            _t.conversation_id <= bindparam("last_id", type_=Uuid),
            _t.id <= bindparam("newest_id", type_=Uuid),
        )
        .order_by(_t.conversation_id, _t.position, _t.id)
        .limit(_limit)
    )
    found = within_bytes(page, _in_files, _max_bytes).subquery("page")
    return Statement(_turns_of(found), row=into(TurnRecord, *NOT_COUNTED))


TURNS_AFTER = _turns_after()


def _siblings_from() -> Statement[SiblingNumber]:
    """At one distance from the root, from the turn `first_id` on: how many siblings each has, which of them it is."""
    numbered = (
        select(_t.id, *sibling_columns(_t))
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.position == bindparam("position", type_=Integer),
            _t.id <= bindparam("newest_id", type_=Uuid),
        )
        .subquery("numbered")
    )
    return Statement(
        select(numbered)
        .where(numbered.c.id >= bindparam("first_id", type_=Uuid))
        .order_by(numbered.c.id)
        .limit(_limit),
        row=into(SiblingNumber),
    )


SIBLINGS_FROM = _siblings_from()


def _path_ids() -> Statement[UUID]:
    """The ids on the path from the head to the root, root first."""
    path = (
        select(_t.id, _t.parent_id, _t.position)
        .join(conversations, and_(_c.user_id == _t.user_id, _c.head_turn_id == _t.id))
        .where(_c.user_id == _user_id, _c.id == _conversation_id)
        .cte("path", recursive=True)
    )
    above = turn_above(path, _user_id, _conversation_id)
    path = path.union_all(select(above.c.id, above.c.parent_id, above.c.position).select_from(path.join(above, true())))
    return Statement(select(path.c.id).order_by(path.c.position), row=first_column)


PATH_IDS = _path_ids()


def _turns_by_ids() -> Statement[TurnRecord]:
    """The first of these turns of one user, oldest first, as many as fit.

    Each is looked up by its key: PostgreSQL 15 reads all that the user has for `id = ANY (...)`.
    """
    ids = func.unnest(bindparam("turn_ids", type_=ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    page = select(_user_id.label("user_id"), cast(ids.c.id, Uuid).label("id"))
    found = with_siblings(within_bytes(page, _in_files, _max_bytes)).subquery("page")
    return Statement(_turns_of(found, found.c.sibling_count, found.c.sibling_position), row=into(TurnRecord))


TURNS_BY_IDS = _turns_by_ids()


# The files of a conversation's turns, on whichever branch, each once.
FILE_IDS = Statement(
    select(turn_files.c.file_id)
    .distinct()
    .join(turns, and_(_t.user_id == turn_files.c.user_id, _t.id == turn_files.c.turn_id))
    .where(_t.user_id == _user_id, _t.conversation_id == _conversation_id)
    .order_by(turn_files.c.file_id),
    row=first_column,
)
