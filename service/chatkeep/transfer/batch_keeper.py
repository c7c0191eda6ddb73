"""Conversations of a batch into the database: in one transaction, or each in its own where that fails.

What is there if the process dies:

- before a batch's transaction commits: the batches before it, each conversation whole, with what they are called
  where they come from; nothing of this one;
- after it: this one, too, and that it is to be made findable, which any replica does. Importing the file again leaves
  out what is there and goes on with the rest. The same holds for each conversation of a batch that could not be kept
  together, because somebody imports the same at this moment, or because the database refuses one of them.

A conversation that was imported before and is longer now gets its new turns, in a transaction of its own. Then it gets
the files that it lacks, in another one: whoever dies in between has them added by the same import again.
"""

import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.history.pin_queries import MAX_PINS, count_pins, lock_pins
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.errors import NotAuthenticated, Unavailable
from chatkeep.transfer import import_queries as queries
from chatkeep.transfer.batch_reader import IN_THE_LOG, ReadConversation
from chatkeep.transfer.formats.chatkeep import SOURCE as OWN
from chatkeep.transfer.grown import Grown, continue_conversation, with_something_new
from chatkeep.transfer.imported_files import ImportedFiles, LeftOutFile, references_of
from chatkeep.transfer.late_files import add_late_files
from chatkeep.transfer.outcomes import Imported
from chatkeep.transfer.rows import ConversationRows

log = structlog.get_logger(__name__)

FOREIGN_KEY_VIOLATION = "23503"
NO_BEGINNING = "A part of it could not be kept, and so those after it cannot."
REFUSED = f"The database does not keep it. {IN_THE_LOG}"

Key = tuple[str, str]
# A list of messages is read as Open WebUI's until one of them says more, such as its `parent`.
SAME_AS = {"messages": "open-webui", "open-webui": "messages"}


class BatchKeeper:
    """Keeps batches of one import.

    Args:
        files: keeps the files that turns have.
    """

    def __init__(self, database: Database, user_id: UUID, clock: Clock, files: ImportedFiles) -> None:
        self._database = database
        self._user_id = user_id
        self._clock = clock
        self._files = files
        self._made: set[Key] = set()

    async def keep(self, batch: Sequence[ReadConversation]) -> AsyncIterator[Imported]:
        """Keep a batch, and yield what became of each of its conversations.

        Raises:
            NotAuthenticated: the account was deleted in the meantime.
            DatabaseUnavailable: what was yielded is kept.
        """
        known, mine = await self._known(batch)
        grown = await self._grown(batch, known)
        new: dict[Key, ReadConversation] = {}
        for read in batch:
            if read.rows is None or read.key in known or read.key in mine:
                continue
            if read.rows.is_part:
                read.reason = NO_BEGINNING
            else:
                new.setdefault(read.key, read)
        left_out = {key: files for key, read in new.items() if (files := await self._attached(read)) is not None}
        whole = [read for key, read in new.items() if key in left_out]
        together = len(whole) > 1 and await self._is_kept(whole)
        for read in batch:
            if not read.is_wanted:
                yield Imported(read.source_id, "skipped", read.reason, owner=read.owner)
            elif read.rows is None:
                yield Imported(read.source_id, "failed", read.reason)
            elif read.key in known:
                continued = await self._continued(read, known[read.key], grown)
                # Parts of one that this import has begun are no conversations of their own.
                is_told = not read.rows.is_part or (continued.outcome == "continued" and read.key not in self._made)
                if is_told or continued.outcome == "failed":
                    yield continued
            elif new.get(read.key) is not read or not (together or await self._is_kept([read])):
                yield _failed(read) or Imported(read.source_id, "skipped", owner=read.owner)
            else:
                self._made.add(read.key)
                yield _imported(read, read.rows, left_out[read.key])

    async def _known(self, batch: Sequence[ReadConversation]) -> tuple[Mapping[Key, UUID], set[Key]]:
        """Return the conversations of a batch that were imported before, and those that were begun here."""
        keys = [read.key for read in batch if read.rows is not None]
        if not keys:
            return {}, set()
        own = [UUID(source_id) for source, source_id in keys if source == OWN]
        same = {(SAME_AS[source], source_id): (source, source_id) for source, source_id in keys if source in SAME_AS}
        async with self._database.transaction() as connection:
            found = await queries.known_sources(connection, self._user_id, [*keys, *same])
            known = {same[key]: each for key, each in found.items() if key in same} | found
            mine = await queries.own_conversations(connection, self._user_id, own) if own else set()
        return known, {(OWN, str(each)) for each in mine}

    async def _attached(self, read: ReadConversation) -> list[LeftOutFile] | None:
        """Have the turns refer to their files; None where the conversation has failed by that."""
        assert read.rows is not None  # noqa: S101  only those with rows are new
        try:
            return await self._files.attach(read.rows.turns, read.origin)
        except (Unavailable, NotAuthenticated):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it costs this conversation alone
            read.reason = _refused(error)
            return None

    async def _is_kept(self, reads: Sequence[ReadConversation]) -> bool:
        """Keep conversations, or none of them: where one is here already, or the database refuses one.

        The reason for which one alone is refused is put down with it.
        """
        if any(read.reason for read in reads):
            return False
        try:
            return await _keep(self._database, self._user_id, reads, self._clock())
        except (Unavailable, NotAuthenticated):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it costs one conversation alone
            if len(reads) == 1:
                reads[0].reason = _refused(error)
            return False

    async def _grown(self, batch: Sequence[ReadConversation], known: Mapping[Key, UUID]) -> set[UUID]:
        """Return which of the known conversations may be longer now, or are more than once in the batch."""
        once: dict[UUID, ConversationRows] = {}
        several: set[UUID] = set()
        for read in batch:
            if read.rows is not None and read.is_wanted and (kept_id := known.get(read.key)) is not None:
                if kept_id in once:
                    several.add(kept_id)
                once.setdefault(kept_id, read.rows)
        return several | await with_something_new(self._database, self._user_id, once)

    async def _continued(self, read: ReadConversation, conversation_id: UUID, may_be_grown: set[UUID]) -> Imported:
        assert read.rows is not None  # noqa: S101  failures are not known
        grown: Grown | None = None
        try:
            if conversation_id in may_be_grown:
                grown = await continue_conversation(
                    self._database, self._user_id, conversation_id, read.rows, self._files, read.origin
                )
            late = await add_late_files(
                self._database, self._user_id, conversation_id, read.rows.turns, self._files, read.origin
            )
        except (Unavailable, NotAuthenticated):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it costs this conversation alone
            return Imported(read.source_id, "failed", _refused(error))
        if grown is None:
            return Imported(read.source_id, "skipped", files_added=late.added, left_out=late.left_out, owner=read.owner)
        return Imported(
            read.source_id,
            "continued",
            conversation_id=conversation_id,
            title=grown.title,
            turn_count=grown.turn_count,
            turns_added=grown.turns_added,
            files_added=late.added,
            left_out=(*grown.left_out, *late.left_out),
            owner=read.owner,
        )


