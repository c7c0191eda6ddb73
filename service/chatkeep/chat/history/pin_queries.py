"""How many conversations a user has pinned: one statement a function, and none commits."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import conversations, users

MAX_PINS = 50

_c = conversations.c


async def lock_pins(connection: AsyncConnection, user_id: UUID) -> None:
    """Let nobody else pin a conversation of this user before the transaction ends.

    The account's row is taken before any conversation's, as its deletion does. Turns refer to it and do not wait.
    """
    await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))


async def count_pins(connection: AsyncConnection, user_id: UUID) -> int:
    """Return how many conversations of this user are pinned, archived ones among them."""
    query = select(func.count()).select_from(conversations).where(_c.user_id == user_id, _c.pinned)
    return int((await connection.execute(query)).scalar_one())
