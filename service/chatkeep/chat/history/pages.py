"""Pages of a conversation's path, with the cursors of the contract."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal
from uuid import UUID

from chatkeep.chat.history import path_queries, queries
from chatkeep.chat.history.lookups import require_conversation
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound
from chatkeep.http.pages import Page, cursor_of_id, decode_cursor, encode_cursor, page_of

MAX_POSITION = 2**31 - 1
OLDEST_ID = UUID(int=0)
# So many turns beside a page's path are read with it, in one scan. A tree of more is followed turn by turn.
MAX_BESIDE = 100


@dataclass(frozen=True, slots=True)
class Slice:
    """Turns of a path, and whether there are more behind them."""

    turns: Sequence[Turn]
    more: bool


async def turns_up(
    database: Database, user_id: UUID, conversation_id: UUID, *, start_id: UUID | None, limit: int
) -> Slice:
    """Return at most `limit` turns from `start_id` (None: the head) towards the root, newest first."""
    key, max_rows = {"user_id": user_id, "conversation_id": conversation_id}, limit + MAX_BESIDE
    rows = await database.rows(path_queries.TURNS_UP, **key, start_id=start_id, limit=limit, max_rows=max_rows)
    path = await _path(database, key, rows, rows[0].start_id, limit) if rows else []
    return Slice(path, bool(path) and path[-1].parent_id is not None)


async def turns_down(database: Database, user_id: UUID, conversation_id: UUID, *, first: int, limit: int) -> Slice:
    """Return at most `limit` turns of the head's path from position `first` on, oldest first."""
    key = {"user_id": user_id, "conversation_id": conversation_id}
    head = await database.row(path_queries.HEAD_POSITION, **key)
    if head is None or first > head.position:
        return Slice([], more=False)
    last = min(first + limit - 1, head.position)
    count = last - first + 1
    rows = await database.rows(path_queries.TURNS_BETWEEN, **key, first=first, last=last, max_rows=count + MAX_BESIDE)
    if _has_branches(rows):
        last_id = await database.row(path_queries.ANCESTOR, **key, start_id=head.id, position=last)
        path = await _path(database, key, rows, last_id, count) if last_id else []
    else:
        path = [Turn.from_record(row) for row in rows]
    return Slice(sorted(path, key=attrgetter("index")), last < head.position)


def _has_branches(rows: Sequence[TurnRecord]) -> bool:
    return any(count > 1 for count in Counter(row.position for row in rows).values())


async def _path(
    database: Database, key: Mapping[str, UUID], rows: Sequence[TurnRecord], start_id: UUID, limit: int
) -> list[Turn]:
    """Return at most `limit` turns from `start_id` along the parents; `rows` are those of that range, or the first.

    Someone's file may have any number of siblings in it: no more of them come along than a page is worth.
    """
    if len(rows) < limit + MAX_BESIDE:
        return _climb(rows, start_id, limit)
    path = await database.rows(path_queries.PATH_UP, **key, start_id=start_id, limit=limit)
    return [Turn.from_record(row) for row in path]


def _climb(rows: Sequence[TurnRecord], start_id: UUID, limit: int) -> list[Turn]:
    """Return the turns from `start_id` along the parents; of the others, which may be many, none is read."""
    by_id = {row.id: row for row in rows}
    path: list[Turn] = []
    next_id: UUID | None = start_id
    while next_id in by_id and len(path) < limit:
        row = by_id[next_id]
        path.append(Turn.from_record(row))
        next_id = row.parent_id
    return path


async def turns_page(
    database: Database,
    user_id: UUID,
    conversation_id: UUID,
    *,
    order: Literal["asc", "desc"],
    limit: int,
    cursor: str | None,
) -> Page[Turn]:
    """Return one page of a conversation's active path.

    Args:
        order: `desc` begins at the head, `asc` at the root.
        limit: turns per page, 1 to 200.

    Raises:
        NotFound: the conversation is not the user's.
        InvalidCursor: `cursor` did not come from a page of this conversation in this order.
    """
    after: object = None
    listed = f"turns {order} {conversation_id}"
    if order == "asc":
        page: Slice = await turns_down(
            database, user_id, conversation_id, first=_first_position(cursor, listed), limit=limit
        )
        after = page.turns[-1].index + 1 if page.more and page.turns else None
    else:
        page = await turns_up(database, user_id, conversation_id, start_id=cursor_of_id(cursor, of=listed), limit=limit)
        after = page.turns[-1].parent_id if page.more else None
    if not page.turns:
        await require_conversation(database, user_id, conversation_id)
    return Page(
        items=list(page.turns),
        next_cursor=None if after is None else encode_cursor(after, of=listed),
    )


async def siblings_page(
    database: Database, user_id: UUID, conversation_id: UUID, turn_id: UUID, *, limit: int, cursor: str | None
) -> Page[Turn]:
    """Return one page of the turns with the same parent, oldest first.

    Raises:
        NotFound: the turn is not the user's.
        InvalidCursor: `cursor` did not come from a page of this turn's siblings.
    """
    listed = f"siblings {turn_id}"
    rows = await database.rows(
        queries.SIBLINGS,
        user_id=user_id,
        conversation_id=conversation_id,
        turn_id=turn_id,
        after_id=cursor_of_id(cursor, of=listed) or OLDEST_ID,
        limit=limit + 1,
    )
    if not rows and cursor is None:
        raise NotFound
    return page_of(rows, limit, Turn.from_record, of=listed)


def _first_position(cursor: str | None, listed: str) -> int:
    if cursor is None:
        return 0
    (position,) = decode_cursor(cursor, _position, of=listed)
    return position if isinstance(position, int) else 0


def _position(text: str) -> int:
    position = int(text)
    if not 0 <= position < MAX_POSITION - 200:
        raise ValueError("no such position")
    return position
