"""Conversations as files: one as JSON, as JSONL or to read, and all of an account, one a line.

Everything is read in batches, each a statement of its own: memory does not grow with the history, and no connection
is held while the client reads. An export is no snapshot of one moment. It has every turn that was begun before it, as
that stood when its batch was read, and none that was begun later; what is deleted in the meantime may be in it or not.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from uuid import UUID

from chatkeep.chat.records import ConversationRecord, TurnRecord
from chatkeep.chat.schemas import Conversation, Turn
from chatkeep.database.database import Database
from chatkeep.http.schemas import json_line
from chatkeep.ids import new_id
from chatkeep.transfer import export_queries as queries
from chatkeep.transfer.sibling_numbers import Numbers, SiblingNumbers

# The format of this service's own files.
OWN_FORMAT = "chatkeep/1"
CONVERSATIONS_PER_BATCH = 100
TURNS_PER_BATCH = 100
# Of the texts of a batch, where it is of more than one turn: so much is held for a client that reads slowly.
MAX_BATCH_BYTES = 256 * 1024

FIRST_ID = UUID(int=0)


async def account_as_jsonl(database: Database, user_id: UUID) -> AsyncGenerator[bytes, None]:
    """Yield a user's conversations, oldest first, each a line like `conversation_as_json`."""
    newest_id = new_id()
    async with aclosing(_batches_of(database, user_id)) as batches:
        async for rows in batches:
            async with aclosing(_whole(database, user_id, rows, newest_id)) as chunks:
                with suppress(StopAsyncIteration):
                    while True:
                        yield await anext(chunks)  # and hold nothing of it while the client reads


async def conversations_of(database: Database, user_id: UUID) -> AsyncGenerator[ConversationRecord, None]:
    """Yield a user's conversations, oldest first."""
    async with aclosing(_batches_of(database, user_id)) as batches:
        async for rows in batches:
            for row in rows:
                yield row


async def _batches_of(database: Database, user_id: UUID) -> AsyncGenerator[Sequence[ConversationRecord], None]:
    after_id = FIRST_ID
    while True:
        rows = await database.rows(
            queries.CONVERSATIONS_AFTER,
            user_id=user_id,
            after_id=after_id,
            limit=CONVERSATIONS_PER_BATCH,
            max_bytes=MAX_BATCH_BYTES,
        )
        if not rows:
            return
        after_id = rows[-1].id
        yield rows


def conversation_as_json(
    database: Database, user_id: UUID, conversation: ConversationRecord
) -> AsyncGenerator[bytes, None]:
    """Yield a conversation with all of its turns, on whichever branch: parents before children."""
    return _whole(database, user_id, [conversation], new_id())


async def conversation_as_jsonl(
    database: Database, user_id: UUID, conversation: ConversationRecord
) -> AsyncGenerator[bytes, None]:
    """Yield the turns of the active path, oldest first, one a line."""
    async with aclosing(path_turns(database, user_id, conversation)) as batches:
        async for turns in batches:
            yield written_down(turns, lambda turn: json_line(turn) + b"\n")


def written_down(turns: list[Turn], write: Callable[[Turn], bytes]) -> bytes:
    """Return turns as they are written, and empty the list: nothing else is held while the client reads."""
    written = b"".join(map(write, turns))
    turns.clear()
    return written


async def path_turns(
    database: Database, user_id: UUID, conversation: ConversationRecord
) -> AsyncGenerator[list[Turn], None]:
    """Yield the turns of the active path, oldest first, as the path is now; each list is its reader's to empty."""
    ids = await database.rows(queries.PATH_IDS, user_id=user_id, conversation_id=conversation.id)
    start = 0
    while wanted := ids[start : start + TURNS_PER_BATCH]:
        rows = await database.rows(queries.TURNS_BY_IDS, user_id=user_id, turn_ids=wanted, max_bytes=MAX_BATCH_BYTES)
        if not rows:
            return  # deleted in the meantime
        start += wanted.index(rows[-1].id) + 1
        turns = list(map(Turn.from_record, rows))
        del rows
        yield turns


async def _whole(
    database: Database, user_id: UUID, conversations: Sequence[ConversationRecord], newest_id: UUID
) -> AsyncGenerator[bytes, None]:
    """Yield neighbouring conversations as lines, while their turns come in the same order."""
    writer, numbers = _Lines(conversations), SiblingNumbers(database, user_id, newest_id)
    after = (conversations[0].id, -1, FIRST_ID)
    while True:
        rows = await database.rows(
            queries.TURNS_AFTER,
            user_id=user_id,
            conversation_id=after[0],
            position=after[1],
            after_id=after[2],
            last_id=conversations[-1].id,
            newest_id=newest_id,
            limit=TURNS_PER_BATCH,
            max_bytes=MAX_BATCH_BYTES,
        )
        if not rows:
            break
        siblings = await numbers.of_batch(rows)
        for row in rows:
            writer.add(row, siblings[row.id])
        after = (rows[-1].conversation_id, rows[-1].position, rows[-1].id)
        del row, rows  # what is written is enough to hold while the client reads it
        yield writer.written()
    writer.end()
    yield writer.written()


class _Lines:
    """Writes conversations, and each turn in its own."""

    def __init__(self, conversations: Sequence[ConversationRecord]) -> None:
        self._waiting = list(reversed(conversations))
        self._open: UUID | None = None
        self._separator = b""
        self._parts: list[bytes] = []

    def add(self, turn: TurnRecord, siblings: Numbers) -> None:
        while self._waiting and self._waiting[-1].id <= turn.conversation_id:
            self._begin_next()
        # Of a conversation that came after the list was read there is nothing but some turns.
        if turn.conversation_id == self._open:
            turn.sibling_count, turn.sibling_position = siblings
            self._parts += [self._separator, json_line(Turn.from_record(turn))]
            self._separator = b","

    def end(self) -> None:
        while self._waiting:
            self._begin_next()
        self._close()

    def written(self) -> bytes:
        """Return the bytes written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def _begin_next(self) -> None:
        self._close()
        record = self._waiting.pop()
        fields = json_line(Conversation.model_validate(record)).removeprefix(b"{").removesuffix(b"}")
        self._parts.append(b'{"format":"%s",%s,"turns":[' % (OWN_FORMAT.encode(), fields))
        self._open, self._separator = record.id, b""

    def _close(self) -> None:
        if self._open is not None:
            self._parts.append(b"]}\n")
        self._open = None
