"""The statements that continue an imported conversation: one a function, and none commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, cast, delete, exists, func, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import (
    conversations,
    imported_turns,
    reasoning_entries,
    reasoning_search,
    turn_entries,
    turn_search,
    turns,
    unusual_turns,
)
from chatkeep.transfer.import_queries import insert_unusual

# Fields of a turn that come with its answer.
ANSWER = (
    *("reply", "reply_items", "status", "model", "params", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "finish_reason", "error_code", "error_detail", "completed_at"),
)

_c = conversations.c
_t = turns.c
_i = imported_turns.c


@dataclass(frozen=True, slots=True)
class KnownTurn:
    """A turn that was imported before.

    Args:
        is_unanswered: it has neither a reply nor a turn after it.
    """

    id: UUID
    parent_id: UUID | None
    position: int
    is_unanswered: bool


@dataclass(frozen=True, slots=True)
class LockedConversation:
    title: str | None
    head_turn_id: UUID | None
    turn_count: int


async def known_turns(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, message_ids: Sequence[str]
) -> dict[str, KnownTurn]:
    """Return the turns of a conversation that end with one of the messages, by that message's id."""
    given = func.unnest(literal(list(message_ids), ARRAY(Text))).table_valued("name", name="given").render_derived()
    after = turns.alias("after")
    has_after = exists().where(
        after.c.user_id == user_id,
        after.c.conversation_id == conversation_id,
        after.c.position == _t.position + 1,
        after.c.parent_id == _t.id,
    )
    # Each by its keys, however many turns the conversation has.
    known = (
        select(_i.source_id, _t.id, _t.parent_id, _t.position, (_t.reply.is_(None) & ~has_after).label("is_unanswered"))
        .join(turns, (_t.user_id == _i.user_id) & (_t.id == _i.turn_id))
        .where(
            _i.user_id == user_id,
            _i.conversation_id == conversation_id,
            _i.source_id == cast(given.c.name, Text),
        )
        .limit(1)
        .lateral("known")
    )
    found = await connection.execute(select(known).select_from(given.join(known, true())))
    return {row.source_id: _known_turn(row) for row in found}


async def known_messages(
    connection: AsyncConnection, user_id: UUID, messages: Sequence[tuple[UUID, str]]
) -> set[tuple[UUID, str]]:
    """Return with which of the messages, (conversation, source id), a turn ends."""
    conversation_ids, names = ([each[n] for each in messages] for n in range(2))
    given = (
        func.unnest(literal(conversation_ids, ARRAY(Uuid)), literal(names, ARRAY(Text)))
        .table_valued("conversation_id", "name", name="given")
        .render_derived()
    )
    # Each by its key.
    known = (
        select(_i.conversation_id, _i.source_id)
        .where(
            _i.user_id == user_id,
            _i.conversation_id == cast(given.c.conversation_id, Uuid),
            _i.source_id == cast(given.c.name, Text),
        )
        .limit(1)
        .lateral("known")
    )
    found = await connection.execute(select(known).select_from(given.join(known, true())))
    return {(row.conversation_id, row.source_id) for row in found}


def _known_turn(row: Row[Any]) -> KnownTurn:
    return KnownTurn(row.id, row.parent_id, row.position, row.is_unanswered)


async def lock_conversation(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID
) -> LockedConversation | None:
    """Keep a conversation as it is until the transaction ends; None where it was deleted."""
    found = await connection.execute(
        select(_c.title, _c.head_turn_id, _c.turn_count)
        .where(_c.user_id == user_id, _c.id == conversation_id)
        .with_for_update()
    )
    row = found.one_or_none()
    return None if row is None else LockedConversation(row.title, row.head_turn_id, row.turn_count)


async def count_imported_turns(connection: AsyncConnection, user_id: UUID, conversation_id: UUID) -> int:
    """Return how many of a conversation's turns were imported."""
    counted = select(func.count(_i.turn_id.distinct())).where(
        _i.user_id == user_id, _i.conversation_id == conversation_id
    )
    return int((await connection.execute(counted)).scalar_one())


async def answer_turns(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write the answers of turns that had none; they are to be made findable anew."""
    named: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ANSWER}
    query = update(turns).where(
        _t.user_id == user_id, _t.id == bindparam("turn_id"), _t.conversation_id == conversation_id
    )
    answers = [{"turn_id": row["id"], **{f"new_{name}": row[name] for name in ANSWER}} for row in rows]
    await connection.execute(query.values(named), answers)
    # Each by its key: PostgreSQL 15 goes through all that the user has for `turn_id IN (...)`.
    turn_ids = [{"answered_id": row["id"]} for row in rows]
    for entries in (turn_entries, reasoning_entries, turn_search, reasoning_search, unusual_turns):
        of_turn = delete(entries).where(entries.c.user_id == user_id, entries.c.turn_id == bindparam("answered_id"))
        await connection.execute(of_turn, turn_ids)
    await insert_unusual(connection, rows)


async def grow_conversation(
    connection: AsyncConnection,
    user_id: UUID,
    conversation_id: UUID,
    head: UUID | None,
    count: int,
    told: Mapping[str, Any],
) -> None:
    """Note that a conversation has more turns.

    Args:
        head: the turn that its active path ends with.
        told: its row as the file has it: later times of it count.
    """
    await connection.execute(
        update(conversations)
        .where(_c.user_id == user_id, _c.id == conversation_id)
        .values(
            head_turn_id=head,
            turn_count=_c.turn_count + count,
            updated_at=func.greatest(_c.updated_at, told["updated_at"]),
            last_turn_at=func.greatest(_c.last_turn_at, told["last_turn_at"]),
        )
    )
