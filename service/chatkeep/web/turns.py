"""Pages of a conversation's turns with their replies as HTML, read from any turn of the path in both directions."""

from collections.abc import Iterator
from functools import partial
from typing import Self
from uuid import UUID

import anyio.from_thread
from pydantic import BaseModel

from chatkeep.chat.history.lookups import require_conversation, require_turn
from chatkeep.chat.history.pages import turns_down, turns_up
from chatkeep.chat.reply_log import stretches_of
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.prose.markdown import render
from chatkeep.prose.places import render_in_place

RENDERED_CHARACTERS_AT_ONCE = 20_000


class RenderedTurn(Turn):
    """A turn, with its reply as sanitised HTML: one text, or each stretch of it that its items tell apart."""

    reply_html: str | None
    reply_parts: list[str] | None

    @classmethod
    def of(cls, turn: Turn) -> Self:
        html: str | None = None
        parts: list[str] | None = None
        if turn.reply is not None and turn.reply.items is None:
            html = render(turn.reply.content)
        elif turn.reply is not None:
            stretches = stretches_of(turn.reply.content, turn.reply.items)
            parts = [render(each.text) for each in stretches if each.kind is None]
        fields = {name: getattr(turn, name) for name in Turn.model_fields}
        return cls(**fields, reply_html=html, reply_parts=parts)


class TurnWindow(BaseModel):
    """Some turns of the active path; `more` tells whether it goes on beyond them."""

    items: list[RenderedTurn]
    more: bool

    @property
    def text_length(self) -> int:
        """How many characters the prompts and the replies have."""
        return sum(turn.text_length for turn in self.items)


async def window_before(
    database: Database, user_id: UUID, conversation_id: UUID, *, start_id: UUID | None, limit: int
) -> TurnWindow:
    """Return turns from `start_id` (None: the head) towards the root, newest first.

    Raises:
        NotFound: the conversation is not the user's.
    """
    page = await turns_up(database, user_id, conversation_id, start_id=start_id, limit=limit)
    if not page.turns:
        await require_conversation(database, user_id, conversation_id)
    return await _rendered(user_id, list(page.turns), more=page.more)


async def window_after(
    database: Database, user_id: UUID, conversation_id: UUID, *, first: int, limit: int
) -> TurnWindow:
    """Return turns from the one with the index `first` towards the head, oldest first.

    Raises:
        NotFound: the conversation is not the user's.
    """
    page = await turns_down(database, user_id, conversation_id, first=first, limit=limit)
    if not page.turns:
        await require_conversation(database, user_id, conversation_id)
    return await _rendered(user_id, list(page.turns), more=page.more)


async def render_turn(database: Database, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> RenderedTurn:
    """Return one turn, on whichever branch it is.

    Raises:
        NotFound: it is not the user's.
    """
    turn = await require_turn(database, user_id, conversation_id, turn_id)
    return (await render_turns(user_id, [turn]))[0]


async def render_text(user_id: UUID, text: str) -> str:
    """Return Markdown as sanitised HTML, without holding up anybody else."""
    return await render_in_place(user_id, partial(render, text))


async def render_turns(user_id: UUID, turns: list[Turn]) -> list[RenderedTurn]:
    """Return turns with their replies as sanitised HTML, without holding up anybody else.

    Args:
        user_id: the reader, who waits for others after every few replies.
    """
    made: list[RenderedTurn] = []
    for few in _portions(turns):
        made += await render_in_place(user_id, partial(_all_rendered, few))
    return made


def _portions(turns: list[Turn]) -> Iterator[list[Turn]]:
    portion: list[Turn] = []
    size = 0
    for turn in turns:
        portion.append(turn)
        size += len(turn.reply.content) if turn.reply else 0
        if size >= RENDERED_CHARACTERS_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _all_rendered(turns: list[Turn]) -> list[RenderedTurn]:
    made = []
    for turn in turns:
        anyio.from_thread.check_cancelled()
        made.append(RenderedTurn.of(turn))
    return made


async def _rendered(user_id: UUID, turns: list[Turn], *, more: bool) -> TurnWindow:
    return TurnWindow(items=await render_turns(user_id, turns), more=more)
