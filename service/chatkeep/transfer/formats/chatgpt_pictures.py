"""Pictures in ChatGPT's messages: those that people sent, and those that it made.

A message points at each (`file-service://file-…`, `sediment://file_…`); the bytes are beside the conversations in the
ZIP. A picture that was made has a line of text, too: people look for what is on it, and models that are shown text
alone read that there was one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.chat.items import JsonItem
from chatkeep.transfer.formats.fields import list_in, mapping_in, rest_of, text_in, unread
from chatkeep.transfer.formats.parts import Part, items_as
from chatkeep.transfer.imported import FileToFind

_POINTER = re.compile(r"(?:file-service|sediment)://(file[-_][A-Za-z0-9]+)")


def sent_files(message: Mapping[str, Any]) -> list[JsonItem]:
    """Return the pictures of a prompt, and the other documents that are attached to it."""
    attached = list_in(mapping_in(message, "metadata"), "attachments")
    about = {id_: each for each in attached if isinstance(each, dict) and (id_ := text_in(each, "id"))}
    ids = [id_ for part in _pointers_of(message) if (id_ := _id_of(part))]
    pictures: list[JsonItem] = [_sent(id_, about.get(id_, {})) for id_ in dict.fromkeys(ids)]
    documents = (each for each in attached if not (isinstance(each, dict) and text_in(each, "id") in ids))
    return [*pictures, *items_as("document", documents)]


def made_pictures(message: Mapping[str, Any]) -> Iterator[Part]:
    """Yield each picture that was made, and a line that says what is on it."""
    for part in _pointers_of(message):
        if id_ := _id_of(part):
            yield FileToFind("image", id_, None, {})
        said = text_in(mapping_in(part, "metadata", "dalle"), "prompt")
        prompt = " ".join((said or text_in(mapping_in(message, "metadata"), "image_gen_title") or "").split())
        yield f"[Picture: {prompt}]" if prompt else "[Picture]"


def _pointers_of(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for part in list_in(mapping_in(message, "content"), "parts"):
        if isinstance(part, dict) and part.get("content_type") == "image_asset_pointer":
            yield part


def _id_of(part: Mapping[str, Any]) -> str | None:
    found = _POINTER.match(text_in(part, "asset_pointer") or "")
    return found[1] if found else None


def _sent(id_: str, about: Mapping[str, Any]) -> FileToFind:
    return FileToFind("image", id_, text_in(about, "name"), rest_of(about, {"name": text_in, "id": unread}))
