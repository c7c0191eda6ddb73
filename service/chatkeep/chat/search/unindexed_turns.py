"""Turns of which an older release kept less, before or during an update: no lexemes, or nothing in the narrow tables.

Such code leaves nothing behind by which they could be found. They are looked for by their ids, which are in the order
of time: at the start of a process from the newest backwards, as far as some are missing; and again and again while a
replica of older code is at work. What is there if the process dies: lexemes of the turns that it came to. The next
start finds the rest.
"""

from datetime import timedelta
from uuid import UUID

from chatkeep.chat.search.indexer import BATCH_TURNS, index_turns
from chatkeep.chat.search.older_release_queries import ADOPT, MISSING, OLDER_REPLICAS, OLDEST_STREAMING
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.ids import earliest_id

WINDOW_TURNS = 1_000
BEFORE_ALL, AFTER_ALL = UUID(int=0), UUID(int=2**128 - 1)
# By which the clocks of two machines may differ, and a commit be later than its turn's id.
SLACK = timedelta(minutes=1)


class UnindexedTurns:
    """The turns that one process has looked at so far."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Turns of lesser ids have been looked at; None before the first look.
        self._looked_until: UUID | None = None
        self._older_at_work = False

    async def index(self) -> int:
        """Make the lexemes of turns that have none; return how many turns that were."""
        older = bool(await self._database.rows(OLDER_REPLICAS))
        # Once more after the last of them has gone: it may have ended turns since.
        look = older or self._older_at_work or self._looked_until is None
        next_look = await self._begin_of_next_look()
        made = await self._look() if look else 0
        self._looked_until, self._older_at_work = next_look, older
        return made

    async def _begin_of_next_look(self) -> UUID:
        recent = earliest_id(self._clock() - SLACK)
        oldest_id = await self._database.row(OLDEST_STREAMING)
        return recent if oldest_id is None else min(recent, oldest_id)

    async def _look(self) -> int:
        """Go from the newest turn backwards: to the last look, or at first until nothing is missing."""
        made, before_id = 0, AFTER_ALL
        while True:
            window = {"since_id": self._looked_until or BEFORE_ALL, "before_id": before_id, "limit": WINDOW_TURNS}
            await self._database.execute(ADOPT, **window)
            rows = await self._database.rows(MISSING, **window)
            missing = [(row.user_id, row.id) for row in rows if row.missing]
            for first in range(0, len(missing), BATCH_TURNS):
                await index_turns(self._database, missing[first : first + BATCH_TURNS])
            made += len(missing)
            if len(rows) < WINDOW_TURNS or (self._looked_until is None and not missing):
                break
            before_id = rows[-1].id
        return made
