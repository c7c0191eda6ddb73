"""The files of imported turns: found in the import or in the account, kept, and referred to.

Threat: a file of an import may name any id. One that is neither in the import nor the importer's own stays a name, and
nothing of it refers to anybody's file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.files import queries
from chatkeep.chat.files.attachments import bytes_of_data_url, reference_to
from chatkeep.chat.files.contents import file_id_of, file_ids_in
from chatkeep.chat.files.media_types import RASTER_TYPES
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import UNNAMED, FileStore, shown_name
from chatkeep.chat.items import JsonItem, is_file
from chatkeep.errors import FileQuotaReached, FileTooLarge, FileTypeNotAllowed, Invalid
from chatkeep.transfer.archive_files import ArchiveFiles, CannotUnpack
from chatkeep.transfer.imported import KEPT_ASIDE, FileToFind

MAX_BYTES_IN_MEMORY = 1024 * 1024
DATA_URL = "data:"

Items = list[JsonItem] | None
# Files that are kept, by the keys by which items name them.
FileRows = Mapping[str, FileRecord]


@dataclass(frozen=True, slots=True)
class LeftOutFile:
    """A file that an imported turn names and that is not kept.

    Args:
        reason: a sentence for a person.
    """

    name: str
    reason: str


class ImportedFiles:
    """The files of one import. To be closed.

    Args:
        imported: the files that are imported, before any of them is read.
        max_bytes: how much the ZIPs in each of them may unpack to.
    """

    def __init__(self, store: FileStore, user_id: UUID, imported: Sequence[BinaryIO], max_bytes: int) -> None:
        self._store = store
        self._user_id = user_id
        self._archives = [ArchiveFiles(file, store.max_bytes, max_bytes) for file in imported]

    def close(self) -> None:
        for archive in self._archives:
            archive.close()

    async def attach(self, turns: Sequence[dict[str, Any]], origin: int = 0) -> list[LeftOutFile]:
        """Have turns refer to the files that there are; return those that there are not, each once.

        Args:
            turns: rows that are to be kept; those with files get items that refer to the importer's.
            origin: which of the imported files they come from.
        """
        found, left_out = await self.find(turns, origin)
        for turn in turns:
            turn["prompt_items"] = referring(turn["prompt_items"], found)
            turn["reply_items"] = referring(turn["reply_items"], found, is_reply=True)
        return left_out

    async def find(self, turns: Sequence[dict[str, Any]], origin: int = 0) -> tuple[FileRows, list[LeftOutFile]]:
        """Keep the files of turns, and return them; and those that there are not, each once."""
        found = await self._own(turns)
        left_out: dict[str, LeftOutFile] = {}
        for item in _items_of(turns):
            source = _source_of(item)
            if source is None or source in found or source in left_out:
                continue
            try:
                found[source] = await self._kept(item, source, self._archives[origin])
            except (FileTooLarge, FileTypeNotAllowed, FileQuotaReached, Invalid) as error:
                left_out[source] = LeftOutFile(_name_of(item), error.detail)
            except CannotUnpack as error:
                left_out[source] = LeftOutFile(_name_of(item), error.reason)
        return found, list(left_out.values())

    async def _own(self, turns: Sequence[dict[str, Any]]) -> dict[str, FileRecord]:
        """Return the importer's files among those that items name by an id, by that id."""
        wanted = {file_id for item in _items_of(turns) if (file_id := file_id_of(item)) is not None}
        if not wanted:
            return {}
        rows = await self._store.database.rows(queries.FILES_BY_IDS, user_id=self._user_id, file_ids=list(wanted))
        return {str(row.id): row for row in rows}

    async def _kept(self, item: JsonItem, source: str, archive: ArchiveFiles) -> FileRecord:
        """Keep a file. Raises: as `FileStore.add`, and CannotUnpack where there is none that can be read."""
        only = RASTER_TYPES if isinstance(item, FileToFind) and item["type"] == "image" else None
        if source.startswith(DATA_URL):
            data = BytesIO(await anyio.to_thread.run_sync(bytes_of_data_url, source))
            return await self._store.add(self._user_id, data, _given_name(item) or "", only=only)
        with SpooledTemporaryFile(max_size=MAX_BYTES_IN_MEMORY) as unpacked:
            opened = cast("BinaryIO", unpacked)
            entry_name = await anyio.to_thread.run_sync(archive.unpack, source, opened)
            return await self._store.add(self._user_id, opened, _given_name(item) or entry_name, only=only)


def references_of(turns: Sequence[Mapping[str, Any]]) -> list[tuple[UUID, UUID]]:
    """Return which turns refer to which files, in their prompts or their replies: (turn, file)."""
    return [
        (turn["id"], file_id)
        for turn in turns
        for file_id in file_ids_in([*(turn["prompt_items"] or ()), *(turn["reply_items"] or ())])
    ]


def named_files(turn: Mapping[str, Any]) -> set[str]:
    """Return the keys of the files that a turn of an import names."""
    sources = (_source_of(item) for item in _items_of([turn]))
    return {source for source in sources if source is not None}


def _items_of(turns: Sequence[Mapping[str, Any]]) -> Iterator[JsonItem]:
    for turn in turns:
        for items in (turn["prompt_items"], turn["reply_items"]):
            yield from (item for item in items or () if is_file(item))


def _source_of(item: JsonItem) -> str | None:
    """Return the key by which a file is found; None where there is none, or where it is no file of a turn."""
    if isinstance(item, FileToFind):
        return item.source
    return item["file_id"].lower() if isinstance(item.get("file_id"), str) else None


def _given_name(item: JsonItem) -> str | None:
    """Return the name that an item has; None where it has none."""
    name = item.get("name")
    return shown_name(name) if isinstance(name, str) and name else None


def _name_of(item: JsonItem) -> str:
    return _given_name(item) or UNNAMED


def referring(items: Items, found: FileRows, *, is_reply: bool = False) -> Items:
    """Return items with references where there are files. What a model made and is missing is a line of its text."""
    if items is None or not any(map(is_file, items)):
        return items
    kept = [
        _referred(item, found) if is_file(item) else item
        for item in items
        if not (is_reply and isinstance(item, FileToFind) and item.source not in found)
    ]
    is_text = is_reply and all(item.get("type") == "message" for item in kept)
    return None if is_text else kept


def _referred(item: JsonItem, found: FileRows) -> JsonItem:
    row = found.get(_source_of(item) or "")
    if row is None:
        return _named_alone(item)
    name = _given_name(item)
    named = {"name": name} if name else {}
    aside = {KEPT_ASIDE: item[KEPT_ASIDE]} if KEPT_ASIDE in item else {}
    return reference_to(row) | named | aside


def _named_alone(item: JsonItem) -> JsonItem:
    """Return an item without its reference, which is another account's: that is kept as what the file said."""
    others = {name: value for name, value in item.items() if name != "file_id"}
    if isinstance(others.get("name"), str):
        others["name"] = shown_name(others["name"])
    if "file_id" not in item:
        return others
    aside = item[KEPT_ASIDE] if isinstance(item.get(KEPT_ASIDE), dict) else {}
    return others | {KEPT_ASIDE: {**aside, "file_id": item["file_id"]}}
