"""Lexemes made and kept: of a turn that ends, and of turns that have none yet or those of an older version.

What is there if the process dies: a turn is ended in one statement with its lexemes, or with a row that says that they
are to be made. Such rows are found by any replica, now or at the next start, and stay until the lexemes are there; so
do turns of an older version until `reindex` has come to them, and turns without any until `UnindexedTurns` has. Doing
either twice gives the same rows.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from chatkeep.chat.items import AnyItem, is_reasoning
from chatkeep.chat.search import index_queries
from chatkeep.chat.search.index_queries import TurnTexts
from chatkeep.chat.search.lexemes import parts_of
from chatkeep.database.database import Database
from chatkeep.database.statement import Statement

# Longer texts are taken apart in a thread: the event loop would stand still for milliseconds.
LONG_TEXT_CHARACTERS = 4_000
WINDOW_TURNS = 1_000
BATCH_TURNS = 100
BATCH_CHARACTERS = 1_000_000
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The statements of one of the tables that know what turns are found by."""

    pending: Statement[TurnTexts]
    index: Statement[int]


TURNS = _Entries(index_queries.PENDING, index_queries.INDEX)
REASONING = _Entries(index_queries.PENDING_REASONING, index_queries.INDEX_REASONING)


async def lexemes_of_reasoning(user_id: UUID, items: Iterable[AnyItem] | None) -> list[str]:
    """Return the lexemes for `reasoning_search`, a text for each part; none where there is no reasoning."""
    texts = [item["text"] for item in items or () if is_reasoning(item)]
    return await lexemes_of_turn(user_id, *texts) if texts else []


async def lexemes_of_turn(user_id: UUID, *texts: str | None) -> list[str]:
    """Return the lexemes for `turn_search`, a text for each part."""
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
        stale = [(row.user_id, row.id) for row in rows if row.stale]
        for first in range(0, len(stale), BATCH_TURNS):
            await index_turns(database, stale[first : first + BATCH_TURNS])
        yield len(rows), len(stale)
        if len(rows) < WINDOW_TURNS:
            break  # or the last user could keep it going for ever, by saying more
        after_user_id, after_id = rows[-1].user_id, rows[-1].id


async def index_turns(database: Database, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Make the lexemes of finished turns, (`user_id`, `id`), in the place of those that they have."""
    user_ids, turn_ids = ([key[n] for key in keys] for n in range(2))
    turns = await database.rows(index_queries.TEXTS, user_ids=user_ids, turn_ids=turn_ids)
    await _keep_all(database, [turn.said() for turn in turns], TURNS)
    await _keep_all(database, [turn.thought() for turn in turns if turn.reasoned], REASONING)


async def _keep_all(database: Database, turns: Sequence[TurnTexts], entries: _Entries) -> int:
    made = 0
    for batch in _batches(turns):
        made += await database.row(entries.index, **await asyncio.to_thread(_columns, batch)) or 0
    return made


def _batches(turns: Sequence[TurnTexts]) -> Iterator[list[TurnTexts]]:
    """Yield turns together whose texts are not too long together."""
    batch: list[TurnTexts] = []
    characters = 0
    for turn in turns:
        batch.append(turn)
        characters += sum(len(text or "") for text in turn.texts)
        if characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _columns(turns: Sequence[TurnTexts]) -> dict[str, list[Any]]:
    # In the order of keys, so that two who do the same never wait for each other in a circle.
    made = [
        (turn.user_id, turn.id, number, len(parts), part)
        for turn in sorted(turns, key=attrgetter("user_id", "id"))
        for parts in [parts_of(turn.user_id, turn.texts)]
        for number, part in enumerate(parts)
    ]
    names = ("user_ids", "turn_ids", "numbers", "counts", "joined_parts")
    return dict(zip(names, map(list, zip(*made, strict=True)), strict=True))
