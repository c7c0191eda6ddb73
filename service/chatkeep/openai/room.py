"""Whether all of a conversation fits, for a client that would rather be refused than have the model shown less.

Source: OpenAI API reference, Create a model response, `truncation`.
"""

from uuid import UUID

from chatkeep.chat.chat import Chat
from chatkeep.chat.history.lookups import require_record
from chatkeep.chat.history.pages import turns_up
from chatkeep.chat.history.turn import NewTurn
from chatkeep.chat.models.context import EarlierTurn, tokens_of_text, tokens_of_turn
from chatkeep.errors import Invalid
from chatkeep.openai.transient import earlier_turn

TURNS_AT_ONCE = 20
TOO_LONG = (
    "The conversation is longer than the {limit} tokens that a model is shown here, and `truncation` is `disabled`: "
    "nothing was kept of this request. Leave `truncation` out, and the oldest turns are left out for the model."
)


class ContextLengthExceeded(Invalid):
    """A conversation is longer than a model is shown, and its client wants all of it shown or none."""

    code = "context_length_exceeded"


async def require_room(chat: Chat, user_id: UUID, new: NewTurn, *, context_tokens: int) -> None:
    """Refuse a turn before which not all of its conversation could be shown, as `fit_context` counts.

    Raises:
        ContextLengthExceeded: it is too long.
        NotFound: there is no such conversation.
        IdempotencyKeyReused: as `TurnStore.joined`.
    """
    if await chat.turn_store.joined(user_id, new) is not None:
        return  # it is kept, and is a part of the conversation by now
    system_prompt = new.instructions
    if system_prompt is None:
        system_prompt = (await require_record(chat.database, user_id, new.conversation_id)).system_prompt
    asked = EarlierTurn(new.content or "", None, new.items)
    left = context_tokens - tokens_of_text(system_prompt) - tokens_of_turn(asked)
    start_id, more = new.parent_id, True
    while more:
        part = await turns_up(chat.database, user_id, new.conversation_id, start_id=start_id, limit=TURNS_AT_ONCE)
        left -= sum(tokens_of_turn(earlier_turn(turn)) for turn in part.turns)
        if part.turns and left < 0:
            raise ContextLengthExceeded(TOO_LONG.format(limit=context_tokens), param="input")
        start_id, more = (part.turns[-1].parent_id if part.turns else None), part.more
