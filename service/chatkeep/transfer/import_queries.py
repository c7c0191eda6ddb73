"""The statements of an import: one a function, and none commits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Text, Uuid, cast, func, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.files.queries import insert_references
from chatkeep.chat.items import JsonItem, is_reasoning
from chatkeep.database.statement import into
from chatkeep.database.tables import (
    conversations,
    files,
    imported_conversations,
    imported_turns,
    reasoning_entries,
    turn_entries,
    turns,
    unusual_turns,
    user_activity,
)
from chatkeep.transfer.column_inserts import insert_rows

_i = imported_conversations.c
_t = turns.c


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A turn of an earlier import: its place, its words and its items."""

    id: UUID
    position: int
    prompt: str
    reply: str | None
    prompt_items: list[JsonItem] | None
    reply_items: list[JsonItem] | None


_TO_KEPT_TURN = into(KeptTurn)


async def known_sources(
    connection: AsyncConnection, user_id: UUID, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Return the conversations that the user has imported before, by their (source, source id)."""
    sources, names = (list(each) for each in zip(*keys, strict=True))
    given = (
        func.unnest(literal(sources, ARRAY(Text)), literal(names, ARRAY(Text)))
        .table_valued("source", "name", name="given")
        .render_derived()
    )
    # Each by its key: PostgreSQL goes through all that the user has imported for `(source, source_id) IN (...)`.
    known = (
        select(_i.source, _i.source_id, _i.conversation_id)
        .where(_i.user_id == user_id, _i.source == cast(given.c.source, Text), _i.source_id == cast(given.c.name, Text))
        .limit(1)
        .lateral("known")
    )
    found = await connection.execute(select(known).select_from(given.join(known, true())))
    return {(row.source, row.source_id): row.conversation_id for row in found}


async def own_conversations(connection: AsyncConnection, user_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of the conversations are the user's."""
    given = func.unnest(literal(list(ids), ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    # Each by its key: PostgreSQL 15 goes through all that the user has for `id IN (...)`.
    own = (
        select(conversations.c.id)
        .where(conversations.c.user_id == user_id, conversations.c.id == cast(given.c.id, Uuid))
        .limit(1)
        .lateral("own")
    )
    return set((await connection.execute(select(own.c.id).select_from(given.join(own, true())))).scalars())


async def kept_turns(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, positions: Collection[int]
) -> list[KeptTurn]:
    """Return a conversation's turns at these distances from its root, oldest first."""
    query = (
        select(_t.id, _t.position, _t.prompt, _t.reply, _t.prompt_items, _t.reply_items)
        .where(
            _t.user_id == user_id,
            _t.conversation_id == conversation_id,
            _t.position.in_(sorted(positions)),
        )
        .order_by(_t.id)
    )
    return [_TO_KEPT_TURN(row) for row in (await connection.execute(query)).mappings()]


async def replace_items(
    connection: AsyncConnection,
    user_id: UUID,
    kept: KeptTurn,
    prompt_items: list[JsonItem] | None,
    reply_items: list[JsonItem] | None,
) -> bool:
    """Give a turn other items; False where it has gone, or has others than those that were read."""
    query = (
        update(turns)
        .where(
            _t.user_id == user_id,
            _t.id == kept.id,
            _t.prompt_items.is_not_distinct_from(kept.prompt_items),
            _t.reply_items.is_not_distinct_from(kept.reply_items),
        )
        .values(prompt_items=prompt_items, reply_items=reply_items)
        .returning(_t.id)
    )
    return (await connection.execute(query)).first() is not None


async def insert_conversations(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    await insert_rows(connection, conversations, rows)


async def insert_sources(
    connection: AsyncConnection, user_id: UUID, conversation_ids: Mapping[tuple[str, str], UUID], now: datetime
) -> int:
    """Note where conversations come from; return how many of them were not here already.

    A concurrent import of the same is waited for, until it is kept or given up.

    Args:
        conversation_ids: by source and source id, in order: two that import the same must not wait for each other.
    """
    rows = [
        {"user_id": user_id, "source": source, "source_id": name, "conversation_id": each, "imported_at": now}
        for (source, name), each in conversation_ids.items()
    ]
    return await insert_rows(connection, imported_conversations, rows, unless_there=True)


async def insert_turns(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    await insert_rows(connection, turns, rows)
    await insert_unusual(connection, rows)


async def insert_unusual(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note which of the turns ended in another way than `complete`."""
    unusual = [
        {"user_id": row["user_id"], "turn_id": row["id"], "status": row["status"]}
        for row in rows
        if row["status"] != "complete"
    ]
    await insert_rows(connection, unusual_turns, unusual)


async def insert_turn_sources(
    connection: AsyncConnection, user_id: UUID, sources: Sequence[tuple[UUID, UUID, str]]
) -> None:
    """Note the ids that turns have where they come from: (conversation, turn, source id)."""
    rows = [
        {"user_id": user_id, "conversation_id": conversation_id, "turn_id": turn_id, "source_id": source_id}
        for conversation_id, turn_id, source_id in sources
    ]
    await insert_rows(connection, imported_turns, rows, unless_there=True)


async def refer_to_files(connection: AsyncConnection, user_id: UUID, references: Sequence[tuple[UUID, UUID]]) -> None:
    """Note which turns refer to which files: (turn, file). Files that are not the user's are left out."""
    if not references:
        return
    # In one order, so that two imports of the same never wait for each other.
    wanted = sorted({file_id for _, file_id in references})
    given = func.unnest(literal(wanted, ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    # Each by its key, as above. Nobody deletes one of them before this transaction has ended.
    own = (
        select(files.c.id)
        .where(files.c.user_id == user_id, files.c.id == cast(given.c.id, Uuid))
        .limit(1)
        .with_for_update(read=True, key_share=True)
        .lateral("own")
    )
    found = set((await connection.execute(select(own.c.id).select_from(given.join(own, true())))).scalars())
    await insert_references(connection, user_id, [each for each in references if each[1] in found])


async def await_lexemes(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note that what the turns are found by is to be made, see `chatkeep.chat.search.indexer`."""
    thoughtful = [row for row in rows if any(map(is_reasoning, row["reply_items"] or ()))]
    for entries, found in ((turn_entries, rows), (reasoning_entries, thoughtful)):
        await _await_entries(connection, entries, found)


async def _await_entries(connection: AsyncConnection, entries: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    pending = [{"user_id": row["user_id"], "turn_id": row["id"], "version": 0} for row in rows]
    await insert_rows(connection, entries, pending)


async def count_conversations(connection: AsyncConnection, user_id: UUID, count: int, turn_count: int) -> None:
    await connection.execute(
        update(user_activity)
        .where(user_activity.c.user_id == user_id)
        .values(
            conversation_count=user_activity.c.conversation_count + count,
            turn_count=user_activity.c.turn_count + turn_count,
        )
    )
