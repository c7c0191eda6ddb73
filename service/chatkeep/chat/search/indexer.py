"""Lexemes made and kept: of a turn that ends, and of turns that have none yet or those of an older version.

What is there if the process dies: a turn is ended in one statement with its lexemes, or with a row that says that they
are to be made. Such rows are found by any replica, now or at the next start, and stay until the lexemes are there; so
do turns of an older version until `reindex` has come to them, and turns without any until `UnindexedTurns` has. Doing
either twice gives the same rows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatkeep.chat.items import AnyItem, is_reasoning
from chatkeep.chat.search import index_queries
from chatkeep.chat.search.lexemes import parts_of
from chatkeep.database.database import Database
from chatkeep.database.statement import Row, Statement

# Longer texts are taken apart in a thread: the event loop would stand still for milliseconds.
LONG_TEXT_CHARACTERS = 4_000
WINDOW_TURNS = 1_000
BATCH_TURNS = 100
BATCH_CHARACTERS = 1_000_000
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Entries:
    """One of the tables that know what turns are found by.

    Args:
        texts: of a row of a turn.
    """

    pending: Statement[Row]
    index: Statement[Row]
    texts: Callable[[Any], Sequence[str | None]]


TURNS = _Entries(index_queries.PENDING, index_queries.INDEX, lambda row: (row["prompt"], row["reply"]))
REASONING = _Entries(index_queries.PENDING_REASONING, index_queries.INDEX_REASONING, lambda row: row["reasoning"] or ())


async def lexemes_of_reasoning(user_id: UUID, items: Iterable[AnyItem] | None) -> list[str]:
    """Return what `reasoning_search` keeps of a turn, a text for each part; nothing where there is no reasoning."""
    texts = [item["text"] for item in items or () if is_reasoning(item)]
    return await lexemes_of_turn(user_id, *texts) if texts else []


async def lexemes_of_turn(user_id: UUID, *texts: str | None) -> list[str]:
    """Return what `turn_search` keeps of a turn's texts, a text for each part."""
    if sum(len(text or "") for text in texts) > LONG_TEXT_CHARACTERS:
        return await asyncio.to_thread(parts_of, user_id, texts)
    return parts_of(user_id, texts)


async def index_pending(database: Database) -> int:
    """Make the lexemes that are to be made, some turns at a time, until none are left; return how many parts that is.

    What somebody deletes in the meantime is left for the next time.
    """
    return await _index_pending(database, TURNS) + await _index_pending(database, REASONING)


async def _index_pending(database: Database, entries: _Entries) -> int:
    total = 0
    while rows := await database.rows(entries.pending, limit=BATCH_TURNS):
        made = await _keep_all(database, rows, entries)
        total += made
        if made < len(rows):
            break
    return total


async def reindex(database: Database) -> AsyncIterator[tuple[int, int]]:
    """Make the lexemes of all turns that lack them or have those of an older version.

    It can be stopped at any time and begun again: turns that are done are passed over. So are those that begin
    in the meantime, which have theirs already.

    Yields:
        How many turns were looked at since the last, and of how many of them lexemes were made.
    """
    after_user_id, after_id = BEFORE_ALL, BEFORE_ALL
    while rows := await database.rows(
        index_queries.WINDOW, after_user_id=after_user_id, after_id=after_id, limit=WINDOW_TURNS
    ):
        stale = [row for row in rows if row["stale"]]
        for first in range(0, len(stale), BATCH_TURNS):
            await index_turns(database, stale[first : first + BATCH_TURNS])
        yield len(rows), len(stale)
        if len(rows) < WINDOW_TURNS:
            break  # or the last user could keep it going for ever, by saying more
        after_user_id, after_id = rows[-1]["user_id"], rows[-1]["id"]


async def index_turns(database: Database, keys: Sequence[Any]) -> None:
    """Make the lexemes of finished turns, in the place of those that they have; `keys` are rows with their ids."""
    rows = await database.rows(
        index_queries.TEXTS, user_ids=[key["user_id"] for key in keys], turn_ids=[key["id"] for key in keys]
    )
    await _keep_all(database, rows, TURNS)
    await _keep_all(database, [row for row in rows if row["reasoned"]], REASONING)


async def _keep_all(database: Database, rows: Sequence[Any], entries: _Entries) -> int:
    made = 0
    for batch in _batches(rows, entries):
        row = await database.row(entries.index, **await asyncio.to_thread(_columns, batch, entries))
        made += row["made"] if row else 0
    return made


def _batches(rows: Sequence[Any], entries: _Entries) -> Iterator[list[Any]]:
    """Yield rows together whose texts are not too long together."""
    batch: list[Any] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += sum(len(text or "") for text in entries.texts(row))
        if characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _columns(rows: Sequence[Any], entries: _Entries) -> dict[str, list[Any]]:
    # In the order of keys, so that two who do the same never wait for each other in a circle.
    made = [
        (row["user_id"], row["id"], number, len(parts), part)
        for row in sorted(rows, key=lambda row: (row["user_id"], row["id"]))
        for parts in [parts_of(row["user_id"], entries.texts(row))]
        for number, part in enumerate(parts)
    ]
    names = ("user_ids", "turn_ids", "numbers", "counts", "joined_parts")
    return dict(zip(names, map(list, zip(*made, strict=True)), strict=True))
