"""Entries of the release before made anew, in the background and by `chatkeep search reindex`: the newest first.

What is there if the process dies: the entries that it has not come to. They go on being found, and any replica goes on with
them. While a process of the release before is at work, they stay: it finds turns by nothing else.
"""

import asyncio
from uuid import UUID

from chatkeep.chat.search.indexer import index_turns
from chatkeep.chat.search.older_queries import DROP_OLDER, NEWEST_OLDER
from chatkeep.chat.search.older_release_queries import FIRST_REPLICA, OLDER_AT_WORK
from chatkeep.database.database import Database

BATCH_TURNS = 100
# Between batches, so that requests find a processor.
PAUSE_SECONDS = 0.02


async def remake_older(database: Database, replica_id: UUID | None = None) -> int:
    """Make entries of the release before anew, until none are left; return of how many turns.

    Args:
        replica_id: the one that does it; only the first of all goes to work.
    """
    total = 0
    while await _may(database, replica_id):
        rows = await database.rows(NEWEST_OLDER, limit=BATCH_TURNS)
        keys = [(row.user_id, row.turn_id) for row in rows]
        await index_turns(database, keys)
        user_ids, turn_ids = ([key[n] for key in keys] for n in range(2))
        dropped = await database.row(DROP_OLDER, user_ids=user_ids, turn_ids=turn_ids) or 0
        total += dropped
        if dropped < BATCH_TURNS:
            break  # none are left, or somebody has some of them locked
        await asyncio.sleep(PAUSE_SECONDS)
    return total


async def _may(database: Database, replica_id: UUID | None) -> bool:
    if await database.rows(OLDER_AT_WORK):
        return False
    return replica_id is None or await database.row(FIRST_REPLICA) == replica_id
