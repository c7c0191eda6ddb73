"""Pages of a conversation's path, with the cursors of the contract."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from typing import Literal, TypeAlias, TypeVar
from uuid import UUID

from chatkeep.chat.history import path_queries, queries
from chatkeep.chat.history.lookups import require_conversation
from chatkeep.chat.records import ReadTurn
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound
from chatkeep.http.pages import Item, Page, cursor_of_id, decode_cursor, encode_cursor, page_of

MAX_POSITION = 2**31 - 1
OLDEST_ID = UUID(int=0)
# So many turns beside a page's path are read with it, in one scan. A tree of more is followed turn by turn.
MAX_BESIDE = 100
# A page ends after so much text, however many turns were asked for. It is made in the event loop, and its reader has
# room for it.
MAX_PAGE_BYTES = 1_000_000

Read = TypeVar("Read", bound=ReadTurn)
_Key: TypeAlias = Mapping[str, UUID]


@dataclass(frozen=True, slots=True)
class Slice:
    """Turns of a path, and whether there are more behind them."""

    turns: Sequence[Turn]
    more: bool


async def turns_up(
    database: Database, user_id: UUID, conversation_id: UUID, *, start_id: UUID | None, limit: int
) -> Slice:
    """Return turns from `start_id` (None: the head) towards the root, newest first.

    At most `limit`, and no more than `MAX_PAGE_BYTES` of text beside the last one's. None only where there are none.
    """
    key: _Key = {"user_id": user_id, "conversation_id": conversation_id}
    sizes = {"limit": limit, "max_rows": limit + MAX_BESIDE, "max_bytes": MAX_PAGE_BYTES}
    rows = await database.rows(path_queries.TURNS_UP, **key, start_id=start_id, **sizes)
    if len(rows) < limit + MAX_BESIDE:
        path: Sequence[ReadTurn] = _climb(rows, rows[0].start_id, limit) if rows else []
    else:
        # Someone's file may have any number of siblings in it: no more of them come along than a page is worth.
        path = await _each_of_path(database, key, rows[0].start_id, limit, direction=-1)
    turns = [Turn.from_record(row) for row in takewhile(_is_read, path)]
    return Slice(turns, bool(turns) and turns[-1].parent_id is not None)


async def path_up(
    database: Database, user_id: UUID, conversation_id: UUID, *, start_id: UUID | None, limit: int
) -> AsyncGenerator[Turn, None]:
    """Yield at most `limit` turns from `start_id` (None: the head) towards the root, whatever their size."""
    while limit > 0:
        part = await turns_up(database, user_id, conversation_id, start_id=start_id, limit=limit)
        for turn in part.turns:
            yield turn
        if not part.more:
            return
        start_id, limit = part.turns[-1].parent_id, limit - len(part.turns)


async def turns_down(database: Database, user_id: UUID, conversation_id: UUID, *, first: int, limit: int) -> Slice:
    """Return turns of the head's path from position `first` on, oldest first. As many as of `turns_up`."""
    key: _Key = {"user_id": user_id, "conversation_id": conversation_id}
    head = await database.row(path_queries.HEAD_POSITION, **key)
    if head is None or first > head.position:
        return Slice([], more=False)
    last = min(first + limit - 1, head.position)
    count = last - first + 1
    sizes = {"max_rows": count + MAX_BESIDE, "max_bytes": MAX_PAGE_BYTES}
    rows = await database.rows(path_queries.TURNS_BETWEEN, **key, first=first, last=last, **sizes)
    path: Sequence[ReadTurn] = rows
    if _has_branches(rows):
        last_id = await database.row(path_queries.ANCESTOR, **key, start_id=head.id, position=last)
        path = [] if last_id is None else _climb(rows, last_id, count)[::-1]
        # Where the texts of siblings took the place of those of the path, they are read by themselves.
        if last_id and (len(rows) >= count + MAX_BESIDE or (path and not path[0].is_read)):
            path = await _each_of_path(database, key, last_id, count, direction=1)
    turns = [Turn.from_record(row) for row in takewhile(_is_read, path)]
    return Slice(turns, bool(turns) and turns[-1].index < head.position)


def _has_branches(rows: Sequence[ReadTurn]) -> bool:
    return any(count > 1 for count in Counter(row.position for row in rows).values())


async def _each_of_path(
    database: Database, key: _Key, start_id: UUID, limit: int, *, direction: Literal[1, -1]
) -> Sequence[ReadTurn]:
    """Return at most `limit` turns from `start_id` along the parents, and nothing beside them; -1 is newest first."""
    return await database.rows(
        path_queries.PATH_UP,
        **key,
        start_id=start_id,
        limit=limit,
        direction=direction,
        max_bytes=MAX_PAGE_BYTES,
    )


def _climb(rows: Sequence[ReadTurn], start_id: UUID, limit: int) -> list[ReadTurn]:
    """Return the turns from `start_id` along the parents."""
    by_id = {row.id: row for row in rows}
    path: list[ReadTurn] = []
    next_id: UUID | None = start_id
    while next_id in by_id and len(path) < limit:
        path.append(by_id[next_id])
        next_id = path[-1].parent_id
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
        limit: turns per page, 1 to 200. There are fewer where their text is more than a page has, see `turns_up`.

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
    rows: Sequence[ReadTurn] = await database.rows(
        queries.SIBLINGS,
        user_id=user_id,
        conversation_id=conversation_id,
        turn_id=turn_id,
        after_id=cursor_of_id(cursor, of=listed) or OLDEST_ID,
        limit=limit + 1,
        max_bytes=MAX_PAGE_BYTES,
    )
    if not rows and cursor is None:
        raise NotFound
    return page_of_read(rows, limit, Turn.from_record, of=listed)


def page_of_read(rows: Sequence[Read], limit: int, to_turn: Callable[[Read], Item], *, of: str) -> Page[Item]:
    """Return a page of the turns whose texts were read, which come first, `limit` at most. Otherwise as `page_of`."""
    read = sum(map(_is_read, rows))
    return page_of(rows[: read + 1], min(limit, read), to_turn, of=of)


_is_read = attrgetter("is_read")


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
