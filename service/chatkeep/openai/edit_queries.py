"""Turns that are changed after their end, or deleted: one statement a function, and none commits."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.file_queries import check_files_of
from chatkeep.accounts.queries import fewer
from chatkeep.chat.history.queries import TURN_COLUMNS
from chatkeep.chat.items import is_reasoning
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.schemas import Turn
from chatkeep.database.statement import into
from chatkeep.database.tables import (
    api_turns,
    conversations,
    reasoning_entries,
    reasoning_search,
    turn_entries,
    turn_files,
    turn_search,
    turns,
    user_activity,
)
from chatkeep.openai.edits import TurnContent

_t = turns.c
_c = conversations.c
_record = into(TurnRecord)
# In `api_turns`: the turn stays for those below it, and is no response any more.
DELETED_REQUEST = {"deleted": True}


@dataclass(frozen=True, slots=True)
class LockedTurn:
    """A turn as it stands, siblings not counted.

    Args:
        is_leaf: no other turn comes after it.
    """

    turn: Turn
    parent_id: UUID | None
    is_leaf: bool


async def lock_turn(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, turn_id: UUID
) -> LockedTurn | None:
    """Keep a conversation as it is until the transaction ends; return a turn of it."""
    locked = select(_c.id).where(_c.user_id == user_id, _c.id == conversation_id).with_for_update()
    await connection.execute(locked)
    turn = select(
        *TURN_COLUMNS, literal_column("1").label("sibling_count"), literal_column("1").label("sibling_position")
    ).where(_t.user_id == user_id, _t.conversation_id == conversation_id, _t.id == turn_id)
    row = (await connection.execute(turn.with_for_update(of=turns))).mappings().first()
    if row is None:
        return None
    found = _record(row)
    below = select(_t.id).where(
        _t.user_id == user_id,
        _t.conversation_id == conversation_id,
        _t.position == found.position + 1,
        _t.parent_id == turn_id,
    )
    is_leaf = (await connection.execute(below.limit(1))).first() is None
    return LockedTurn(Turn.from_record(found), found.parent_id, is_leaf)


async def delete_leaf(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, turn_id: UUID, parent_id: UUID | None
) -> int:
    """Delete a turn that has none below it; return how many the conversation has left. Its head goes up."""
    await check_files_of(connection, user_id, _t.id == turn_id)
    await connection.execute(delete(turns).where(_t.user_id == user_id, _t.id == turn_id))
    newest = (
        select(_t.id)
        .where(_t.user_id == user_id, _t.conversation_id == conversation_id)
        .order_by(_t.position.desc(), _t.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    own = (_c.user_id == user_id, _c.id == conversation_id)
    moved = update(conversations).where(*own, _c.head_turn_id == turn_id)
    await connection.execute(moved.values(head_turn_id=parent_id if parent_id is not None else newest))
    freed = update(conversations).where(*own, _c.streaming_turn_id == turn_id)
    await connection.execute(freed.values(streaming_turn_id=None))
    counted = update(conversations).where(*own).values(turn_count=func.greatest(_c.turn_count - 1, 0))
    left: int = (await connection.execute(counted.returning(_c.turn_count))).scalar_one()
    activity = update(user_activity).where(user_activity.c.user_id == user_id)
    await connection.execute(activity.values(turn_count=fewer(user_activity.c.turn_count, 1)))
    return left


async def rewrite(connection: AsyncConnection, user_id: UUID, turn_id: UUID, content: TurnContent) -> None:
    """Have a turn say something else, and have it found by that alone."""
    if content.is_empty:
        await check_files_of(connection, user_id, _t.id == turn_id)
        await connection.execute(
            delete(turn_files).where(turn_files.c.user_id == user_id, turn_files.c.turn_id == turn_id)
        )
    values = {name: getattr(content, name) for name in ("prompt", "prompt_items", "reply", "reply_items")}
    if content.is_empty:
        values |= {"error_detail": None, "comment": None}
    await connection.execute(update(turns).where(_t.user_id == user_id, _t.id == turn_id).values(**values))
    with_reasoning = any(map(is_reasoning, content.reply_items or ()))
    for older in (turn_search, reasoning_search):
        await connection.execute(delete(older).where(older.c.user_id == user_id, older.c.turn_id == turn_id))
    for entries, again in ((turn_entries, not content.is_empty), (reasoning_entries, with_reasoning)):
        await connection.execute(delete(entries).where(entries.c.user_id == user_id, entries.c.turn_id == turn_id))
        if again:  # made by whichever replica comes by, from the turn's row
            row = {"user_id": user_id, "turn_id": turn_id, "version": 0}
            await connection.execute(insert(entries).values(**row))


async def take_title_away(connection: AsyncConnection, user_id: UUID, conversation_id: UUID, title: str | None) -> None:
    """Leave a conversation without the title that it had from words that are gone; the next prompt gives it another."""
    own = (_c.user_id == user_id, _c.id == conversation_id, _c.title == title)
    await connection.execute(update(conversations).where(*own).values(title=None))


async def mark_deleted(connection: AsyncConnection, user_id: UUID, turn_id: UUID) -> None:
    """Have a turn be no response any more, nor recognised by anything."""
    values = {"request": DELETED_REQUEST, "path_digest": None, "prompt_digest": None}
    marked = postgresql.insert(api_turns).values(user_id=user_id, turn_id=turn_id, **values)
    await connection.execute(
        marked.on_conflict_do_update(index_elements=[api_turns.c.user_id, api_turns.c.turn_id], set_=values)
    )
