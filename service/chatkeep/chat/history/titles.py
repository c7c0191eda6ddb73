"""The list of conversations, filtered by a part of the title."""

import asyncio
from datetime import datetime
from uuid import UUID

from chatkeep.chat.history.conversations import Origin
from chatkeep.chat.history.title_queries import CONVERSATIONS_BY_ID, TITLES_BY_ORIGIN, Title
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.search.matching import SearchedText
from chatkeep.chat.search.query import part_of_name
from chatkeep.database.database import Database

BATCH_TITLES = 1_000


async def conversations_by_title(
    database: Database,
    user_id: UUID,
    q: str,
    *,
    origin: Origin | None,
    archived: bool | None,
    pinned: bool | None,
    after_time: datetime,
    after_id: UUID,
    limit: int,
) -> list[ConversationRecord]:
    """Return at most `limit` conversations with `q` in their title, newest activity first, from after a position."""
    wanted = part_of_name(q)
    found: list[UUID] = []

    def fitting(titles: list[Title]) -> list[UUID]:
        return [each.id for each in titles if each.title and SearchedText(each.title).has(wanted)]

    many = BATCH_TITLES
    while len(found) < limit:
        values = {"archived": archived, "pinned": pinned, "after_time": after_time, "after_id": after_id}
        titles = await database.rows(TITLES_BY_ORIGIN[origin], user_id=user_id, **values, limit=many)
        found += await asyncio.to_thread(fitting, titles)
        if len(titles) < many:
            break
        after_time, after_id = titles[-1].last_turn_at, titles[-1].id
    return await database.rows(CONVERSATIONS_BY_ID, user_id=user_id, ids=found[:limit])
