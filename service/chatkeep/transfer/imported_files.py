"""The files of imported prompts: found in the ZIP or in the account, kept, and referred to.

Threat: a file of an import may name any id. One that is neither in the ZIP nor the importer's own stays a name.
"""

import re
import zipfile
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.files import queries
from chatkeep.chat.files.attachments import reference_to
from chatkeep.chat.files.contents import file_ids_in
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.items import is_file
from chatkeep.errors import FileQuotaReached, FileTooLarge, FileTypeNotAllowed
from chatkeep.transfer.archive import DAMAGED, PACKINGS, is_zip

_ENTRY = re.compile(r"(?:.*/)?files/([0-9a-f-]{36})(?:\.[a-z]{1,8})?")
MAX_BYTES_IN_MEMORY = 1024 * 1024
READ_BYTES = 256 * 1024


class ImportedFiles:
    """The files of one import.

    Args:
        file: the whole import, before any of it is read; it has files only where it is a ZIP.
    """

    def __init__(self, store: FileStore, user_id: UUID, file: BinaryIO) -> None:
        self._store = store
        self._user_id = user_id
        self._file = file
        self._is_zip = is_zip(file)
        self._archive: zipfile.ZipFile | None = None
        self._entries: dict[UUID, zipfile.ZipInfo] | None = None

    async def attach(self, turns: Sequence[dict[str, Any]]) -> int:
        """Have the prompts of turns refer to files that there are; return how many there are not.

        Args:
            turns: rows that are to be kept; those with files get `prompt_items` that refer to the importer's.
        """
        wanted = list(dict.fromkeys(each for turn in turns for each in file_ids_in(turn["prompt_items"])))
        if not wanted:
            return 0
        rows = await self._store.database.rows(queries.FILES_BY_IDS, user_id=self._user_id, file_ids=wanted)
        found: dict[str, FileRecord] = {str(row.id): row for row in rows}
        for file_id in wanted:
            if str(file_id) not in found and (row := await self._kept(file_id)) is not None:
                found[str(file_id)] = row
        for turn in turns:
            items = turn["prompt_items"]
            if items is not None:
                turn["prompt_items"] = [_referring(item, found) for item in items]
        return len(wanted) - len(found)

    async def _kept(self, file_id: UUID) -> FileRecord | None:
        """Keep a file of the ZIP; None where there is none that can be kept."""
        with SpooledTemporaryFile(max_size=MAX_BYTES_IN_MEMORY) as unpacked:
            opened = cast("BinaryIO", unpacked)
            name = await anyio.to_thread.run_sync(self._unpack, file_id, opened)
            if name is None:
                return None
            try:
                return await self._store.add(self._user_id, opened, name)
            except (FileTooLarge, FileTypeNotAllowed, FileQuotaReached):
                return None

    def _unpack(self, file_id: UUID, to: BinaryIO) -> str | None:
        """Write a file of the ZIP down, to a limit: what the ZIP says of its size is not believed."""
        entry = self._listed().get(file_id)
        if entry is None or self._archive is None or entry.compress_type not in PACKINGS:
            return None
        left = self._store.max_bytes
        try:
            with self._archive.open(entry) as packed:
                while piece := packed.read(READ_BYTES):
                    left -= len(piece)
                    if left < 0:
                        return None
                    to.write(piece)
        except DAMAGED:
            return None
        return entry.filename

    def _listed(self) -> dict[UUID, zipfile.ZipInfo]:
        if self._entries is None:
            self._entries = {}
            if self._is_zip:
                self._archive = zipfile.ZipFile(self._file)
                named = ((_ENTRY.fullmatch(each.filename), each) for each in self._archive.infolist())
                self._entries = {UUID(found[1]): each for found, each in named if found and _is_uuid(found[1])}
        return self._entries


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _referring(item: dict[str, Any], found: dict[str, FileRecord]) -> dict[str, Any]:
    row = found.get(item["file_id"].lower()) if is_file(item) else None
    if row is None:
        return item
    name = item.get("name")
    return reference_to(row) | ({"name": name} if isinstance(name, str) and name else {})
