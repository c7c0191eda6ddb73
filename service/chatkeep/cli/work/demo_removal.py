"""Takes away what `chatkeep demo-data` made: by its marks, and nothing else."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.users import delete_user, require_no_hold
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.history.conversations import delete_conversation
from chatkeep.cli.database import command_database
from chatkeep.cli.terminal.output import answer
from chatkeep.cli.work.demo_account import require_database
from chatkeep.cli.work.demo_conversations import DISPLAY_NAME, MADE_BY, USERNAME_PREFIX
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.database.tables import conversations, users

_is_marked = conversations.c.extra.contains(MADE_BY)


def remove(settings: Settings) -> None:
    """Delete every demonstration conversation and every account that was made for one, and report how many.

    Raises:
        LegalHold: an account is under legal hold. Nothing of it is deleted.
    """
    require_database(settings)
    with command_database(settings) as database:
        people, conversations_of_others = database.run_on_record(_remove)
    answer(f"accounts       {people} made for demonstration removed, with their conversations")
    answer(f"conversations  {conversations_of_others} removed from accounts that stay")


async def _remove(database: Database, audit: Recorder) -> tuple[int, int]:
    async with database.transaction() as connection:
        people = await _demonstration_users(connection)
        for user_id in people:
            await delete_user(connection, audit, user_id)
    async with database.transaction() as connection:
        marked = await _marked_conversations(connection)
        for user_id, conversation_id in marked:
            await require_no_hold(connection, user_id)
            if await delete_conversation(connection, user_id, conversation_id):
                await audit.record(
                    connection, Action.CONVERSATION_DELETED, user_id, conversation_id=str(conversation_id)
                )
    return len(people), len(marked)


async def _demonstration_users(connection: AsyncConnection) -> Sequence[UUID]:
    """Accounts with the name and the display name of a demonstration, and no conversation of anybody's own."""
    own = exists().where(conversations.c.user_id == users.c.id, ~_is_marked)
    query = select(users.c.id).where(
        users.c.username_key.startswith(USERNAME_PREFIX, autoescape=True),
        users.c.display_name == DISPLAY_NAME,
        users.c.role == "user",
        ~own,
    )
    return (await connection.execute(query)).scalars().all()


async def _marked_conversations(connection: AsyncConnection) -> Sequence[tuple[UUID, UUID]]:
    query = select(conversations.c.user_id, conversations.c.id).where(_is_marked)
    return [(row.user_id, row.id) for row in await connection.execute(query.order_by(conversations.c.user_id))]
