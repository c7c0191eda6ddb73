"""Kept items as clients are given them: the input of a turn, and its output."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from chatkeep.chat.items import AnyItem, JsonItem, is_file, text_item
from chatkeep.chat.schemas import Turn
from chatkeep.openai.ids import FILE, item_id, to_text

# Stands for an item that was deleted: the numbers of the others stay.
DELETED = "deleted"
# Of an id by which a list is gone on with.
MAX_ID_CHARACTERS = 100
Status = str


def input_count(turn: Turn) -> int:
    """Return how many of a turn's items are its prompt's."""
    return 1 if turn.prompt.items is None else len(turn.prompt.items)


def input_items(turn: Turn) -> list[JsonItem]:
    """Return the items of a turn's prompt, each with its id: ours, or its own where it is of an unknown type.

    No two have the same, as a list goes on behind an id: an unknown item has ours where another one has its own, and
    where its own is none that could be asked for.
    """
    shown: list[JsonItem] = []
    numbered = list(_input_items(turn.id, turn.prompt.content, turn.prompt.items))
    ours = [item_id(turn.id, str(item.get("type")), number) for number, item in numbered]
    taken = set(ours)
    for (_, item), our_id in zip(numbered, ours, strict=True):
        own_id = item["id"]
        is_free = isinstance(own_id, str) and 0 < len(own_id) <= MAX_ID_CHARACTERS and own_id not in taken
        shown.append(item if is_free else {**item, "id": our_id})
        taken.add(shown[-1]["id"])
    return shown


def items_by_our_ids(turn: Turn) -> list[JsonItem]:
    """Return the items of a turn, its prompt's first, each with the id by which a conversation knows it.

    An unknown item's own id would lead nowhere, and may be that of another item.
    """
    asked = _input_items(turn.id, turn.prompt.content, turn.prompt.items)
    return [{**item, "id": item_id(turn.id, str(item.get("type")), number)} for number, item in (*asked, *_said(turn))]


def _input_items(turn_id: UUID, text: str, items: Sequence[AnyItem] | None) -> Iterator[tuple[int, JsonItem]]:
    if items is None:
        items = [text_item(0, len(text))] if text else []
    for mark, group in groupby(enumerate(items), key=lambda each: message_of(each[1])):
        said = list(group)
        if mark is not None:
            yield said[0][0], _message(turn_id, said[0][0], text, [item for _, item in said])
            continue
        for number, item in said:
            if item.get("type") != DELETED:
                yield number, shown_item(turn_id, number, item, "completed")


def message_of(item: AnyItem) -> object:
    """Return a key that the parts of one message share; None for an item that is none.

    In prompts of the page, which know of no parts, files and the text after them are one message.
    """
    if (
        item.get("type") in ("message", "message_part")
        or is_file(item)
        or (item.get("type") == "refusal" and "part_of" in item)
    ):
        return "message", item.get("part_of")
    return None


def _message(turn_id: UUID, number: int, text: str, parts: Sequence[AnyItem]) -> JsonItem:
    first = next((part for part in parts if not is_file(part)), {})
    role = first.get("role", "user")
    phase = {"phase": first["phase"]} if "phase" in first else {}
    content = [_part(text, part, role) for part in parts]
    return {
        "id": item_id(turn_id, "message", number),
        "type": "message",
        "role": role,
        "status": "completed",
        "content": content,
        **phase,
    }


def _part(text: str, part: AnyItem, role: str) -> JsonItem:
    match part:
        case {"type": "message", "start": int(start), "end": int(end)} if role == "assistant":
            return output_text(text[start:end], part.get("annotations"))
        case {"type": "message", "start": int(start), "end": int(end)}:
            return {"type": "input_text", "text": text[start:end]}
        case {"type": "message_part", "part": dict(inner)}:
            return dict(inner)
        case {"type": "refusal"}:
            return {"type": "refusal", "refusal": str(part.get("refusal") or "")}
    shown = _file_of(part.get("file_id"))
    if part.get("type") in ("image", "input_image"):
        return {"type": "input_image", "detail": part.get("detail", "auto"), "file_id": shown, "image_url": None}
    return {"type": "input_file", "file_id": shown, "filename": part.get("name")}


def _file_of(file_id: object) -> str | None:
    """Return the id of a part's file as clients know it; None where the part has none that can be one."""
    try:
        return to_text(FILE, UUID(file_id)) if isinstance(file_id, str) else None
    except ValueError:
        return None


def output_text(text: str, annotations: object = None) -> JsonItem:
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def output_items(turn: Turn) -> list[JsonItem]:
    """Return the items of a turn's reply, each with its id; the last one of a reply that was cut is `incomplete`."""
    return [item for _, item in _said(turn)]


def _said(turn: Turn) -> Iterator[tuple[int, JsonItem]]:
    if turn.reply is None:
        return
    items = turn.reply.items
    if items is None:
        items = [text_item(0, len(turn.reply.content))] if turn.reply.content else []
    first, whole = input_count(turn), turn.status == "complete"
    for index, item in enumerate(items):
        if item.get("type") != DELETED:
            status = "completed" if whole or index < len(items) - 1 else "incomplete"
            yield first + index, shown_item(turn.id, first + index, item, status, turn.reply.content)


def shown_item(turn_id: UUID, number: int, item: AnyItem, status: Status, text: str = "") -> JsonItem:
    """Return one kept item, and not a part of one, as clients know it."""
    kind = str(item.get("type"))
    own_id = item_id(turn_id, kind, number)
    match item:
        case {"type": "message", "start": int(start), "end": int(end)}:
            phase = {"phase": item["phase"]} if "phase" in item else {}
            return message_item(own_id, status, [output_text(text[start:end], item.get("annotations"))]) | phase
        case {"type": "refusal", "refusal": str(refusal)}:
            return message_item(own_id, status, [{"type": "refusal", "refusal": refusal}])
        case {"type": "reasoning", "text": str(thought)}:
            return reasoning_item(own_id, status, thought, item)
        case {"type": "function_call" | "function_call_output"}:
            return {**item, "id": own_id, "status": item.get("status") or status}
    return {"id": own_id, **item}


def message_item(own_id: str, status: Status, content: Sequence[Mapping[str, Any]]) -> JsonItem:
    return {"id": own_id, "type": "message", "role": "assistant", "status": status, "content": list(content)}


def reasoning_item(own_id: str, status: Status, thought: str, kept: AnyItem) -> JsonItem:
    own = ("type", "text", "seconds", "field", "summary")
    others = {name: value for name, value in kept.items() if name not in own}
    content = [{"type": "reasoning_text", "text": thought}] if thought else []
    return {
        "id": own_id,
        "type": "reasoning",
        "summary": kept.get("summary") or [],
        "content": content,
        **others,
        "status": status,
    }
