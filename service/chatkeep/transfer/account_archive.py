"""Archives of an account or of a conversation: the history, one conversation a line, and the files that its turns have.

They are written while they are read: neither the history nor a file is ever in memory as a whole. An import takes them,
and puts the files back.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

from chatkeep.chat.files import queries
from chatkeep.chat.files.answers import SUFFIXES
from chatkeep.chat.files.media_types import TEXT
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.history.conversations import NEWEST_ID
from chatkeep.transfer import export_queries
from chatkeep.transfer.exporter import account_as_jsonl
from chatkeep.transfer.zip_stream import ZipStream, in_turn

HISTORY = "history.jsonl"
FILES = "files/"
FILES_PER_BATCH = 100

Entries = AsyncGenerator[AsyncGenerator[bytes, None], None]


def account_as_zip(store: FileStore, user_id: UUID) -> AsyncGenerator[bytes, None]:
    """Yield a ZIP of `history.jsonl`, as `account_as_jsonl` has it, and `files/`, each called by its id."""
    return in_turn(_account(ZipStream(), store, user_id))


async def _account(archive: ZipStream, store: FileStore, user_id: UUID) -> Entries:
    yield archive.entry(HISTORY, account_as_jsonl(store.database, user_id))
    async with aclosing(file_entries(archive, store, user_id)) as entries:
        async for entry in entries:
            yield entry
    yield archive.end()


async def file_entries(archive: ZipStream, store: FileStore, user_id: UUID) -> Entries:
    """Yield an entry for each of a user's files."""
    before_id = NEWEST_ID
    while True:
        rows = await store.database.rows(
            queries.FILES_BEFORE, user_id=user_id, before_id=before_id, limit=FILES_PER_BATCH
        )
        for row in rows:
            yield _entry(archive, store, row)
        if len(rows) < FILES_PER_BATCH:
            return
        before_id = rows[-1].id


async def file_entries_of(archive: ZipStream, store: FileStore, user_id: UUID, conversation_id: UUID) -> Entries:
    """Yield an entry for each file that a conversation's turns have, on whichever branch."""
    ids: Sequence[UUID] = await store.database.rows(
        export_queries.FILE_IDS, user_id=user_id, conversation_id=conversation_id
    )
    for start in range(0, len(ids), FILES_PER_BATCH):
        few = list(ids[start : start + FILES_PER_BATCH])
        for row in await store.database.rows(queries.FILES_BY_IDS, user_id=user_id, file_ids=few):
            yield _entry(archive, store, row)


def name_of_file(row: FileRecord) -> str:
    """Return the name of a file in an archive, by which an import finds it again."""
    return f"{FILES}{row.id}.{SUFFIXES.get(row.media_type, 'bin')}"


def _entry(archive: ZipStream, store: FileStore, row: FileRecord) -> AsyncGenerator[bytes, None]:
    return archive.entry(name_of_file(row), store.pieces(row.user_id, row.id), packed=row.media_type == TEXT)
