"""Files among the items of a prompt: what is asked for becomes references to files of the asker.

Threats: a prompt that names somebody else's file, which is as if it were missing; and an address that this service
would fetch for the asker, from inside its network. None is fetched.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import anyio.to_thread

from chatkeep.chat.files import queries
from chatkeep.chat.files.media_types import RASTER_TYPES
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.files.store import FileStore, shown_name
from chatkeep.chat.items import FILE_TYPES, AnyItem, JsonItem
from chatkeep.errors import Invalid, NotFound

MAX_FILES_OF_PROMPT = 10
# In chat completions a picture is an item of another type; it is kept as all pictures are.
IMAGE_URL = "image_url"
IMAGE_TYPES = ("image", "input_image", IMAGE_URL)
ASKED_TYPES = (*FILE_TYPES, IMAGE_URL)
_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]+)*?(;base64)?,", re.IGNORECASE)
NO_ADDRESS = "This service fetches no address. Send the file itself: to /api/v1/files, or as a data: URL."
NO_ID = "`file_id` is the id of a file, as /api/v1/files gives it."
NO_FILE = "An item of the type {type} names its file by `file_id`, or holds it as a data: URL."


async def with_files(store: FileStore, user_id: UUID, items: Sequence[AnyItem] | None) -> Sequence[AnyItem] | None:
    """Return the items of a prompt with references to files where files are; data: URLs are kept as files.

    Raises:
        Invalid: an item of a file holds none, or there are too many.
        NotFound: a file is not there, or somebody else's.
        FileTypeNotAllowed, FileTooLarge, FileQuotaReached: a data: URL cannot be kept.
    """
    asked = [item for item in items or () if item["type"] in ASKED_TYPES]
    if not asked:
        return items
    if len(asked) > MAX_FILES_OF_PROMPT:
        raise Invalid(f"A prompt may have {MAX_FILES_OF_PROMPT} files.")
    ids = [await _file_id(store, user_id, item) for item in asked]
    rows = await store.database.rows(queries.FILES_BY_IDS, user_id=user_id, file_ids=list(set(ids)))
    found = {row.id: row for row in rows}
    if len(found) < len(set(ids)):
        raise NotFound
    references = iter([_reference(item, found[file_id]) for item, file_id in zip(asked, ids, strict=True)])
    return [next(references) if item["type"] in ASKED_TYPES else item for item in items or ()]


def reference_to(row: FileRecord) -> JsonItem:
    """Return the item that refers to a file; `size` and `tokens` are what it counts as in the context."""
    return {
        "type": "image" if row.media_type in RASTER_TYPES else "file",
        "file_id": str(row.id),
        "name": row.name,
        "media_type": row.media_type,
        "size": row.size,
        "tokens": row.tokens,
    }


def _reference(item: AnyItem, row: FileRecord) -> JsonItem:
    kept = reference_to(row)
    if item["type"] in IMAGE_TYPES and kept["type"] != "image":
        raise Invalid(f"The file {row.name!r} is no picture that can be shown: PNG, JPEG, GIF and WebP are.")
    name = _given_name(item)
    return kept | {"name": shown_name(name)} if name else kept


async def _file_id(store: FileStore, user_id: UUID, item: AnyItem) -> UUID:
    if "file_id" in item:
        try:
            return UUID(item["file_id"])
        except (ValueError, TypeError, AttributeError):
            raise Invalid(NO_ID) from None
    url = url_in(item)
    if url is None:
        raise Invalid(NO_FILE.format(type=item["type"]))
    data = await anyio.to_thread.run_sync(bytes_of_data_url, url)
    row = await store.add(user_id, BytesIO(data), _given_name(item))
    return row.id


def _given_name(item: AnyItem) -> str:
    name = item.get("filename") or item.get("name")
    return name if isinstance(name, str) else ""


def url_in(item: Mapping[str, Any]) -> str | None:
    """Return the address in an item, as Responses and as chat completions have it."""
    for name in ("image_url", "file_data", "url"):
        given = item.get(name)
        url = given.get("url") if isinstance(given, Mapping) else given
        if isinstance(url, str):
            return url
    return None


def bytes_of_data_url(url: str) -> bytes:
    """Return the bytes of a data: URL.

    Raises:
        Invalid: it is another address, or no base64.

    Source: RFC 2397.
    """
    found = _DATA_URL.match(url)
    if found is None:
        raise Invalid(NO_ADDRESS)
    data = unquote_to_bytes(url[found.end() :])
    if not found[1]:
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise Invalid("The data: URL of a file is not base64.") from None
