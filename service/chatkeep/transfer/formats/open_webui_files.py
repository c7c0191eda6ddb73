"""Pictures and other files in messages of Open WebUI: data: URLs in `files`, in blocks of the content and in answers.

Everything else in `files` is a document: its bytes are not in the export.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatkeep.chat.items import JsonItem
from chatkeep.transfer.formats.fields import list_in, mapping_in, rest_of, text_in, unread
from chatkeep.transfer.formats.open_webui_parts import FENCE
from chatkeep.transfer.formats.parts import Part, items_as
from chatkeep.transfer.imported import FileToFind

PICTURE = "[Picture]"
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+[;,]", re.IGNORECASE | re.ASCII)
_SHOWN = re.compile(r"^!\[([^\]\n]*)\]\((data:image/[\w.+-]+;base64,[\w+/=]+)\)", re.MULTILINE | re.ASCII)


def files_of(message: Mapping[str, Any]) -> list[JsonItem]:
    """Return the files of a message, those in blocks of its content first."""
    blocks = [file for block in list_in(message, "content") if (file := file_in_block(block)) is not None]
    listed = [item for each in list_in(message, "files") for item in _listed(each)]
    return [*blocks, *listed]


def without_files(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message without the blocks of its content that are files."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [block for block in content if file_in_block(block) is None]}


def file_in_block(block: Any) -> FileToFind | None:
    """Return the picture that a block of a message's content holds; None where that is none, or an address."""
    if not isinstance(block, dict) or block.get("type") not in ("image_url", "input_image"):
        return None
    url = text_in(mapping_in(block, "image_url"), "url") or text_in(block, "image_url")
    return FileToFind("image", url, None, {}) if url is not None and _DATA_URL.match(url) else None


def with_pictures(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of an answer, with the pictures in its texts as files and a line in their place."""
    for part in parts:
        if not isinstance(part, str) or FENCE in part:
            yield part
            continue
        at = 0
        for shown in _SHOWN.finditer(part):
            yield part[at : shown.start()].strip("\n")
            yield FileToFind("image", shown[2], None, {})
            yield f"[Picture: {shown[1].strip()}]" if shown[1].strip() else PICTURE
            at = shown.end()
        yield part[at:].strip("\n") if at else part


def made_files(message: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the files of an answer; a picture that was made has a line of text, too."""
    for item in files_of(message):
        yield item
        if item["type"] == "image":
            yield PICTURE


def _listed(file: Any) -> list[JsonItem]:
    url = text_in(file, "url") if isinstance(file, dict) else None
    if url is None or not _DATA_URL.match(url):
        return items_as("document", [file])
    is_image = file.get("type") == "image" or url[:11].lower() == "data:image/"
    rest = rest_of(file, {"type": unread, "url": unread, "name": text_in})
    return [FileToFind("image" if is_image else "file", url, text_in(file, "name"), rest)]
