"""A conversation to read, as Markdown: what each said, contained between headings of ours."""

import json
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from chatkeep.chat.files.store import FileStore
from chatkeep.chat.items import AnyItem, is_file, is_refusal
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.reply_log import ITEM, ReplySpan, stretches_of
from chatkeep.chat.schemas import Turn
from chatkeep.prose.places import render_in_place
from chatkeep.transfer.contained_markdown import as_code, contained, one_line
from chatkeep.transfer.exporter import path_turns, written_down
from chatkeep.transfer.pages.file_places import FilePlaces

ENDINGS = {
    "streaming": "This reply is still being written.",
    "incomplete": "This reply was cut at its length.",
    "stopped": "This reply was stopped.",
    "interrupted": "This reply was interrupted.",
}


async def conversation_as_markdown(
    store: FileStore, user_id: UUID, conversation: ConversationRecord, places: FilePlaces | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the active path: a heading for each prompt and each reply, and their text. See `contained_markdown`.

    Args:
        places: where its files lie; None where there are none beside it.
    """
    yield await render_in_place(user_id, partial(_heading, conversation))
    async with aclosing(path_turns(store.database, user_id, conversation)) as batches:
        async for turns in batches:
            if places is not None:
                await places.look_up(store.database, user_id, turns)
            # A look at the blocks of long texts takes its time, in which replies are to go on.
            yield await render_in_place(user_id, partial(written_down, turns, partial(_written, places)))


def _written(places: FilePlaces | None, turn: Turn) -> bytes:
    return "".join(_turn(turn, places)).encode()


def _heading(conversation: ConversationRecord) -> bytes:
    heading = f"# {one_line(conversation.title or '') or 'Conversation'}\n\n"
    if conversation.system_prompt:
        heading += f"## System\n\n{contained(conversation.system_prompt)}\n\n"
    return heading.encode()


def _turn(turn: Turn, places: FilePlaces | None) -> Iterator[str]:
    if turn.continues is None:
        yield f"## User · {_minute(turn.created_at)}\n\n"
        yield from _prompt(turn, places)
    yield f"## Assistant{f' · {one_line(turn.model)}' if turn.model else ''}\n\n"
    if turn.reply is not None:
        for stretch in stretches_of(turn.reply.content, turn.reply.items):
            yield from _stretch(stretch, places)
    if turn.error is not None:
        yield f"*This reply failed: {one_line(turn.error.detail) or turn.error.code}*\n\n"
    elif turn.finish_reason == "content_filter":
        yield "*This reply was filtered by the model's server.*\n\n"
    elif turn.status in ENDINGS:
        yield f"*{ENDINGS[turn.status]}*\n\n"


def _prompt(turn: Turn, places: FilePlaces | None) -> Iterator[str]:
    if turn.prompt.content:
        yield f"{contained(turn.prompt.content)}\n\n"
    for item in turn.prompt.items or ():
        if item.get("type") != "message":
            yield from _item(item, places)


def _stretch(stretch: ReplySpan, places: FilePlaces | None) -> Iterator[str]:
    if stretch.kind is None:
        yield f"{contained(stretch.text)}\n\n"
    elif stretch.kind == ITEM:
        yield from _item(json.loads(stretch.text), places)
    else:
        yield f"{_quoted('*Reasoning*', stretch.text)}\n\n"


def _item(item: AnyItem, places: FilePlaces | None) -> Iterator[str]:
    """A refusal in words, a file by its name, and anything else as the JSON that it is, which nobody has said."""
    if is_file(item):
        yield f"{_file(item, places)}\n\n"
    elif is_refusal(item):
        yield f"{_quoted('*Refusal*', item['refusal'])}\n\n"
    else:
        yield f"{as_code(json.dumps(item, ensure_ascii=False, indent=2), 'json')}\n\n"


def _file(item: AnyItem, places: FilePlaces | None) -> str:
    """Return a file as a picture or a link, where it lies beside the text, and otherwise as its name."""
    name = re.sub(r"([\\\[\]`*_<>!])", r"\\\1", one_line(str(item.get("name") or "file")))
    place = None if places is None else places.of(item)
    if place is None:
        return f"*File: {name}*"
    return f"{'!' if place.is_picture else ''}[{name}]({place.address})"


def _quoted(heading: str, text: str) -> str:
    return "\n".join(f"> {line}" for line in (heading, "", *contained(text).split("\n")))


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
