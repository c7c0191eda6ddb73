"""A conversation to read, as Markdown."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

from service.chat.schemas import Turn
from service.database.database import Database
from service.transfer.exporting import Row, path_turns, written_down

ENDINGS = {
    "streaming": "This reply is still being written.",
    "stopped": "This reply was stopped.",
    "interrupted": "This reply was interrupted.",
}


async def conversation_as_markdown(database: Database, user_id: UUID, conversation: Row) -> AsyncGenerator[bytes, None]:
    """Yield the active path: a heading for each prompt and each reply, and their text as it is."""
    yield _heading(conversation).encode()
    async with aclosing(path_turns(database, user_id, conversation)) as batches:
        async for turns in batches:
            yield written_down(turns, lambda turn: "".join(_turn(turn)).encode())


def _heading(conversation: Row) -> str:
    title = " ".join((conversation["title"] or "Conversation").split())
    heading = f"# {title}\n\n"
    if conversation["system_prompt"]:
        heading += f"## System\n\n{conversation['system_prompt']}\n\n"
    return heading


def _turn(turn: Turn) -> Iterator[str]:
    yield f"## User · {_minute(turn.created_at)}\n\n{turn.prompt.content}\n\n"
    yield f"## Assistant{f' · {turn.model}' if turn.model else ''}\n\n"
    if turn.reply is not None:
        yield f"{turn.reply.content}\n\n"
    if turn.error is not None:
        yield f"*This reply failed: {turn.error.detail or turn.error.code}*\n\n"
    elif turn.status in ENDINGS:
        yield f"*{ENDINGS[turn.status]}*\n\n"


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
