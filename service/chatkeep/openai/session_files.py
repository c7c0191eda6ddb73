"""Items with the files in them, for a model that knows no file of this service."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chatkeep.chat.file_parts import LoadedFile, LoadedFiles
from chatkeep.chat.files.contents import load_files
from chatkeep.chat.messages import ChatContent
from chatkeep.database.database import Database
from chatkeep.openai.ids import FILE, to_own
from chatkeep.openai.schemas import JsonObject

_IMAGE, _FILE = "input_image", "input_file"


async def with_file_contents(database: Database, user_id: UUID, items: Sequence[JsonObject]) -> list[JsonObject]:
    """Return items in which data: URLs stand where there were ids of files; the newest ones, as many as a model may be
    shown at once. The others stay ids.
    """
    asked = [{"type": "file", "file_id": str(own)} for own in map(_file_in, _parts_in(items)) if own is not None]
    if not asked:
        return list(items)
    files = await load_files(database, user_id, [ChatContent("requester", None, items=asked[::-1])])
    return [_with_files(item, files) for item in items]


def _parts_in(items: Sequence[JsonObject]) -> list[Mapping[str, Any]]:
    contents = [item.get("content") for item in items]
    return [part for content in contents if isinstance(content, list) for part in content]


def _file_in(part: Mapping[str, Any]) -> UUID | None:
    file_id = part.get("file_id")
    is_file = part.get("type") in (_IMAGE, _FILE) and isinstance(file_id, str)
    return to_own(FILE, str(file_id)) if is_file else None


def _with_files(item: JsonObject, files: LoadedFiles) -> JsonObject:
    content = item.get("content")
    return {**item, "content": [_whole(part, files) for part in content]} if isinstance(content, list) else item


def _whole(part: Mapping[str, Any], files: LoadedFiles) -> Mapping[str, Any]:
    own = _file_in(part)
    file = None if own is None else files.get(str(own))
    if file is None:
        return part
    if part["type"] == _IMAGE:
        return {"type": _IMAGE, "detail": part.get("detail", "auto"), "image_url": _url_of(file)}
    return {"type": _FILE, "filename": part.get("filename") or file.name, "file_data": _url_of(file)}


def _url_of(file: LoadedFile) -> str:
    if file.text is None:
        return file.data_url
    return f"data:text/plain;base64,{base64.b64encode(file.text.encode()).decode()}"
