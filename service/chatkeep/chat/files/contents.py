"""The files that a model is shown, read once the turns that fit are known."""

import base64
from collections.abc import Iterable, Sequence
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.file_parts import LoadedFile
from chatkeep.chat.files import queries
from chatkeep.chat.files.media_types import RASTER_TYPES, TEXT
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.items import AnyItem, is_file
from chatkeep.chat.messages import ChatContent
from chatkeep.database.database import Database

# Of one request to a model: so much is held while the model answers, in each of `max_generations`.
MAX_LOADED_BYTES = 16 * 1024**2


async def load_files(database: Database, user_id: UUID, contents: Sequence[ChatContent]) -> dict[str, LoadedFile]:
    """Return the files that messages refer to, by their ids; the newest first, as many as may be held.

    One that is missing was deleted with the data of an import, or is somebody else's: the model is told its name.
    """
    ids = _ids_newest_first(contents)
    if not ids:
        return {}
    rows = await database.rows(queries.FILES_BY_IDS, user_id=user_id, file_ids=ids)
    found = {row.id: row for row in rows}
    loaded: dict[str, LoadedFile] = {}
    left = MAX_LOADED_BYTES
    for file_id in ids:
        row = found.get(file_id)
        if row is None or row.size > left:
            continue
        data = await _read(database, user_id, file_id)
        if data is not None:
            left -= row.size
            loaded[str(file_id)] = await anyio.to_thread.run_sync(_loaded, row, data)
    return loaded


def file_ids_in(items: Iterable[AnyItem] | None) -> list[UUID]:
    """Return the ids of the files that items refer to, each once, in order."""
    found = (file_id_of(item) for item in items or ())
    return list(dict.fromkeys(each for each in found if each is not None))


def file_id_of(item: AnyItem) -> UUID | None:
    """Return the id of the file that an item refers to. Items of an import may hold anything."""
    file_id = item.get("file_id")
    if not is_file(item) or not isinstance(file_id, str):
        return None
    try:
        return UUID(file_id)
    except ValueError:
        return None


def _ids_newest_first(contents: Sequence[ChatContent]) -> list[UUID]:
    found = [each for content in reversed(contents) for each in file_ids_in(content.items)]
    return list(dict.fromkeys(found))


async def _read(database: Database, user_id: UUID, file_id: UUID) -> bytes | None:
    pieces: list[bytes] = []
    while True:
        piece = await database.row(queries.PIECE, user_id=user_id, file_id=file_id, number=len(pieces))
        if piece is None:
            return b"".join(pieces) if pieces else None
        pieces.append(piece)


def _loaded(row: FileRecord, data: bytes) -> LoadedFile:
    if row.media_type == TEXT:
        return LoadedFile(row.name, text=data.decode("utf-8-sig", "replace"))
    url = f"data:{row.media_type};base64,{base64.b64encode(data).decode()}"
    return LoadedFile(row.name, row.media_type in RASTER_TYPES, data_url=url)
