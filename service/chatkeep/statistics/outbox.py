"""Notes of what happened, kept in the statement that makes it happen, and counted a little later (`counters.py`).

A counter that every turn increments would be one row that all turns of the service queue for. A note is a row of its
own: nobody waits for it, it costs no round trip, and it is there exactly if what it notes is. The end of a turn is
noted by the function that ends it, `end_turn_1`.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CTE, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import statistics_notes

USER, CONVERSATION = "user", "conversation"


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
