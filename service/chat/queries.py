"""Conversations and the turns on their paths: one statement a function, and none commits."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Integer,
    RowMapping,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from service.chat.fragments import written_text
from service.database.hot import Statement
from service.database.tables import TIME, conversations, turns, user_activity
from service.statistics.notes import noted_conversation

NEWEST_TIME = datetime(9999, 12, 31, tzinfo=UTC)
NEWEST_ID = UUID(int=2**128 - 1)

_user_id = bindparam("user_id", type_=Uuid)
_conversation_id = bindparam("conversation_id", type_=Uuid)
_now = bindparam("now", type_=TIME)
_c = conversations.c
_t = turns.c

CONVERSATION = Statement(select(conversations).where(_c.user_id == _user_id, _c.id == _conversation_id))


def _list(*, by_title: bool) -> Statement:
    """The caller's conversations, newest activity first, from after (`last_turn_at`, `id`)."""
    archived = bindparam("archived", type_=Boolean)
    query = (
        select(conversations)
        .where(
            _c.user_id == _user_id,
            tuple_(_c.last_turn_at, _c.id)
            < tuple_(bindparam("after_time", type_=TIME), bindparam("after_id", type_=Uuid)),
            or_(archived.is_(None), _c.archived == archived),
        )
        .order_by(_c.last_turn_at.desc(), _c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )
    if by_title:
        query = query.where(func.strpos(_folded(_c.title), _folded(bindparam("q", type_=Text))) > 0)
    return Statement(query)


def _folded(text: Any) -> Any:
    """What is equal whatever its case and width."""
    return func.lower(func.normalize(text, literal_column("NFKC")))


LIST_CONVERSATIONS = _list(by_title=False)
LIST_CONVERSATIONS_BY_TITLE = _list(by_title=True)

_made = (
    insert(conversations)
    .values(
        user_id=_user_id,
        id=_conversation_id,
        title=bindparam("title", type_=Text),
        system_prompt=bindparam("system_prompt", type_=Text),
        model=bindparam("model", type_=Text),
        params=bindparam("params", type_=JSONB),
        extra=bindparam("extra", type_=JSONB),
        created_at=_now,
        updated_at=_now,
        last_turn_at=_now,
    )
    .returning(conversations)
    .cte("made")
)
_counted = (
    update(user_activity)
    .where(user_activity.c.user_id == _made.c.user_id)
    .values(conversation_count=user_activity.c.conversation_count + 1)
    .returning(user_activity.c.user_id)
    .cte("counted")
)
# To be run in a transaction; by itself as `CREATE_CONVERSATION`.
NEW_CONVERSATION = select(_made).add_cte(_counted, noted_conversation(_made))
CREATE_CONVERSATION = Statement(NEW_CONVERSATION)


# A reply as it stands: of one that is being generated, what is written down.
_reply = case((_t.status == "streaming", written_text(_t.user_id, _t.id)), else_=_t.reply).label("reply")

# What nobody but the turn's own process needs to know.
_INNER = ("reply", "idempotency_key", "request_digest", "stop_requested", "replica_id")

TURN_COLUMNS = (
    *(column for column in turns.c if column.name not in _INNER),
    _reply,
)


def _window(bounds: Any) -> Select[Any]:
    """All turns at some positions of one conversation, whichever branch they are on.

    On a path there is one turn a position, so that a page of a path is a range of positions. Turns beside the
    path come along: they are the siblings that are counted.
    """
    return select(
        *TURN_COLUMNS,
        func.count().over(partition_by=_t.parent_id).label("sibling_count"),
        func.row_number().over(partition_by=_t.parent_id, order_by=_t.id).label("sibling_position"),
    ).where(_t.user_id == _user_id, _t.conversation_id == _conversation_id, bounds)


def _window_up() -> Statement:
    """The `limit` positions that end at the turn `start_id`, or at the head where it is null."""
    head = select(_c.head_turn_id).where(_c.user_id == _user_id, _c.id == _conversation_id).scalar_subquery()
    at = turns.alias("at")
    start = (
        select(at.c.id, at.c.position)
        .where(
            at.c.user_id == _user_id,
            at.c.conversation_id == _conversation_id,
            at.c.id == func.coalesce(bindparam("start_id", type_=Uuid), head),
        )
        .cte("start")
    )
    # Known before anything is read, so that the range is the index's: joined, the whole conversation may be.
    position = select(start.c.position).scalar_subquery()
    bounds = and_(_t.position <= position, _t.position > position - bindparam("limit", type_=Integer))
    return Statement(_window(bounds).add_columns(select(start.c.id).scalar_subquery().label("start_id")))


TURNS_UP = _window_up()
TURNS_BETWEEN = Statement(
    _window(_t.position.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer)))
)
HEAD_POSITION = Statement(
    select(_t.id, _t.position)
    .join(conversations, and_(_c.user_id == _t.user_id, _c.head_turn_id == _t.id))
    .where(_c.user_id == _user_id, _c.id == _conversation_id)
)


