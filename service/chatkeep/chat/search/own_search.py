"""A user's search: turns by their texts or by their conversation's title, in the order of time or of relevance."""

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from chatkeep.chat.search.candidates import OwnCandidate
from chatkeep.chat.search.filters import BEFORE_NEWEST
from chatkeep.chat.search.matching import matches
from chatkeep.chat.search.own_turns import OwnTurns
from chatkeep.chat.search.query import SearchQuery
from chatkeep.chat.search.ranking import MAX_RANKED, relevance
from chatkeep.chat.search.search import Search
from chatkeep.chat.search.title_queries import TITLES
from chatkeep.database.database import Database

Sort = Literal["date", "relevance"]
BATCH_TITLES = 1_000


async def newest_found(
    database: Database, user_id: UUID, asked: SearchQuery, *, after: UUID | None, limit: int
) -> Sequence[OwnCandidate]:
    """Return the newest turns that fit, from after a position, see `position_of`.

    Raises:
        QueryTooSlow: it took too long.
    """
    if asked.in_title:
        return await _by_title(database, user_id, asked, after=after, limit=limit)
    return await Search(asked, OwnTurns(database, user_id, asked), limit=limit).newest(after)


def position_of(asked: SearchQuery, found: OwnCandidate) -> UUID:
    """Return where a turn is among those that are found: by its id, or where titles are, by its conversation's."""
    return found.conversation_id if asked.in_title else found.turn_id


async def most_relevant(
    database: Database, user_id: UUID, asked: SearchQuery, *, after: tuple[int, UUID] | None, limit: int
) -> Sequence[tuple[int, OwnCandidate]]:
    """Return the most relevant of the newest `MAX_RANKED` turns that fit, each with its relevance.

    Raises:
        QueryTooSlow: it took too long.
    """
    found = await newest_found(database, user_id, asked, after=None, limit=MAX_RANKED)

    def ranked() -> list[tuple[int, OwnCandidate]]:
        every = [(relevance(asked, each.texts), each) for each in found]
        every.sort(key=lambda each: (each[0], each[1].turn_id), reverse=True)
        return [each for each in every if after is None or (each[0], each[1].turn_id) < after]

    return (await asyncio.to_thread(ranked))[:limit]


async def _by_title(
    database: Database, user_id: UUID, asked: SearchQuery, *, after: UUID | None, limit: int
) -> list[OwnCandidate]:
    found: list[OwnCandidate] = []
    last, always = after or BEFORE_NEWEST, {"user_id": user_id, "with_files": asked.filters.has_file}
    # Among few there is enough, mostly.
    many = limit
    while len(found) < limit:
        rows = await database.rows(TITLES, **always, after=last, limit=many)
        found += [each for each in rows if each.passes(asked.filters) and matches(asked, *each.texts)]
        if len(rows) < many:
            break
        last, many = rows[-1].conversation_id, BATCH_TITLES
    return found[:limit]
