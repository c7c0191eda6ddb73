"""Entries of the release before made anew, in the background: the newest first.

What is there if the process dies: the entries that it has not come to. They go on being found, and any replica goes on
with them.
"""

import asyncio
from uuid import UUID

from chatkeep.chat.search.indexer import BATCH_TURNS, drop_older, index_turns
from chatkeep.chat.search.older_queries import NEWEST_OLDER
from chatkeep.chat.search.older_release_queries import FIRST_REPLICA, OLDER_AT_WORK
from chatkeep.database.database import Database

# Between batches, so that requests find a processor.
PAUSE_SECONDS = 0.02


async def remake_older(database: Database, replica_id: UUID) -> int:
    """Make entries of the release before anew, until none are left; return of how many turns.

    Args:
        replica_id: the one that does it; only the first of all goes to work.
    """
    total = 0
    while await _may(database, replica_id):
        rows = await database.rows(NEWEST_OLDER, limit=BATCH_TURNS)
        keys = [(row.user_id, row.turn_id) for row in rows]
        await index_turns(database, keys)
        dropped = await drop_older(database, keys)
        total += dropped
        if dropped < BATCH_TURNS:
            break  # none are left, or somebody has some of them locked
        await asyncio.sleep(PAUSE_SECONDS)
    return total


async def _may(database: Database, replica_id: UUID) -> bool:
    if await database.rows(OLDER_AT_WORK):
        return False
    return await database.row(FIRST_REPLICA) == replica_id