def _ancestor() -> Statement:
    """The turn at `position` on the path from the turn `start_id` up."""
    path = (
        select(_t.id, _t.parent_id, _t.position)
        .where(_t.user_id == _user_id, _t.id == bindparam("start_id", type_=Uuid))
        .cte("path", recursive=True)
    )
    above = turns.alias("above")
    position = bindparam("position", type_=Integer)
    path = path.union_all(
        select(above.c.id, above.c.parent_id, above.c.position).where(
            above.c.user_id == _user_id, above.c.id == path.c.parent_id, path.c.position > position
        )
    )
    return Statement(select(path.c.id).where(path.c.position == position))


ANCESTOR = _ancestor()


def _leaf() -> Statement:
    """The turn to which the newest of the branches under the turn `turn_id` has come."""
    path = (
        select(_t.id, _t.position)
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.id == bindparam("turn_id", type_=Uuid),
        )
        .cte("path", recursive=True)
    )
    below = turns.alias("below")
    newest = (
        select(below.c.id, below.c.position)
        .where(
            below.c.user_id == _user_id,
            below.c.conversation_id == _conversation_id,
            below.c.position == path.c.position + 1,
            below.c.parent_id == path.c.id,
        )
        .order_by(below.c.id.desc())
        .limit(1)
        .lateral("newest")
    )
    path = path.union_all(select(newest.c.id, newest.c.position).select_from(path.join(newest, true())))
    return Statement(select(path.c.id).order_by(path.c.position.desc()).limit(1))


LEAF = _leaf()


def siblings_of_turn() -> LateralFromClause:
    """How many turns have the same parent as the row of `turns` beside it, and which of them it is."""
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


def _one_turn() -> Statement:
    siblings = siblings_of_turn()
    return Statement(
        select(*TURN_COLUMNS, siblings.c.sibling_count, siblings.c.sibling_position)
        .select_from(turns.join(siblings, true()))
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.id == bindparam("turn_id", type_=Uuid),
        )
    )


TURN = _one_turn()


def _siblings() -> Statement:
    """The turns with the same parent as `turn_id`, oldest first, from after the id `after_id`."""
    of = turns.alias("of")
    numbered = (
        select(
            *TURN_COLUMNS,
            func.count().over().label("sibling_count"),
            func.row_number().over(order_by=_t.id).label("sibling_position"),
        )
        .join(
            of,
            and_(
                of.c.user_id == _t.user_id,
                of.c.conversation_id == _t.conversation_id,
                of.c.position == _t.position,
                of.c.parent_id.is_not_distinct_from(_t.parent_id),
            ),
        )
        .where(
            of.c.user_id == _user_id,
            of.c.conversation_id == _conversation_id,
            of.c.id == bindparam("turn_id", type_=Uuid),
        )
        .subquery("numbered")
    )
    return Statement(
        select(numbered)
        .where(numbered.c.id > bindparam("after_id", type_=Uuid))
        .order_by(numbered.c.id)
        .limit(bindparam("limit", type_=Integer))
    )


SIBLINGS = _siblings()
SET_FEEDBACK = Statement(
    update(turns)
    .where(_t.user_id == _user_id, _t.conversation_id == _conversation_id, _t.id == bindparam("turn_id", type_=Uuid))
    .values(rating=bindparam("rating", type_=Integer), comment=bindparam("comment", type_=Text))
    .returning(_t.id)
)

# Whose turns of one replica are now: a guest who signs in takes theirs along.
OWNERS = Statement(
    select(_t.id, _t.user_id).where(
        _t.replica_id == bindparam("replica_id", type_=Uuid),
        _t.status == "streaming",
        _t.id == func.any(bindparam("turn_ids", type_=ARRAY(Uuid))),
    )
)


async def update_conversation(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, changes: Mapping[str, object]
) -> RowMapping | None:
    """Change some columns; return the conversation as it is now, or None where it is not the user's."""
    own = and_(_c.user_id == user_id, _c.id == conversation_id)
    changed = await connection.execute(update(conversations).where(own).values(**changes).returning(conversations))
    return changed.mappings().one_or_none()


async def request_stop_of_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Ask for the end of every reply that is being generated for a user, on whichever replica."""
    streaming = and_(_t.user_id == user_id, _t.status == "streaming")
    await connection.execute(update(turns).where(streaming).values(stop_requested=True))


async def turn_exists(connection: AsyncConnection, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> bool:
    query = select(_t.id).where(_t.user_id == user_id, _t.conversation_id == conversation_id, _t.id == turn_id)
    return (await connection.execute(query)).first() is not None


async def delete_conversation(connection: AsyncConnection, user_id: UUID, conversation_id: UUID) -> bool:
    """Delete a conversation and, by the foreign keys, its turns; False where it is not the user's."""
    own = and_(_c.user_id == user_id, _c.id == conversation_id)
    deleted = (await connection.execute(delete(conversations).where(own).returning(_c.turn_count))).first()
    if deleted is None:
        return False
    await connection.execute(
        update(user_activity)
        .where(user_activity.c.user_id == user_id)
        .values(
            conversation_count=user_activity.c.conversation_count - 1,
            turn_count=user_activity.c.turn_count - deleted.turn_count,
        )
    )
    return True
