"""Notes of what happened, kept in the statement that makes it happen, and counted a little later (`counters.py`).

A counter that every turn increments would be one row that all turns of the service queue for. A note is a row of its
own: nobody waits for it, it costs no round trip, and it is there exactly if what it notes is.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Integer,
    Interval,
    Text,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from chatkeep.database.tables import statistics_notes

# In milliseconds it has to fit into the note.
MAX_DURATION = literal_column("interval '24 days'", Interval)
USER, CONVERSATION = "user", "conversation"


def note_turn(ended: CTE, now: ColumnElement[Any], first_text_ms: ColumnElement[Any]) -> CTE:
    """Return the part of a statement that notes the turn which it ends.

    A user may ask for a model by any name, and a name is text. Only those that the operator's model server offers
    (parameter `offered_models`) are kept: otherwise a stranger's text would stay here after the stranger's account
    is gone, and every new name would be a counter more.

    Args:
        ended: the row of `turns` as it is from now on; no row notes nothing.
    """
    offered = bindparam("offered_models", type_=ARRAY(Text))
    # A row may have been begun at any time, also at one from which nothing can be counted.
    begun = func.least(func.greatest(ended.c.created_at, now - MAX_DURATION), now)
    milliseconds = cast(func.extract("epoch", now - begun) * 1000, Integer)
    note = select(
        ended.c.user_id,
        ended.c.status,
        case((ended.c.model == func.any(offered), ended.c.model)),
        now,
        milliseconds,
        first_text_ms,
        ended.c.input_tokens,
        ended.c.output_tokens,
    )
    names = ("user_id", "kind", "model", "at", "duration_ms", "first_text_ms", "input_tokens", "output_tokens")
    return insert(statistics_notes).from_select(names, note).returning(statistics_notes.c.kind).cte("noted")


def note_conversation(made: CTE) -> CTE:
    """Return the part of a statement that notes the conversation which it makes."""
    note = select(made.c.user_id, literal(CONVERSATION), made.c.created_at)
    return (
        insert(statistics_notes)
        .from_select(("user_id", "kind", "at"), note)
        .returning(statistics_notes.c.kind)
        .cte("noted")
    )


async def note_user(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    """Note a new account, in the transaction that makes it."""
    await connection.execute(insert(statistics_notes).values(user_id=user_id, kind=USER, at=now))
