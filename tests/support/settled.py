"""Turns that have ended, and that the search index has."""

import asyncio

from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.search.indexer import index_ended
from tests.accounts.client import rows

SETTLED_SECONDS = 20


async def settle(store: TurnStore) -> None:
    """Make findable what the store's process has ended; wait for what is being made so."""
    await index_ended(store.database, store.ended_turns.take())
    async with asyncio.timeout(SETTLED_SECONDS):
        while await rows(store.database, "SELECT 1 FROM unsettled_turns WHERE ended_at IS NOT NULL LIMIT 1"):
            await asyncio.sleep(0.02)
