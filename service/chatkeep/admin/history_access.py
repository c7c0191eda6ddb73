"""Readings of one conversation or file of somebody else: each is on record before anybody sees what was read.

If the process dies between the read and the record, nobody has seen anything. If it dies after the record, the trail
names a reading whose answer never arrived: it claims too much, never too little.
"""

from typing import Literal
from uuid import UUID

from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS, OwnedConversation, conversation_by_id
from chatkeep.audit.access_record import Reading
from chatkeep.audit.actions import Action
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.history.pages import turns_page
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound
from chatkeep.http.pages import Page


async def read_conversation(database: Database, reading: Reading, conversation_id: UUID) -> OwnedConversation:
    """Return anyone's conversation.

    Raises:
        NotFound: there is none.
    """
    found = await _require_conversation(database, conversation_id)
    await reading.note(Action.CONVERSATION_READ, [found.user_id], conversation_id=str(conversation_id))
    return found


async def read_turns(
    database: Database,
    reading: Reading,
    conversation_id: UUID,
    *,
    order: Literal["asc", "desc"],
    limit: int,
    cursor: str | None,
) -> Page[Turn]:
    """Return one page of the active path of anyone's conversation.

    Raises:
        NotFound: there is none.
        InvalidCursor: `cursor` did not come from a page of this conversation in this order.
    """
    owner_id = (await _require_conversation(database, conversation_id)).user_id
    page = await turns_page(database, owner_id, conversation_id, order=order, limit=limit, cursor=cursor)
    await reading.note(
        Action.CONVERSATION_READ, [owner_id], conversation_id=str(conversation_id), turns=len(page.items)
    )
    return page


async def read_file(files: FileStore, reading: Reading, user_id: UUID, file_id: UUID) -> FileRecord:
    """Return the record of anyone's file, whose bytes may be sent then.

    Raises:
        NotFound: there is none.
    """
    row = await files.require(user_id, file_id)
    await reading.note(Action.FILE_READ, [user_id], file_id=str(file_id))
    return row


async def _require_conversation(database: Database, conversation_id: UUID) -> OwnedConversation:
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        found = await conversation_by_id(connection, conversation_id)
    if found is None:
        raise NotFound
    return found
