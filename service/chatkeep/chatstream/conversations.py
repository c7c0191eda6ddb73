"""Which conversation ChatStream's endpoints act on: the one that the request names, or the session's current one.

A login session remembers the id of its current conversation. Access tokens have nothing to remember it in: all of a
user's tokens together have one, the newest that was begun this way.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.identity import Identity
from chatkeep.accounts.queries import lock_user
from chatkeep.chat.history.conversations import CONVERSATION
from chatkeep.chat.records import ConversationRecord
from chatkeep.chatstream import queries
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.database.tables import WITHOUT_SESSION
from chatkeep.errors import NotAuthenticated, NotFound
from chatkeep.ids import new_id

# Columns that a new conversation takes over from the one before it.
INHERITED = ("system_prompt", "model", "params")


@dataclass(frozen=True, slots=True)
class Asking:
    """The asking user, and the conversation that the request names.

    Args:
        named: the conversation that the request names, such as a tab's own; it comes before the current one.
    """

    identity: Identity
    named: UUID | None = None

    @property
    def user_id(self) -> UUID:
        return self.identity.user_id

    @property
    def session(self) -> bytes | None:
        """The digest of the asking login session; None for a token."""
        return self.identity.digest if self.identity.by_session else None


async def conversation_id_of(database: Database, asking: Asking) -> UUID | None:
    """Return the conversation that is meant; it may have been deleted since. None where nothing was begun yet."""
    if asking.named is not None:
        return asking.named
    if asking.session is None:
        return await database.row(queries.CONVERSATION_WITHOUT_SESSION, user_id=asking.user_id)
    current = await database.row(queries.CONVERSATION_OF_SESSION, digest=asking.session)
    return UUID(current) if current else None


async def look_up(database: Database, asking: Asking) -> tuple[UUID | None, ConversationRecord | None]:
    """Return the id of the conversation that is meant, and the conversation.

    Both are None where there is none yet; the conversation alone where it was deleted. A caller that begins another one
    says by the id what it replaces. Read a second time, the id could be one that another tab has begun since.

    Raises:
        NotFound: the one that the request names is not there or not the user's.
    """
    found = await conversation_id_of(database, asking)
    if found is None:
        return None, None
    conversation = await database.row(CONVERSATION, user_id=asking.user_id, conversation_id=found)
    if conversation is None and asking.named is not None:
        raise NotFound
    return found, conversation


async def conversation_of(database: Database, asking: Asking) -> ConversationRecord | None:
    """Return the conversation that is meant; None where there is none yet, or none any more. Errors: as `look_up`."""
    _, conversation = await look_up(database, asking)
    return conversation


async def begin_conversation(
    database: Database, clock: Clock, asking: Asking, *, replaces: UUID | None, like: ConversationRecord | None = None
) -> UUID:
    """Begin a conversation and make it the current one; a named one is followed by another for its tab alone.

    Of two tabs that do this at once the second finds that `replaces` is not current any more, and gets the
    conversation of the first.

    Args:
        replaces: what was current when it was looked up.
        like: whose system prompt, model and parameters are taken over.

    Raises:
        NotAuthenticated: the session or the account ended in the meantime.
    """
    async with database.transaction() as connection:
        # First, as wherever several rows of a user change; it also lets one tab after the other in.
        if await lock_user(connection, asking.user_id) is None:
            raise NotAuthenticated("Sign in first: the account is gone.")
        if asking.named is None:
            current = await _lock_current(connection, asking)
            if current is not None and current != replaces:
                return current
        return await _insert(connection, clock, asking, like)


async def _lock_current(connection: AsyncConnection, asking: Asking) -> UUID | None:
    if asking.session is None:
        return await queries.newest_without_session(connection, asking.user_id)
    row = await queries.lock_session(connection, asking.session)
    if row is None:
        raise NotAuthenticated("Sign in first: the session has ended.")
    return UUID(row.conversation_id) if row.conversation_id else None


async def _insert(connection: AsyncConnection, clock: Clock, asking: Asking, like: ConversationRecord | None) -> UUID:
    conversation_id = new_id()
    values: dict[str, object] = {name: getattr(like, name) for name in INHERITED} if like else {}
    if asking.named is None:
        if asking.session is None:
            values["extra"] = WITHOUT_SESSION
        else:
            # Before the counters: marking a session as used locks in this order.
            await queries.set_session_conversation(connection, asking.session, conversation_id)
    await queries.insert_conversation(
        connection, user_id=asking.user_id, conversation_id=conversation_id, now=clock(), **values
    )
    return conversation_id
