"""Input items as clients send them, and as a prompt keeps them: its text, and beside it what is more than text.

Each text of a message says where it stands in the prompt, and whose it is. Parts of one message share a `part_of`.
What is not known is kept as it came.

Source: OpenAI API reference, Responses, `input`; openai-python, `response_input_item_param.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chatkeep.chat.files.attachments import ASKED_TYPES, with_files
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.items import AnyItem, JsonItem
from chatkeep.errors import Invalid, NotFound
from chatkeep.openai.ids import FILE, to_own
from chatkeep.openai.references import with_referred_items

MAX_INPUT_ITEMS = 5_000
# The field of a request that has them.
INPUT = "input"
NO_FILE = "A file among the items is not there, or it is not yours. Upload it first, or send it as a data: URL."
ROLES = ("user", "assistant", "system", "developer")
TEXT_PARTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
# Beside a reference to a file.
_KEPT_OF_FILE = ("part_of", "detail")
_BETWEEN = "\n\n"


@dataclass(slots=True)
class Prompt:
    """A prompt on its way into a turn.

    Args:
        items: None where it is nothing but what a user says, in one text.
    """

    text: str
    items: Sequence[AnyItem] | None


@dataclass(slots=True)
class _Writer:
    texts: list[str] = field(default_factory=list)
    items: list[JsonItem] = field(default_factory=list)
    length: int = 0
    messages: int = 0

    def add_text(self, text: str, **marks: object) -> None:
        start = self.length + (len(_BETWEEN) if self.length and text else 0)
        if text:
            self.texts.append(text)
            self.length = start + len(text)
        self.items.append({"type": "message", "start": start, "end": start + len(text), **marks})


async def to_prompt(
    store: FileStore, user_id: UUID, given: str | Sequence[Mapping[str, Any]], *, field: str = INPUT
) -> Prompt:
    """Return the prompt that an `input` is kept as; its pictures and files are kept, and referred to.

    Args:
        field: of the request, for errors.

    Raises:
        Invalid: an item is no item, or has a part that cannot be one.
        NotFound: it refers to an item that is not there.
        NotFound, FileTypeNotAllowed, FileTooLarge, FileQuotaReached: as `with_files`.
    """
    read = await read_input(store, user_id, given, field=field)
    return Prompt(read.text, await with_references(store, user_id, read.items, field=field))


async def read_input(
    store: FileStore, user_id: UUID, given: str | Sequence[Mapping[str, Any]], *, field: str = INPUT
) -> Prompt:
    """Return an `input` as a prompt in which files are as they came. Raises: as `to_prompt`, but for files."""
    if isinstance(given, str):
        return Prompt(given, None)
    if len(given) > MAX_INPUT_ITEMS:
        raise Invalid(f"`{field}` may have {MAX_INPUT_ITEMS} items.", param=field)
    writer = _Writer()
    for number, item in enumerate(await with_referred_items(store.database, user_id, given, field=field)):
        _add(writer, item, f"{field}[{number}]")
    return Prompt(_BETWEEN.join(writer.texts), None if _is_plain(writer.items) else writer.items)


async def with_references(
    store: FileStore, user_id: UUID, items: Sequence[AnyItem] | None, *, field: str = INPUT
) -> Sequence[AnyItem] | None:
    """Return items with references to files where files are. Raises: as `with_files`."""
    try:
        kept = await with_files(store, user_id, items)
    except NotFound:
        raise NotFound(NO_FILE, param=field) from None
    except Invalid as error:
        raise type(error)(error.detail, **{"param": field, **error.fields}) from None
    return kept and [_with_marks(own, before) for own, before in zip(kept, items or (), strict=True)]


def _is_plain(items: Sequence[AnyItem]) -> bool:
    return len(items) == 1 and items[0].keys() == {"type", "start", "end", "part_of"}


def _with_marks(kept: AnyItem, before: AnyItem) -> AnyItem:
    if kept is before:
        return kept
    return {**kept, **{name: before[name] for name in _KEPT_OF_FILE if name in before}}


def _add(writer: _Writer, item: Mapping[str, Any], place: str) -> None:
    kind = item.get("type") or ("message" if "role" in item else None)
    if not isinstance(kind, str):
        raise Invalid("An item has a `type`, or a `role` and `content`.", param=place)
    if kind == "message":
        _add_message(writer, item, place)
    elif kind == "reasoning":
        writer.items.append(_reasoning(item))
    elif kind in ASKED_TYPES:
        writer.items.append(_file_item(item) | {"type": kind})
    else:
        writer.items.append({name: value for name, value in item.items() if name != "id" or kind not in KNOWN})


# Whose ids are ours to give.
KNOWN = ("function_call", "function_call_output")


def _add_message(writer: _Writer, item: Mapping[str, Any], place: str) -> None:
    role, content = item.get("role", "user"), item.get("content")
    if role not in ROLES:
        raise Invalid("The role of a message is user, assistant, system or developer.", param=f"{place}.role")
    marks: dict[str, object] = {"part_of": writer.messages}
    writer.messages += 1
    if role != "user":
        marks["role"] = role
    if isinstance(item.get("phase"), str):
        marks["phase"] = item["phase"]
    if isinstance(content, str):
        writer.add_text(content, **marks)
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise Invalid("The content of a message is a text or a list of parts.", param=f"{place}.content")
    for part in content or [{"type": "input_text", "text": ""}]:
        _add_part(writer, part, marks)


def _add_part(writer: _Writer, part: Mapping[str, Any], marks: Mapping[str, object]) -> None:
    kind = part.get("type")
    if kind in TEXT_PARTS and isinstance(part.get("text"), str):
        writer.add_text(
            part["text"], **marks, **({"annotations": part["annotations"]} if part.get("annotations") else {})
        )
    elif kind in ASKED_TYPES:
        writer.items.append(_file_item(part) | {"type": kind, "part_of": marks["part_of"]})
    elif kind == "refusal":
        writer.items.append({"type": "refusal", "refusal": str(part.get("refusal", "")), **marks})
    else:
        writer.items.append({"type": "message_part", "part": dict(part), **marks})


def _file_item(part: Mapping[str, Any]) -> JsonItem:
    item = {name: value for name, value in part.items() if value is not None and name != "id"}
    if isinstance(item.get("image_url"), Mapping) and isinstance(item["image_url"].get("detail"), str):
        item["detail"] = item["image_url"]["detail"]
    if isinstance(item.get("file"), Mapping):  # as chat completions have it
        item |= {name: value for name, value in item.pop("file").items() if value is not None}
    file_id = item.get("file_id")
    if isinstance(file_id, str) and file_id.startswith(FILE):
        item["file_id"] = str(to_own(FILE, file_id))
    return item


def _reasoning(item: Mapping[str, Any]) -> JsonItem:
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    text = "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
    others = {name: value for name, value in item.items() if name not in ("type", "id", "content", "status")}
    return {"type": "reasoning", "text": text, "seconds": None, "field": "reasoning_content", **others}
