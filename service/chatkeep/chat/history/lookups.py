"""One conversation or one turn of a user; someone else's is not found, as one that does not exist."""

import hashlib
from uuid import UUID

from chatkeep.chat.history import conversations, path_queries, queries
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.schemas import Conversation, Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound
from chatkeep.ids import id_of


async def require_conversation(database: Database, user_id: UUID, conversation_id: UUID) -> Conversation:
    """Return the conversation, without its turns.

    Raises:
        NotFound: it is not the user's.
    """
    record = await require_record(database, user_id, conversation_id)
    return Conversation.model_validate(record)


async def require_record(database: Database, user_id: UUID, conversation_id: UUID) -> ConversationRecord:
    """Return the conversation as its row holds it. Raises: as `require_conversation`."""
    record = await database.row(conversations.CONVERSATION, user_id=user_id, conversation_id=conversation_id)
    if record is None:
        raise NotFound
    return record


async def conversation_by_name(database: Database, user_id: UUID, name: str) -> ConversationRecord | None:
    """Return the user's conversation of that id, or the one that a client has given a name of its own."""
    own_id = _id_in(name)
    ids = dict.fromkeys((id_of_name(user_id, name), *(() if own_id is None else (own_id,))))
    for conversation_id in ids:
        found = await database.row(conversations.CONVERSATION, user_id=user_id, conversation_id=conversation_id)
        if found is not None:
            return found
    return None


def id_of_name(user_id: UUID, name: str) -> UUID:
    """Return the id of a conversation that a client names: any text, which leads each user to another one."""
    return id_of(hashlib.sha256(user_id.bytes + b"conversation" + name.encode(errors="surrogatepass")).digest())


def _id_in(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


async def require_turn(database: Database, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> Turn:
    """Return the turn, on whichever branch it is; of a reply that is being generated, what there is.

    Raises:
        NotFound: it is not the user's, or not of that conversation.
    """
    turn = await database.row(queries.TURN, user_id=user_id, conversation_id=conversation_id, turn_id=turn_id)
    if turn is None:
        raise NotFound
    return Turn.from_record(turn)


async def require_leaf(database: Database, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> Turn:
    """Return the last turn of the newest branch under the turn `turn_id`.

    Raises:
        NotFound: that turn is not the user's.
    """
    leaf_id = await database.row(path_queries.LEAF, user_id=user_id, conversation_id=conversation_id, turn_id=turn_id)
    if leaf_id is None:
        raise NotFound
    return await require_turn(database, user_id, conversation_id, leaf_id)
