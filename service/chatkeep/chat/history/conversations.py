"""Conversations: one statement a function, and none commits."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.file_queries import check_files_of
from chatkeep.accounts.queries import fewer
from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, USER_ID
from chatkeep.chat.items import AnyItem, is_text, side_of
from chatkeep.chat.records import ConversationRecord
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import TIME, conversations, turns, user_activity
from chatkeep.database.times import LATEST
from chatkeep.statistics.outbox import note_conversation

NEWEST_TIME = LATEST
NEWEST_ID = UUID(int=2**128 - 1)

_c = conversations.c
_TO_RECORD = into(ConversationRecord)

CONVERSATION = Statement(select(conversations).where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID), row=_TO_RECORD)

_made = (
    insert(conversations)
    .values(
        user_id=USER_ID,
        id=CONVERSATION_ID,
        title=bindparam("title", type_=Text),
        system_prompt=bindparam("system_prompt", type_=Text),
        model=bindparam("model", type_=Text),
        params=bindparam("params", type_=JSONB),
        extra=bindparam("extra", type_=JSONB),
        created_at=NOW,
        updated_at=NOW,
        last_turn_at=NOW,
    )
    .returning(conversations)
    .cte("made")
)
_counted = (
    update(user_activity)
    .where(user_activity.c.user_id == _made.c.user_id)
    .values(conversation_count=user_activity.c.conversation_count + 1)
    .returning(user_activity.c.user_id)
    .cte("counted")
)
# To be run in a transaction; by itself as `CREATE_CONVERSATION`.
NEW_CONVERSATION = select(_made).add_cte(_counted, note_conversation(_made))
CREATE_CONVERSATION = Statement(NEW_CONVERSATION, row=_TO_RECORD)

MAX_TITLE_CHARACTERS = 60


def in_order(*columns: Any) -> Select[Any]:
    """The caller's conversations, newest activity first, from after (`last_turn_at`, `id`)."""
    archived = bindparam("archived", type_=Boolean)
    return (
        select(*columns)
        .where(
            _c.user_id == USER_ID,
            tuple_(_c.last_turn_at, _c.id)
            < tuple_(bindparam("after_time", type_=TIME), bindparam("after_id", type_=Uuid)),
            or_(archived.is_(None), _c.archived == archived),
        )
        .order_by(_c.last_turn_at.desc(), _c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )


LIST_CONVERSATIONS = Statement(in_order(conversations), row=_TO_RECORD)


async def update_conversation(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, changes: Mapping[str, object]
) -> ConversationRecord | None:
    """Change some columns; return the conversation as it is now, or None where it is not the user's."""
    own = and_(_c.user_id == user_id, _c.id == conversation_id)
    changed = await connection.execute(update(conversations).where(own).values(**changes).returning(conversations))
    row = changed.mappings().one_or_none()
    return None if row is None else _TO_RECORD(row)


async def delete_conversation(connection: AsyncConnection, user_id: UUID, conversation_id: UUID) -> bool:
    """Delete a conversation and, by the foreign keys, its turns; False where it is not the user's."""
    own = and_(_c.user_id == user_id, _c.id == conversation_id)
    # First, so that no turn begins behind the look at their files.
    await connection.execute(select(_c.id).where(own).with_for_update())
    await check_files_of(connection, user_id, turns.c.conversation_id == conversation_id)
    deleted = (await connection.execute(delete(conversations).where(own).returning(_c.turn_count))).first()
    if deleted is None:
        return False
    await connection.execute(
        update(user_activity)
        .where(user_activity.c.user_id == user_id)
        .values(
            conversation_count=fewer(user_activity.c.conversation_count, 1),
            turn_count=fewer(user_activity.c.turn_count, deleted.turn_count),
        )
    )
    return True


def title_of(prompt: str, items: Sequence[AnyItem] | None) -> str | None:
    """Return a title from the first words of a prompt that are its user's."""
    said = (prompt[item["start"] : item["end"]] for item in items or () if is_text(item) and side_of(item) == "user")
    return title_from(next(filter(None, said), prompt))


def title_from(prompt: str) -> str | None:
    """Return the first words of a prompt as a title, on one line."""
    line = " ".join(prompt[: MAX_TITLE_CHARACTERS * 8].split())
    if not line.isprintable():
        line = "".join(character for character in line if unicodedata.category(character) != "Cc")
    if len(line) <= MAX_TITLE_CHARACTERS:
        return line or None
    cut = line[:MAX_TITLE_CHARACTERS]
    words = cut.rpartition(" ")[0]
    return f"{words if len(words) > MAX_TITLE_CHARACTERS // 2 else cut}…"