def _failed(read: ReadConversation) -> Imported | None:
    return Imported(read.source_id, "failed", read.reason) if read.reason else None


def _imported(read: ReadConversation, rows: ConversationRows, left_out: Sequence[LeftOutFile]) -> Imported:
    made = rows.conversation
    return Imported(
        read.source_id,
        "imported",
        conversation_id=made["id"],
        title=made["title"],
        turn_count=made["turn_count"],
        kept_aside=read.kept_aside,
        left_out=tuple(left_out),
        owner=read.owner,
    )


def _refused(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.name}:{last.lineno}"
    log.warning("conversation_not_kept", error=type(error).__name__, sqlstate=sqlstate_of(error), where=where)
    return REFUSED


async def _keep(database: Database, user_id: UUID, reads: Sequence[ReadConversation], now: datetime) -> bool:
    """Keep conversations with all that hangs on them, or, where one of them is here already, nothing."""
    # In one order, so that two imports of the same conversations never wait for each other.
    kept = {read.key: read.rows for read in sorted(reads, key=lambda each: each.key) if read.rows is not None}
    turns = [turn for rows in kept.values() for turn in rows.turns]
    sources = [source for rows in kept.values() for source in rows.sources()]
    try:
        async with database.transaction() as connection:
            await _bound_pins(connection, user_id, [rows.conversation for rows in kept.values()])
            await queries.insert_conversations(connection, [rows.conversation for rows in kept.values()])
            ids = {key: rows.conversation["id"] for key, rows in kept.items()}
            if await queries.insert_sources(connection, user_id, ids, now) < len(kept):
                raise _IsThere
            await queries.insert_turns(connection, turns)
            await queries.insert_turn_sources(connection, user_id, sources)
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


async def _bound_pins(connection: AsyncConnection, user_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Leave pinned as many as may be; the others are kept without."""
    if pinned := [values for values in rows if values["pinned"]]:
        await lock_pins(connection, user_id)
        for values in pinned[max(0, MAX_PINS - await count_pins(connection, user_id)) :]:
            values["pinned"] = False


class _IsThere(Exception):
    """Somebody imported it right now; what was written of it is taken back."""
