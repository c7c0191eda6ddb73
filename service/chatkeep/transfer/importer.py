"""Conversations out of a file into an account, a batch in one transaction.

A transaction for each would cost as much for a conversation of one word as for a long one, and a megabyte holds
thousands of those.

What is there if the process dies:

- before a batch's transaction commits: the batches before it, each conversation whole, with what they are called
  where they come from; nothing of this one;
- after it: this one, too, and that it is to be made findable, which any replica does. Importing the file again leaves
  out what is there and goes on with the rest. The same holds for each conversation of a batch that could not be kept
  together, because somebody imports the same at this moment.

That an import begins is on record before its first conversation, and how it ended after the last: a beginning without
an end was broken off.
"""

import traceback
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal
from uuid import UUID

import anyio.from_thread
import anyio.to_thread
import structlog
from sqlalchemy.exc import IntegrityError

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.search.indexer import index_pending
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.errors import NotAuthenticated, UnknownImportFormat
from chatkeep.transfer import import_queries as queries
from chatkeep.transfer.archive import Found, values_in
from chatkeep.transfer.formats.chatkeep import SOURCE as OWN
from chatkeep.transfer.formats.detection import read_conversation
from chatkeep.transfer.full_collections import full_collections_put_off
from chatkeep.transfer.imported import UnknownFormat, Unreadable
from chatkeep.transfer.imported_files import ImportedFiles, LeftOutFile, references_of
from chatkeep.transfer.json_stream import Value
from chatkeep.transfer.known_conversations import add_late_files, known_conversations
from chatkeep.transfer.rows import ConversationRows, to_rows
from chatkeep.transfer.sanitize import sanitize

log = structlog.get_logger(__name__)

