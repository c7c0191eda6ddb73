"""The turns of one user as a source of a search."""

from uuid import UUID

from chatkeep.chat.search.candidates import (
    INDEX_LOOKUPS,
    JUST_ENDED,
    JUST_ENDED_REASONING,
    REASONING_LOOKUPS,
    SCAN,
    SCAN_REASONING,
    OwnCandidate,
    to_scan_result,
)
from chatkeep.chat.search.query import SearchQuery
from chatkeep.chat.search.search import ScanResult
from chatkeep.database.database import Database
from chatkeep.database.user_lexeme import user_mark


class OwnTurns:
    """The turns of one user, by statements that are compiled once."""

    def __init__(self, database: Database, user_id: UUID, asked: SearchQuery) -> None:
        self._database = database
        self._user_id = user_id
        self._asked = asked
        # Beginnings of one character are looked up for all users together: that takes longer than a user's turns.
        self.can_use_index = not asked.by_beginnings
        self._just_ended, self._scan, self._lookups = (
            (JUST_ENDED_REASONING, SCAN_REASONING, REASONING_LOOKUPS)
            if asked.in_reasoning
            else (JUST_ENDED, SCAN, INDEX_LOOKUPS)
        )

    async def just_ended(self, after: UUID) -> list[OwnCandidate]:
        return await self._database.rows(self._just_ended, user_id=self._user_id, after=after)

    async def scan(self, after: UUID, turns: int, limit: int) -> ScanResult[OwnCandidate]:
        rows = await self._database.rows(
            self._scan,
            user_id=self._user_id,
            tsquery=self._asked.tsquery,
            needles=list(self._asked.needles),
            after=after,
            turns=turns,
            limit=limit,
        )
        return to_scan_result(rows, turns)

    async def index_lookup(self, after: UUID, limit: int) -> list[OwnCandidate]:
        conditions = self._asked.conditions
        return await self._database.rows(
            self._lookups[len(conditions) - 1],
            user_id=self._user_id,
            mark=f"'{user_mark(self._user_id)}'",
            **{f"condition_{number}": each for number, each in enumerate(conditions)},
            needles=list(self._asked.needles),
            after=after,
            limit=limit,
        )
