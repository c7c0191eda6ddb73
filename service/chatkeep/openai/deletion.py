"""Deleting a response or an item: what was said is gone, and what came after it stays."""

from collections.abc import Callable

from chatkeep.accounts.identity import Identity
from chatkeep.accounts.users import require_no_hold
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.history.conversations import delete_conversation, title_of
from chatkeep.chat.schemas import Turn
from chatkeep.chat.search.indexer import index_pending
from chatkeep.database.database import Database
from chatkeep.errors import NotFound, TurnInProgress
from chatkeep.openai import edit_queries
from chatkeep.openai.edits import NOTHING, TurnContent, without
from chatkeep.openai.response import KeptResponse


async def delete_response(database: Database, identity: Identity, audit: Recorder, kept: KeptResponse) -> None:
    """Delete a turn; where others come after it, all that it says. A conversation that began with it goes with it.

    Raises:
        NotFound: it has just been deleted.
        LegalHold: the account is under hold.
    """
    await _change(database, identity, audit, kept, lambda _: NOTHING)


async def delete_item(database: Database, identity: Identity, audit: Recorder, turn: Turn, number: int) -> None:
    """Delete one item of a turn, and the turn where nothing is left of it. Raises: as `delete_response`.

    Raises:
        TurnInProgress: the turn is being answered.
    """
    # It was put into a conversation, which stays.
    kept = KeptResponse(turn, {"conversation": str(turn.conversation_id)})
    await _change(database, identity, audit, kept, lambda now: _rest(now, number))


def _rest(turn: Turn, number: int) -> TurnContent:
    if turn.status == "streaming":
        raise TurnInProgress("This item belongs to a response that is being generated.", turn_id=str(turn.id))
    return without(turn, number)


async def _change(
    database: Database,
    identity: Identity,
    audit: Recorder,
    kept: KeptResponse,
    content_of: Callable[[Turn], TurnContent],
) -> None:
    """Have a turn say what `content_of` makes of it.

    Args:
        content_of: takes the turn as it is under the lock. Made of one that was read before, the content would bring
            back whatever another request has deleted since.
    """
    conversation_id, turn_id, user_id = kept.turn.conversation_id, kept.turn.id, identity.user_id
    async with database.transaction() as connection:
        await require_no_hold(connection, user_id)
        found = await edit_queries.lock_turn(connection, user_id, conversation_id, turn_id)
        if found is None:
            raise NotFound
        content = content_of(found.turn)
        if content.is_empty and found.is_leaf:
            left = await edit_queries.delete_leaf(connection, user_id, conversation_id, turn_id, found.parent_id)
            if not left and "conversation" not in kept.request:
                await delete_conversation(connection, user_id, conversation_id)
        else:
            await edit_queries.rewrite(connection, user_id, turn_id, content)
            if content.is_empty:
                await edit_queries.mark_deleted(connection, user_id, turn_id)
        title = title_of(found.turn.prompt.content, found.turn.prompt.items)
        await edit_queries.take_title_away(connection, user_id, conversation_id, title)
        details = {"conversation_id": str(conversation_id), "turn_id": str(turn_id)}
        await audit.record(connection, Action.TURN_DELETED, user_id, **details)
    if not content.is_empty:
        await index_pending(database)