CHARACTERS_PER_BATCH = 2 * 1024 * 1024
# The fixed cost of a batch, shared by conversations of one word: 50 took a third longer for a megabyte of those.
CONVERSATIONS_PER_BATCH = 250
# A file of which nothing can be read is not read to its end for the sake of a list of failures.
MAX_FAILURES = 10_000
FOREIGN_KEY_VIOLATION = "23503"
NO_MESSAGES = "No message of it could be read."


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of one conversation of the file.

    Args:
        source_id: what it is called where it comes from; its place in the file where that is not known.
        kept_aside: how many messages and the like are in its metadata.
        files_added: how many files its turns got, where it was imported before without them.
        left_out: the files of its turns that are neither in the file nor the user's, or could not be kept.
    """

    source_id: str
    outcome: Literal["imported", "skipped", "failed"]
    reason: str | None = None
    conversation_id: UUID | None = None
    title: str | None = None
    turn_count: int = 0
    kept_aside: int = 0
    files_added: int = 0
    left_out: tuple[LeftOutFile, ...] = ()

    @property
    def files_left_out(self) -> int:
        return len(self.left_out)


@dataclass(frozen=True, slots=True)
class _Read:
    """One conversation, read and placed, and how much text it was."""

    source_id: str
    source: str
    size: int
    rows: ConversationRows | None = None
    reason: str | None = None
    kept_aside: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.source_id


async def import_file(
    database: Database,
    user_id: UUID,
    file: BinaryIO,
    *,
    audit: Recorder,
    clock: Clock,
    max_bytes: int,
    files: FileStore,
    advance: Callable[[], None] = lambda: None,
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> AsyncGenerator[Imported, None]:
    """Keep the conversations of a file, and yield what became of each.

    Args:
        audit: the recorder of the user who imports.
        max_bytes: how much a ZIP may unpack to.
        files: keeps the files that turns have.
        advance: called now and then, while the file is read.
        turn: held while a batch is read and kept, and given up after it, so that others come in between.

    Cancelled, it ends after the piece that is being read; what was yielded is kept.

    Raises:
        UnknownImportFormat: the file is of no known format; nothing was changed.
        NotAuthenticated: the account was deleted in the meantime.
        DatabaseUnavailable: what was yielded is kept; importing again goes on from there.
    """
    if file.seek(0, 2) == 0:
        raise UnknownImportFormat("The file is empty.")
    file.seek(0)
    found = values_in(file, max_bytes=max_bytes, check=anyio.from_thread.check_cancelled)
    counts = Counter(imported=0, skipped=0, failed=0)
    attached = ImportedFiles(files, user_id, file)
    is_first = True
    while True:
        async with turn():
            # Parsing takes its time, in which replies are to go on.
            batch = await anyio.to_thread.run_sync(_read_on, found, user_id, clock(), is_first)
            if not batch:
                break
            if is_first:
                known_format = next((read.source for read in batch if read.source), None)
                await _note(database, audit, user_id, stage="begun", format=known_format)
            is_first = False
            advance()
            async for outcome in _kept(database, user_id, batch, clock, attached):
                yield outcome
                counts[outcome.outcome] += 1
                if outcome.files_added:
                    counts["files_added"] += outcome.files_added
            if any(read.rows is not None for read in batch):
                await index_pending(database)
        if counts["failed"] >= MAX_FAILURES:
            yield Imported("(the rest)", "failed", "Too much of this file cannot be read; the rest was left.")
            break
    if not is_first:
        await _note(database, audit, user_id, stage="ended", **counts)


async def _note(database: Database, audit: Recorder, user_id: UUID, **details: str | int | None) -> None:
    async with database.transaction() as connection:
        await audit.record(connection, Action.IMPORTED, user_id, **details)


def _read_on(found: Iterator[Found], user_id: UUID, now: datetime, is_first: bool) -> list[_Read]:
    with full_collections_put_off():
        return _next_batch(found, user_id, now, is_first)


def _next_batch(found: Iterator[Found], user_id: UUID, now: datetime, is_first: bool) -> list[_Read]:
    """Read on until there is work for the database."""
    batch: list[_Read] = []
    size = 0
    for place, value in found:
        try:
            read = _read(place, value, user_id, now)
        except UnknownFormat as error:
            if is_first and not batch:
                raise UnknownImportFormat(
                    "This is no file that can be imported: not this service's export, not ChatGPT's, not Open WebUI's, "
                    "and not a ChatStream prompt."
                ) from None
            read = _Read(place, "", 0, reason=error.reason)
        batch.append(read)
        size += read.size
        if size > CHARACTERS_PER_BATCH or len(batch) == CONVERSATIONS_PER_BATCH:
            break
    return batch


def _read(place: str, value: Value | Unreadable, user_id: UUID, now: datetime) -> _Read:
    """Read a value as a conversation; where that fails, say why.

    Raises:
        UnknownFormat: it is none.
    """
    if isinstance(value, UnknownFormat):
        raise value
    if isinstance(value, Unreadable):
        return _Read(place, "", 0, reason=value.reason)
    try:
        conversation = read_conversation(sanitize(value.parsed, value.text))
        if not conversation.turns and conversation.source != OWN:
            raise Unreadable(NO_MESSAGES, conversation.source_id)
        rows = to_rows(conversation, user_id, now)
    except UnknownFormat:
        raise
    except Unreadable as error:
        return _Read(error.source_id or place, "", len(value.text), reason=error.reason)
    except RecursionError:
        return _Read(place, "", len(value.text), reason="It is nested too deep.")
    except Exception as error:  # noqa: BLE001  whatever it is
        # Files of other programs are documented nowhere: one that nobody thought of costs its conversation alone. Its
        # words are in no log.
        log.warning("conversation_not_understood", error=type(error).__name__, where=_place_of(error))
        return _Read(place, "", len(value.text), reason="This service could not read it. Its log says where it failed.")
    return _Read(
        conversation.source_id,
        conversation.source,
        len(value.text),
        rows,
        kept_aside=len(conversation.aside.get("messages", ())),
    )


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.name}:{last.lineno}"


async def _kept(
    database: Database, user_id: UUID, batch: list[_Read], clock: Clock, files: ImportedFiles
) -> AsyncIterator[Imported]:
    known = await known_conversations(database, user_id, [read.key for read in batch if read.rows is not None])
    new = {read.key: read for read in reversed(batch) if read.rows is not None and read.key not in known}
    left_out = {key: await files.attach(read.rows.turns) for key, read in new.items() if read.rows is not None}
    together = await _keep(database, user_id, list(new.values()), clock()) if len(new) > 1 else False
    for read in batch:
        if read.rows is None:
            yield Imported(read.source_id, "failed", read.reason)
        elif (conversation_id := known.get(read.key)) is not None:
            late = await add_late_files(database, user_id, conversation_id, read.rows.turns, files)
            yield Imported(read.source_id, "skipped", files_added=late.added, left_out=late.left_out)
        elif new.get(read.key) is not read or not (together or await _keep(database, user_id, [read], clock())):
            yield Imported(read.source_id, "skipped")
        else:
            made = read.rows.conversation
            yield Imported(
                read.source_id,
                "imported",
                conversation_id=made["id"],
                title=made["title"],
                turn_count=made["turn_count"],
                kept_aside=read.kept_aside,
                left_out=tuple(left_out[read.key]),
            )


async def _keep(database: Database, user_id: UUID, reads: list[_Read], now: datetime) -> bool:
    """Keep conversations with all that hangs on them, or, where one of them is here already, nothing."""
    # In one order, so that two imports of the same conversations never wait for each other.
    kept = {read.key: read.rows for read in sorted(reads, key=lambda each: each.key) if read.rows is not None}
    turns = [turn for rows in kept.values() for turn in rows.turns]
    try:
        async with database.transaction() as connection:
            await queries.insert_conversations(connection, [rows.conversation for rows in kept.values()])
            ids = {key: rows.conversation["id"] for key, rows in kept.items()}
            if await queries.insert_sources(connection, user_id, ids, now) < len(kept):
                raise _IsThere
            await queries.insert_turns(connection, turns)
            await queries.refer_to_files(connection, user_id, references_of(turns))
            await queries.await_lexemes(connection, turns)
            await queries.count_conversations(connection, user_id, len(kept), len(turns))
    except _IsThere:
        return False
    except IntegrityError as error:
        if sqlstate_of(error) != FOREIGN_KEY_VIOLATION:
            raise
        raise NotAuthenticated("This account has just been deleted.") from None
    return True


class _IsThere(Exception):
    """Somebody imported it right now; what was written of it is taken back."""
