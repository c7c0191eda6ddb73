"""A conversation to read, as Markdown: what each said, contained between headings of ours."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.items import AnyItem, is_refusal
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.reply_log import ITEM, ReplySpan, stretches_of
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.transfer.contained_markdown import as_code, contained, one_line
from chatkeep.transfer.exporter import path_turns, written_down

ENDINGS = {
    "streaming": "This reply is still being written.",
    "incomplete": "This reply was cut at its length.",
    "stopped": "This reply was stopped.",
    "interrupted": "This reply was interrupted.",
}


async def conversation_as_markdown(
    database: Database, user_id: UUID, conversation: ConversationRecord
) -> AsyncGenerator[bytes, None]:
    """Yield the active path: a heading for each prompt and each reply, and their text. See `contained_markdown`."""
    yield await anyio.to_thread.run_sync(heading_of, conversation)
    async with aclosing(path_turns(database, user_id, conversation)) as batches:
        async for turns in batches:
            # A look at the blocks of long texts takes its time, in which replies are to go on.
            yield await anyio.to_thread.run_sync(written_down, turns, turn_as_markdown)


def heading_of(conversation: ConversationRecord) -> bytes:
    """Return what stands before the turns."""
    return _heading(conversation).encode()


def turn_as_markdown(turn: Turn) -> bytes:
    return "".join(_turn(turn)).encode()


def _heading(conversation: ConversationRecord) -> str:
    heading = f"# {one_line(conversation.title or '') or 'Conversation'}\n\n"
    if conversation.system_prompt:
        heading += f"## System\n\n{contained(conversation.system_prompt)}\n\n"
    return heading


def _turn(turn: Turn) -> Iterator[str]:
    if turn.continues is None:
        yield f"## User · {_minute(turn.created_at)}\n\n"
        yield from _prompt(turn)
    yield f"## Assistant{f' · {one_line(turn.model)}' if turn.model else ''}\n\n"
    if turn.reply is not None:
        for stretch in stretches_of(turn.reply.content, turn.reply.items):
            yield from _stretch(stretch)
    if turn.error is not None:
        yield f"*This reply failed: {one_line(turn.error.detail) or turn.error.code}*\n\n"
    elif turn.finish_reason == "content_filter":
        yield "*This reply was filtered by the model's server.*\n\n"
    elif turn.status in ENDINGS:
        yield f"*{ENDINGS[turn.status]}*\n\n"


def _prompt(turn: Turn) -> Iterator[str]:
    if turn.prompt.content:
        yield f"{contained(turn.prompt.content)}\n\n"
    for item in turn.prompt.items or ():
        if item.get("type") != "message":
            yield from _item(item)


def _stretch(stretch: ReplySpan) -> Iterator[str]:
    if stretch.kind is None:
        yield f"{contained(stretch.text)}\n\n"
    elif stretch.kind == ITEM:
        yield from _item(json.loads(stretch.text))
    else:
        yield f"{_quoted('*Reasoning*', stretch.text)}\n\n"


def _item(item: AnyItem) -> Iterator[str]:
    """A refusal in words, and anything else as the JSON that it is: that way it can be told from what was said."""
    if is_refusal(item):
        yield f"{_quoted('*Refusal*', item['refusal'])}\n\n"
    else:
        yield f"{as_code(json.dumps(item, ensure_ascii=False, indent=2), 'json')}\n\n"


def _quoted(heading: str, text: str) -> str:
    return "\n".join(f"> {line}" for line in (heading, "", *contained(text).split("\n")))


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
