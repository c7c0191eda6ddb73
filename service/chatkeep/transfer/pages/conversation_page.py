"""A conversation as one page: its active path, and its files in it."""

import base64
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from uuid import UUID

from chatkeep.chat.files.store import FileStore
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.schemas import Turn
from chatkeep.prose.places import render_in_place
from chatkeep.transfer.exporter import path_turns
from chatkeep.transfer.pages.file_places import MARK
from chatkeep.transfer.pages.page import Pages

# So much is rendered before another reader has a turn.
CHARACTERS_AT_ONCE = 20_000
_MARKED = re.compile(f"{MARK}(.{{36}}){MARK}".encode())


async def conversation_page(
    store: FileStore, user_id: UUID, conversation: ConversationRecord, pages: Pages
) -> AsyncGenerator[bytes, None]:
    """Yield the page of a conversation."""
    yield await render_in_place(user_id, partial(pages.head_of, conversation))
    async with aclosing(path_turns(store.database, user_id, conversation)) as batches:
        async for turns in batches:
            await pages.places.look_up(store.database, user_id, turns)
            while turns:
                written = [await render_in_place(user_id, partial(_written, pages, _portion(turns)))]
                chunks = _with_files(store, user_id, written)
                async with aclosing(chunks):
                    with suppress(StopAsyncIteration):
                        while True:
                            yield await anext(chunks)
    yield pages.foot()


def _portion(turns: list[Turn]) -> list[Turn]:
    """Take the first turns of a list away, as many as are rendered at once."""
    size = count = 0
    for turn in turns:
        size += len(turn.prompt.content) + (len(turn.reply.content) if turn.reply else 0)
        count += 1
        if size >= CHARACTERS_AT_ONCE:
            break
    taken, turns[:] = turns[:count], turns[count:]
    return taken


def _written(pages: Pages, turns: list[Turn]) -> bytes:
    return b"".join(map(pages.turn, turns))


async def _with_files(store: FileStore, user_id: UUID, written: list[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield a part of a page, with each file in the place of its mark, a piece at a time.

    Args:
        written: the part, which is taken out: nothing of it is held while the client reads.
    """
    parts = _MARKED.split(written.pop())
    parts.reverse()
    while parts:
        yield parts.pop()
        if parts:
            pieces = store.pieces(user_id, UUID(parts.pop().decode()))
            async with aclosing(pieces), aclosing(_in_base64(pieces)) as encoded:
                async for each in encoded:
                    yield each


async def _in_base64(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield a file in base64: three bytes are four characters, and what is left of a piece goes with the next."""
    rest = b""
    async for piece in pieces:
        whole = rest + piece
        end = len(whole) // 3 * 3
        rest = whole[end:]
        yield base64.b64encode(whole[:end])
    if rest:
        yield base64.b64encode(rest)
