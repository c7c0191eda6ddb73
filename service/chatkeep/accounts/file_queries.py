"""Files of users whose turns are deleted or moved: one statement a function, and none commits."""

from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Uuid, func, literal, select, true, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import file_usage, files, turn_files, turns

_f = files.c

# More than any turn has: a prompt takes ten, and what is imported as many as fit into it.
MAX_FILES_OF_TURN = 100_000


async def check_files_of(connection: AsyncConnection, user_id: UUID, of_conversations: ColumnElement[bool]) -> None:
    """Have the files looked at that turns of conversations refer to, which are deleted in the same transaction.

    Args:
        of_conversations: a condition on `turns.conversation_id`.
    """
    # By its key for each turn: with the limit it is no join that could read the whole table.
    of_turn = (
        select(turn_files.c.file_id)
        .where(turn_files.c.user_id == user_id, turn_files.c.turn_id == turns.c.id)
        .limit(MAX_FILES_OF_TURN)
        .lateral("of_turn")
    )
    referred = (
        select(of_turn.c.file_id)
        .select_from(turns.join(of_turn, true()))
        .where(turns.c.user_id == user_id, of_conversations)
    )
    # In one order, so that two of them never wait for each other.
    locked = (
        select(_f.id)
        .where(_f.user_id == user_id, _f.id.in_(referred))
        .order_by(_f.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    await connection.execute(
        update(files).where(_f.user_id == user_id, _f.id.in_(select(locked.c.id))).values(check_at=func.now())
    )


async def add_usage_of(connection: AsyncConnection, from_user: UUID, to_user: UUID) -> None:
    """Count what the files of a user take of the quota to another one as well, even beyond it: nothing is lost."""
    # Whatever it holds: the sum of two fits.
    taken = func.least(file_usage.c.bytes, 2**60, type_=BigInteger)
    moved = select(literal(to_user, Uuid), taken).where(file_usage.c.user_id == from_user)
    counted = postgresql.insert(file_usage).from_select(["user_id", "bytes"], moved)
    await connection.execute(
        counted.on_conflict_do_update(
            index_elements=[file_usage.c.user_id], set_={"bytes": taken + counted.excluded.bytes}
        )
    )
