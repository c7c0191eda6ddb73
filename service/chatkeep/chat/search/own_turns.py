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
from chatkeep.chat.search.older import older_tsquery
from chatkeep.chat.search.older_queries import ANY_OLDER, OLDER, OLDER_REASONING
from chatkeep.chat.search.query import SearchQuery
from chatkeep.chat.search.search import ScanResult
from chatkeep.database.database import Database
from chatkeep.database.user_lexeme import older_user_mark, user_lexeme


class OwnTurns:
    """The turns of one user, by statements that are compiled once."""

    def __init__(self, database: Database, user_id: UUID, asked: SearchQuery) -> None:
        self._database = database
        self._asked = asked
        self._conditions = {f"condition_{number}": each for number, each in enumerate(asked.conditions)}
        self._always = {"user_id": user_id, "with_files": asked.filters.has_file}
        self._user_id = user_id
        # Without a condition all turns would be looked up, and a walk does that in order.
        self.can_use_index = bool(self._conditions)
        self._just_ended, self._scan, self._lookups, self._older = (
            (JUST_ENDED_REASONING, SCAN_REASONING, REASONING_LOOKUPS, OLDER_REASONING)
            if asked.in_reasoning
            else (JUST_ENDED, SCAN, INDEX_LOOKUPS, OLDER)
        )

    async def just_ended(self, after: UUID) -> list[OwnCandidate]:
        return await self._database.rows(self._just_ended, **self._always, after=after)

    async def scan(self, after: UUID, turns: int, limit: int) -> ScanResult[OwnCandidate]:
        rows = await self._database.rows(
            self._scan, **self._always, **self._conditions, after=after, turns=turns, limit=limit
        )
        return to_scan_result(rows, turns)

    async def index_lookup(self, after: UUID, limit: int) -> list[OwnCandidate]:
        return await self._database.rows(
            self._lookups[len(self._conditions) - 1],
            **self._always,
            **self._conditions,
            mark=[user_lexeme(self._user_id)],
            after=after,
            limit=limit,
        )

    async def older(self, after: UUID, limit: int) -> list[OwnCandidate]:
        if not await self._database.rows(ANY_OLDER, user_id=self._user_id):
            return []
        mark = f"'{older_user_mark(self._user_id)}'"
        return await self._database.rows(
            self._older,
            **self._always,
            mark=mark,
            tsquery=older_tsquery(self._asked) or mark,
            after=after,
            limit=limit,
        )
