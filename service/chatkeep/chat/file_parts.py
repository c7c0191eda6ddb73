"""Files as `/chat/completions` takes them: pictures as data URLs, texts between fences, PDFs as files.

Source: OpenAI API reference, Create chat completion, `messages`, content parts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.items import AnyItem, is_file

_FENCES = re.compile("`{3,}")
MIN_FENCE = 3

# A message's content: text alone, or parts.
MessageContent = str | list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file that a model is shown.

    Args:
        name: of the file today; the item of a turn may have another.
        text: of a text; None where it is anything else.
        data_url: of a picture or a PDF.
    """

    name: str
    is_image: bool = False
    text: str | None = None
    data_url: str = ""


# By the id of the file.
LoadedFiles = Mapping[str, LoadedFile]


def content_with_files(text: str, items: Sequence[AnyItem] | None, files: LoadedFiles) -> MessageContent:
    """Return a prompt's content: its files in order, then its text. Where all of that is text, it is one text.

    Many servers and chat templates take no parts.
    """
    refer = [item for item in items or () if is_file(item)]
    if not refer:
        return text
    parts = [_part(item, files) for item in refer]
    if text:
        parts.append(_text_part(text))
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def text_with_files(text: str, items: Sequence[AnyItem] | None, files: LoadedFiles) -> str:
    """Return a prompt's content as text alone, with the names of what is none."""
    shown = [_shown_as_text(item, files) for item in items or () if is_file(item)]
    return "\n\n".join([*shown, text] if text else shown)


def kinds_of_parts(messages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the types of the parts of messages: `text`, `image_url`, `file`."""
    return frozenset(part["type"] for part in parts_of(messages))


def parts_of(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return all parts of messages that have some."""
    contents = (message.get("content") for message in messages)
    return [part for content in contents if isinstance(content, list) for part in content]


def name_of(item: AnyItem, file: LoadedFile) -> str:
    """Return the name that an item has for its file, or else the file's own."""
    name = item.get("name")
    return name if isinstance(name, str) and name else file.name


def _part(item: AnyItem, files: LoadedFiles) -> dict[str, Any]:
    file = _loaded(item, files)
    if file is None or file.text is not None:
        return _text_part(_shown_as_text(item, files))
    if file.is_image:
        detail = {"detail": item["detail"]} if isinstance(item.get("detail"), str) else {}
        return {"type": "image_url", "image_url": {"url": file.data_url, **detail}}
    return {"type": "file", "file": {"filename": name_of(item, file), "file_data": file.data_url}}


def _loaded(item: AnyItem, files: LoadedFiles) -> LoadedFile | None:
    file_id = item.get("file_id")
    return files.get(file_id) if isinstance(file_id, str) else None


def _shown_as_text(item: AnyItem, files: LoadedFiles) -> str:
    file = _loaded(item, files)
    if file is None or file.text is None:
        return f"[Here is the file {_quoted(item.get('name'))}, which you cannot see.]"
    return _fenced(name_of(item, file), file.text)


def _fenced(name: str, text: str) -> str:
    """Return a text between fences that are longer than any in it: nothing in it can end them."""
    longest = max((len(run) for run in _FENCES.findall(text)), default=MIN_FENCE - 1)
    fence = "`" * (longest + 1)
    return f"File {_quoted(name)}:\n{fence}\n{text.rstrip()}\n{fence}"


def _quoted(name: object) -> str:
    return f"“{name}”" if isinstance(name, str) and name else "without a name"


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
