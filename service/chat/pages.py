"""Pages of a conversation's path, with the cursors of the contract."""

from typing import Literal
from uuid import UUID

from service.chat import queries, turn_queries
from service.chat.paths import Slice, turns_down, turns_up
from service.chat.schemas import Turn
from service.database.database import Database
from service.errors import NotFound
from service.http.pages import Page, cursor_of_id, decode_cursor, encode_cursor, page_of

DEEPEST_POSITION = 2**31 - 1
OLDEST_ID = UUID(int=0)


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
        after = page.rows[-1]["position"] + 1 if page.more and page.rows else None
    else:
        page = await turns_up(database, user_id, conversation_id, start_id=cursor_of_id(cursor, of=listed), limit=limit)
        after = page.rows[-1]["parent_id"] if page.more else None
    if not page.rows:
        await _require_conversation(database, user_id, conversation_id)
    return Page(
        items=[Turn.from_row(row) for row in page.rows],
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
        turn_queries.SIBLINGS,
        user_id=user_id,
        conversation_id=conversation_id,
        turn_id=turn_id,
        after_id=cursor_of_id(cursor, of=listed) or OLDEST_ID,
        limit=limit + 1,
    )
    if not rows and cursor is None:
        raise NotFound
    return page_of(rows, limit, Turn.from_row, of=listed)


async def _require_conversation(database: Database, user_id: UUID, conversation_id: UUID) -> None:
    if await database.row(queries.CONVERSATION, user_id=user_id, conversation_id=conversation_id) is None:
        raise NotFound


def _first_position(cursor: str | None, listed: str) -> int:
    if cursor is None:
        return 0
    (position,) = decode_cursor(cursor, _position, of=listed)
    return position if isinstance(position, int) else 0


def _position(text: str) -> int:
    position = int(text)
    if not 0 <= position < DEEPEST_POSITION - 200:
        raise ValueError("no such position")
    return position
