"""The statements of ChatStream's endpoints: which conversation is current, its parameters, and feedback."""

from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Text, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.history.conversations import NEW_CONVERSATION
from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, TURN_ID, USER_ID
from chatkeep.database.statement import Statement, first_column
from chatkeep.database.tables import IS_WITHOUT_SESSION, conversations, login_sessions, turns

# In a login session's `data`: the id of its current conversation.
SESSION_KEY = "chatstream_conversation"

_c, _s, _t = conversations.c, login_sessions.c, turns.c
_current = _s.data[SESSION_KEY].astext.label("conversation_id")

CONVERSATION_OF_SESSION: Statement[str | None] = Statement(
    select(_current).where(_s.digest == bindparam("digest", type_=_s.digest.type)), row=first_column
)
CONVERSATION_WITHOUT_SESSION: Statement[UUID] = Statement(
    select(_c.id).where(_c.user_id == USER_ID, IS_WITHOUT_SESSION).order_by(_c.id.desc()).limit(1), row=first_column
)

SET_FEEDBACK = Statement(
    update(turns)
    .where(_t.user_id == USER_ID, _t.id == TURN_ID)
    .values(rating=bindparam("rating", type_=Integer), comment=bindparam("comment", type_=Text))
    .returning(_t.id)
)


def _set_params() -> Statement[Any]:
    """Replace the three parameters that ChatStream knows; others stay."""
    others: Any = _c.params
    for name in ("temperature", "top_k", "top_p"):
        others = others.op("-", return_type=JSONB)(literal(name, Text))
    return Statement(
        update(conversations)
        .where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID)
        .values(params=others.concat(bindparam("params", type_=JSONB)), updated_at=NOW)
        .returning(_c.params),
        row=first_column,
    )


SET_PARAMS = _set_params()


async def lock_session(connection: AsyncConnection, digest: bytes) -> Any:
    """Return the session's `conversation_id` as a row, and keep it so until the transaction ends; None: it ended."""
    return (await connection.execute(select(_current).where(_s.digest == digest).with_for_update())).one_or_none()


async def set_session_conversation(connection: AsyncConnection, digest: bytes, conversation_id: UUID) -> None:
    """Make a conversation the session's current one; what else the session remembers stays."""
    new = literal({SESSION_KEY: str(conversation_id)}, JSONB)
    await connection.execute(update(login_sessions).where(_s.digest == digest).values(data=_s.data.concat(new)))


async def newest_without_session(connection: AsyncConnection, user_id: UUID) -> UUID | None:
    query = select(_c.id).where(_c.user_id == user_id, IS_WITHOUT_SESSION).order_by(_c.id.desc())
    return await connection.scalar(query.limit(1))


async def insert_conversation(connection: AsyncConnection, **values: object) -> None:
    """Keep a new conversation; a column that is not given is empty."""
    empty: dict[str, object] = {"title": None, "system_prompt": None, "model": None, "params": {}, "extra": {}}
    # Not as arguments of `execute`: those would also be taken for columns of the counters' update.
    await connection.execute(NEW_CONVERSATION.params(empty | values))
