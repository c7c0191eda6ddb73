"""Conversations: one statement a function, and none commits."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
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
from chatkeep.database.tables import ORIGIN_CONDITIONS, TIME, conversations, turns, user_activity
from chatkeep.database.times import LATEST
from chatkeep.statistics.outbox import note_conversation

# The part of a conversation's metadata where an import has set aside what has no place in a turn. It is the service's:
# a list does not read it, and a change of the metadata does not take it away.
SET_ASIDE = "import"
# The fields of it that every answer has.
SHOWN_ASIDE = ("source", "source_id")

NEWEST_TIME = LATEST
NEWEST_ID = UUID(int=2**128 - 1)

_c = conversations.c
_TO_RECORD = into(ConversationRecord)


def _without_aside(extra: Any) -> Any:
    """The metadata with little of what was set aside: twenty chats with pictures were a list of 30 MB."""
    aside = extra[SET_ASIDE]
    shown = func.jsonb_build_object(*(part for name in SHOWN_ASIDE for part in (name, aside[name])))
    rest = extra.op("-", return_type=JSONB)(literal_column(f"'{SET_ASIDE}'::text"))
    short = rest.op("||", return_type=JSONB)(func.jsonb_build_object(SET_ASIDE, shown))
    is_aside = and_(func.jsonb_typeof(aside) == "object", aside.has_key("source"))
    return case((is_aside, short), else_=extra)


# Of lists and of answers to changes. `CONVERSATION` has all of it.
SHORT_COLUMNS = [_without_aside(_c.extra).label("metadata") if each is _c.extra else each for each in _c]

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


def in_order(*columns: Any, origin: str | None = None, only_pinned: bool = False) -> Select[Any]:
    """The caller's conversations, newest activity first, from after (`last_turn_at`, `id`).

    Args:
        origin: only those that were begun there; its condition is that of an index.
        only_pinned: likewise. Without it, `pinned` of the parameters leaves out those that are, or those that are not.
    """
    archived, pinned = bindparam("archived", type_=Boolean), bindparam("pinned", type_=Boolean)
    query = (
        select(*columns)
        .where(
            _c.user_id == USER_ID,
            tuple_(_c.last_turn_at, _c.id)
            < tuple_(bindparam("after_time", type_=TIME), bindparam("after_id", type_=Uuid)),
            or_(archived.is_(None), _c.archived == archived),
            _c.pinned if only_pinned else or_(pinned.is_(None), _c.pinned == pinned),
        )
        .order_by(_c.last_turn_at.desc(), _c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )
    return query if origin is None else query.where(text(ORIGIN_CONDITIONS[origin]))


def _list(origin: str | None = None, *, only_pinned: bool = False) -> Statement[ConversationRecord]:
    return Statement(in_order(*SHORT_COLUMNS, origin=origin, only_pinned=only_pinned), row=_TO_RECORD)


LIST_CONVERSATIONS = _list()
LIST_API_CONVERSATIONS = _list("api")
LIST_UI_CONVERSATIONS = _list("ui")
LIST_PAGE_CONVERSATIONS = _list("page")
LIST_PINNED = _list(only_pinned=True)
LIST_PINNED_API = _list("api", only_pinned=True)
LIST_PINNED_UI = _list("ui", only_pinned=True)
LIST_PINNED_PAGE = _list("page", only_pinned=True)

Origin = Literal["api", "ui", "page"]
# By where they were begun.
LISTS: Mapping[Origin | None, Statement[ConversationRecord]] = {
    None: LIST_CONVERSATIONS,
    "api": LIST_API_CONVERSATIONS,
    "ui": LIST_UI_CONVERSATIONS,
    "page": LIST_PAGE_CONVERSATIONS,
}
PINNED_LISTS: Mapping[Origin | None, Statement[ConversationRecord]] = {
    None: LIST_PINNED,
    "api": LIST_PINNED_API,
    "ui": LIST_PINNED_UI,
    "page": LIST_PINNED_PAGE,
}


async def update_conversation(
    connection: AsyncConnection, user_id: UUID, conversation_id: UUID, changes: Mapping[str, object]
) -> ConversationRecord | None:
    """Change some columns; return the conversation as it is now, or None where it is not the user's.

    What an import has set aside in its metadata stays, and is not returned whole.
    """
    own = and_(_c.user_id == user_id, _c.id == conversation_id)
    values = dict(changes)
    if "extra" in values:
        given = dict(cast("Mapping[str, object]", values["extra"]))
        kept = case(
            (_c.extra.has_key(SET_ASIDE), func.jsonb_build_object(SET_ASIDE, _c.extra[SET_ASIDE])),
            else_=literal({}, JSONB),
        )
        values["extra"] = literal(given, JSONB).op("||", return_type=JSONB)(kept)
    changed = await connection.execute(update(conversations).where(own).values(**values).returning(*SHORT_COLUMNS))
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
