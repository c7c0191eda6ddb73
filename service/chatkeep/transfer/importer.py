"""Conversations out of files into an account, a batch in one transaction.

A transaction for each would cost as much for a conversation of one word as for a long one, and a megabyte holds
thousands of those.

That an import begins is on record before its first conversation, and how it ended after the last: a beginning without
an end was broken off. See `chatkeep.transfer.batch_keeper` for what is there if the process dies.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, closing, nullcontext
from functools import partial
from uuid import UUID

import anyio.from_thread
import anyio.to_thread

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.search.indexer import index_pending
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.transfer.archive import NamedFile, values_in
from chatkeep.transfer.batch_keeper import BatchKeeper
from chatkeep.transfer.batch_reader import MAX_FAILURES, THE_REST, BatchReader, ReadConversation
from chatkeep.transfer.imported_files import ImportedFiles
from chatkeep.transfer.outcomes import Imported
from chatkeep.transfer.owners import owners_in, require_one_owner


async def import_files(
    database: Database,
    user_id: UUID,
    files: Sequence[NamedFile],
    *,
    audit: Recorder,
    clock: Clock,
    max_bytes: int,
    store: FileStore,
    advance: Callable[[], None] = lambda: None,
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    owners: Collection[str] = (),
    asks: bool = False,
) -> AsyncGenerator[Imported, None]:
    """Keep the conversations of files, and yield what became of each.

    Args:
        audit: the recorder of the user who imports.
        max_bytes: how much a ZIP may unpack to.
        store: keeps the files that turns have.
        advance: called now and then, while the files are read.
        turn: held while a batch is read and kept, and given up after it, so that others come in between.
        owners: whose conversations are imported, by their names in the other program; empty, or `*`: everybody's.
        asks: refuse files of several people, unless `owners` says whose are meant.

    Cancelled, it ends after the piece that is being read; what was yielded is kept.

    Raises:
        UnknownImportFormat: nothing in the files is of a known format; nothing was changed.
        SeveralOwners: see `asks`; nothing was changed.
        NotAuthenticated: the account was deleted in the meantime.
        DatabaseUnavailable: what was yielded is kept; importing again goes on from there.
    """
    check = anyio.from_thread.check_cancelled
    if asks and not owners:
        async with turn():
            require_one_owner(
                await anyio.to_thread.run_sync(partial(owners_in, files, max_bytes=max_bytes, check=check))
            )
    found = [(each.name, values_in(each.file, max_bytes=max_bytes, check=check)) for each in files]
    reader = BatchReader(found, user_id, owners)
    with closing(ImportedFiles(store, user_id, [each.file for each in files], max_bytes)) as kept_files:
        keeper = BatchKeeper(database, user_id, clock, kept_files)
        async with aclosing(_kept(database, user_id, reader, keeper, audit, clock, advance, turn)) as outcomes:
            async for outcome in outcomes:
                yield outcome


async def _kept(
    database: Database,
    user_id: UUID,
    reader: BatchReader,
    keeper: BatchKeeper,
    audit: Recorder,
    clock: Clock,
    advance: Callable[[], None],
    turn: Callable[[], AbstractAsyncContextManager[None]],
) -> AsyncGenerator[Imported, None]:
    counts = Counter(imported=0, continued=0, skipped=0, failed=0)
    is_first = True
    while True:
        async with turn():
            # Parsing takes its time, in which replies are to go on.
            batch = await anyio.to_thread.run_sync(reader.next_batch, clock())
            if not batch:
                break
            if is_first:
                await _note(database, audit, user_id, stage="begun", format=_format_of(batch))
            is_first = False
            advance()
            async for outcome in keeper.keep(batch):
                yield outcome
                counts[outcome.outcome] += 1
                if outcome.files_added:
                    counts["files_added"] += outcome.files_added
            if any(read.rows is not None for read in batch):
                await index_pending(database)
        if counts["failed"] >= MAX_FAILURES:
            yield Imported(THE_REST, "failed", "Too much of this file cannot be read; the rest was left.")
            break
    if not is_first:
        await _note(database, audit, user_id, stage="ended", **counts)


def _format_of(batch: Sequence[ReadConversation]) -> str | None:
    return next((read.source for read in batch if read.source), None)


async def _note(database: Database, audit: Recorder, user_id: UUID, **details: str | int | None) -> None:
    async with database.transaction() as connection:
        await audit.record(connection, Action.IMPORTED, user_id, **details)
