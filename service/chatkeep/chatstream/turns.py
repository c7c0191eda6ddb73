"""A turn as ChatStream's `/chat_stream` asks for it: a new prompt, or the last one again."""

import asyncio

from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.generation import Generation
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.turn import NewTurn
from chatkeep.chat.models import LanguageModel
from chatkeep.chatstream.conversations import Asking, begin_conversation, conversation_id_of, conversation_of
from chatkeep.chatstream.schemas import Say
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, NotFound, TurnInProgress

STOPPING_SECONDS = 2
STOPPING_POLL_SECONDS = 0.05


async def take_turn(chat: Chat, asking: Asking, say: Say, model: LanguageModel | None = None) -> TurnStream:
    """Keep the prompt in the conversation that is meant, and begin to answer it.

    A front end stops a reply by hanging up and may ask again at once: a turn in the way is waited for a moment.

    Args:
        model: answers this turn; None for the service's.

    Raises:
        TurnInProgress: the conversation is being answered, as in another tab.
        Invalid: there is nothing to answer again.
        NotFound: the conversation that the request names is not there or not the user's.
        TooManyGenerations, DatabaseUnavailable: as `Chat.take_turn`.
        NotAuthenticated: the session or the account ended in the meantime.
    """
    deadline = asyncio.get_running_loop().time() + STOPPING_SECONDS
    while True:
        try:
            return await _take_turn(chat, asking, say, model)
        except TurnInProgress:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(STOPPING_POLL_SECONDS)


def generation_of(following: TurnStream) -> Generation:
    """Return the generation of a turn that was begun here; without an idempotency key it is never joined."""
    if following.generation is None:
        raise RuntimeError("a turn of ChatStream's endpoints is generated where it was asked for")
    return following.generation


async def _take_turn(chat: Chat, asking: Asking, say: Say, model: LanguageModel | None) -> TurnStream:
    if say.regenerate:
        return await chat.take_turn(asking.identity, await _once_more(chat.database, asking), model)
    found = await conversation_id_of(chat.database, asking)
    if found is not None:
        try:
            return await chat.take_turn(asking.identity, NewTurn(found, say.user_input), model)
        except NotFound:
            if asking.named is not None:
                raise  # otherwise it was deleted in the meantime, and the next one begins
    begun = await begin_conversation(chat.database, chat.clock, asking, replaces=found)
    return await chat.take_turn(asking.identity, NewTurn(begun, say.user_input), model)


async def _once_more(database: Database, asking: Asking) -> NewTurn:
    conversation = await conversation_of(database, asking)
    if conversation is None or conversation.head_turn_id is None:
        raise Invalid("There is nothing to answer again: the conversation is empty.")
    return NewTurn(conversation.id, None, sibling_of=conversation.head_turn_id)
