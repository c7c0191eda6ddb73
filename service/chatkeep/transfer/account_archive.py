"""All of an account as a ZIP: the history, one conversation a line, and the files that its prompts have.

It is written while it is read: neither the history nor a file is ever in memory as a whole.
"""

import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.files import queries
from chatkeep.chat.files.answers import SUFFIXES
from chatkeep.chat.files.media_types import TEXT
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.history.conversations import NEWEST_ID
from chatkeep.transfer.exporter import account_as_jsonl

HISTORY = "history.jsonl"
FILES = "files/"
FILES_PER_BATCH = 100
# Of the history: more would take several times as long for a tenth of the size.
COMPRESSION_LEVEL = 1


class _Sink:
    """Takes what the ZIP writes until it is sent. Nobody can go back in it, so each size stands behind its file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def __bool__(self) -> bool:
        return any(self._parts)

    def flush(self) -> None:
        """Nothing is held back here."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def account_as_zip(store: FileStore, user_id: UUID) -> AsyncGenerator[bytes, None]:
    """Yield a ZIP of `history.jsonl`, as `account_as_jsonl` has it, and `files/`, each called by its id.

    `POST /api/v1/import` takes it, and puts the files back.
    """
    sink = _Sink()
    archive = zipfile.ZipFile(sink, "w")  # type: ignore[call-overload]  # anything that can be written to
    history = account_as_jsonl(store.database, user_id)
    async with aclosing(_entry(archive, sink, HISTORY, history, packed=True)) as chunks:
        with suppress(StopAsyncIteration):
            while True:
                yield await anext(chunks)  # and hold nothing of it while the client reads
    async with aclosing(_rows(store, user_id)) as rows:
        async for row in rows:
            pieces = store.pieces(user_id, row.id)
            async with aclosing(_entry(archive, sink, _name(row), pieces, packed=row.media_type == TEXT)) as chunks:
                with suppress(StopAsyncIteration):
                    while True:
                        yield await anext(chunks)
    archive.close()
    yield sink.taken()


def _name(row: FileRecord) -> str:
    return f"{FILES}{row.id}.{SUFFIXES.get(row.media_type, 'bin')}"


async def _rows(store: FileStore, user_id: UUID) -> AsyncGenerator[FileRecord, None]:
    before_id = NEWEST_ID
    while True:
        rows = await store.database.rows(
            queries.FILES_BEFORE, user_id=user_id, before_id=before_id, limit=FILES_PER_BATCH
        )
        for row in rows:
            yield row
        if len(rows) < FILES_PER_BATCH:
            return
        before_id = rows[-1].id


async def _entry(
    archive: zipfile.ZipFile, sink: _Sink, name: str, chunks: AsyncGenerator[bytes, None], *, packed: bool
) -> AsyncGenerator[bytes, None]:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry._compresslevel = COMPRESSION_LEVEL  # type: ignore[attr-defined]  # noqa: SLF001  what `writestr` sets, too
    with archive.open(entry, "w", force_zip64=True) as opened:
        async with aclosing(chunks):
            async for chunk in chunks:
                # Packing takes its time, in which replies are to go on.
                await anyio.to_thread.run_sync(opened.write, chunk)
                del chunk
                if sink:
                    yield sink.taken()
