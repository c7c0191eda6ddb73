"""A page of a conversation's path, from the head up or from the root down.

A path has one turn a position, so a page is read as a range of positions in one index scan, however long the
conversation is. Only where branches meet a page that is read from the root down does the path have to be followed
from the head to the page: one step a turn.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.chat import turn_queries
from service.database.database import Database


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a path, and whether there are more behind them."""

    rows: Sequence[Any]
    more: bool


async def turns_up(
    database: Database, user_id: UUID, conversation_id: UUID, *, start_id: UUID | None, limit: int
) -> Slice:
    """Return at most `limit` turns from `start_id` (None: the head) towards the root, newest first."""
    rows = await database.rows(
        turn_queries.TURNS_UP, user_id=user_id, conversation_id=conversation_id, start_id=start_id, limit=limit
    )
    path = _climb(rows, rows[0]["start_id"], limit) if rows else []
    return Slice(path, bool(path) and path[-1]["parent_id"] is not None)


async def turns_down(database: Database, user_id: UUID, conversation_id: UUID, *, first: int, limit: int) -> Slice:
    """Return at most `limit` turns of the head's path from position `first` on, oldest first."""
    key = {"user_id": user_id, "conversation_id": conversation_id}
    head = await database.row(turn_queries.HEAD_POSITION, **key)
    if head is None or first > head["position"]:
        return Slice([], more=False)
    last = min(first + limit - 1, head["position"])
    rows = await database.rows(turn_queries.TURNS_BETWEEN, **key, first=first, last=last)
    if _has_branches(rows):
        found = await database.row(turn_queries.ANCESTOR, **key, start_id=head["id"], position=last)
        rows = _climb(rows, found["id"], limit) if found else []
    path = sorted(rows, key=lambda row: int(row["position"]))
    return Slice(path, last < head["position"])


def _has_branches(rows: Sequence[Any]) -> bool:
    return any(count > 1 for count in Counter(row["position"] for row in rows).values())


def _climb(rows: Sequence[Any], start_id: UUID, limit: int) -> list[Any]:
    """Return the rows from `start_id` along the parents."""
    by_id = {row["id"]: row for row in rows}
    path: list[Any] = []
    row = by_id.get(start_id)
    while row is not None and len(path) < limit:
        path.append(row)
        row = by_id.get(row["parent_id"])
    return path
