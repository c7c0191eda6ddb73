"""Lexemes made and kept: of a turn that ends, and of turns that have none yet or those of an older version.

What is there if the process dies: a turn that has ended has a row in `unsettled_turns` until its lexemes are there, and
an imported one a row without lexemes. Such rows are found by any replica, now or at the next start; so
are turns of an older version until `reindex` has come to them, and turns without any until `UnindexedTurns` has. Doing
either twice gives the same rows.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from chatkeep.chat.search import index_queries
from chatkeep.chat.search.index_queries import FinishedTurn, TurnTexts
from chatkeep.chat.search.lexemes import lexemes_of_turn
from chatkeep.chat.search.older_queries import DROP_OLDER
from chatkeep.chat.search.older_release_queries import OLDER_AT_WORK
from chatkeep.database.database import Database
from chatkeep.database.statement import Statement

WINDOW_TURNS = 1_000
BATCH_TURNS = 100
BATCH_CHARACTERS = 1_000_000
BEFORE_ALL = UUID(int=0)
# The process that ended a turn makes it findable within a second, unless it died.
LEFT_BEHIND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Entries:
    """The statements of one of the tables that know what turns are found by."""

    pending: Statement[TurnTexts]
    index: Statement[int]


TURNS = _Entries(index_queries.PENDING, index_queries.INDEX)
REASONING = _Entries(index_queries.PENDING_REASONING, index_queries.INDEX_REASONING)


async def index_pending(database: Database) -> int:
    """Make the lexemes that are to be made, some turns at a time, until none are left; return how many that is.

    What somebody deletes in the meantime is left for the next time.
    """
    pending = await _index_pending(database, TURNS) + await _index_pending(database, REASONING)
    return pending + await _index_left_behind(database)


async def _index_left_behind(database: Database) -> int:
    total = 0
    while turns := await database.rows(index_queries.LEFT_BEHIND, seconds=LEFT_BEHIND_SECONDS, limit=BATCH_TURNS):
        made = await index_ended(database, turns)
        total += made
        if not made:
            break
    return total


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
        await drop_older(database, [(row.user_id, row.id) for row in rows])
        yield len(rows), len(stale)
        if len(rows) < WINDOW_TURNS:
            break  # or the last user could keep it going for ever, by saying more
        after_user_id, after_id = rows[-1].user_id, rows[-1].id


async def drop_older(database: Database, keys: Sequence[tuple[UUID, UUID]]) -> int:
    """Delete entries of the release before of turns that have new ones; return of how many turns.

    While a process of that release is at work, it finds turns by nothing else.
    """
    if await database.rows(OLDER_AT_WORK):
        return 0
    user_ids, turn_ids = ([key[n] for key in keys] for n in range(2))
    return await database.row(DROP_OLDER, user_ids=user_ids, turn_ids=turn_ids) or 0


async def index_turns(database: Database, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Make the lexemes of finished turns, (`user_id`, `id`), in the place of those that they have."""
    user_ids, turn_ids = ([key[n] for key in keys] for n in range(2))
    await index_ended(database, await database.rows(index_queries.TEXTS, user_ids=user_ids, turn_ids=turn_ids))


async def index_ended(database: Database, turns: Sequence[FinishedTurn]) -> int:
    """Make the lexemes of turns that have ended, in the place of those that they have; return of how many.

    Turns that are gone are left out. Those of the reasoning come first: with the others a turn is settled.
    """
    await _keep_all(database, [turn.thought() for turn in turns if turn.reasoning], REASONING)
    return await _keep_all(database, [turn.said() for turn in turns], TURNS)


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
    ordered = sorted(turns, key=attrgetter("user_id", "id"))
    return {
        "user_ids": [turn.user_id for turn in ordered],
        "turn_ids": [turn.id for turn in ordered],
        # As PostgreSQL writes arrays: a list of lists would have to be of equal ones.
        "lexemes_texts": [
            "{" + ",".join(map(str, lexemes_of_turn(turn.user_id, turn.texts))) + "}" for turn in ordered
        ],
    }
