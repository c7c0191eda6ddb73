"""The conversation as `/get_prompt` shows it: what a model would be shown of it, the last reply included."""

from uuid import UUID

from chatkeep.chat.history.pages import turns_up
from chatkeep.chat.models.context import EarlierTurn, fit_context
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database

PAGE = 50
# No character costs less, see `estimate_tokens`.
CHARACTERS_PER_TOKEN = 3


async def prompt_of(
    database: Database, user_id: UUID, conversation: ConversationRecord, *, context_tokens: int
) -> ChatPrompt | None:
    """Return the prompt, or None where nothing was said yet.

    Args:
        context_tokens: how much of the conversation there is to be, by an estimate that errs high.
    """
    turns = await _newest_turns(database, user_id, conversation.id, context_tokens * CHARACTERS_PER_TOKEN)
    if not turns:
        return None
    last, *earlier = turns
    prompt = fit_context(
        conversation.system_prompt,
        (EarlierTurn(turn.prompt.content, _reply(turn), continues=turn.continues is not None) for turn in earlier),
        last.prompt.content,
        context_tokens,
        continues=last.continues is not None,
    )
    if reply := _reply(last):
        prompt.add_responder_msg(reply, str(last.id))
    return prompt


def _reply(turn: Turn) -> str:
    return turn.reply.content if turn.reply is not None else ""


async def _newest_turns(database: Database, user_id: UUID, conversation_id: UUID, most_characters: int) -> list[Turn]:
    """Return the path from the head up, page by page until it is long enough."""
    turns: list[Turn] = []
    characters, start_id = 0, None
    while characters <= most_characters:
        page = await turns_up(database, user_id, conversation_id, start_id=start_id, limit=PAGE)
        turns += page.turns
        characters += sum(len(turn.prompt.content) + len(_reply(turn)) for turn in page.turns)
        if not page.more:
            break
        start_id = page.turns[-1].parent_id
    return turns
