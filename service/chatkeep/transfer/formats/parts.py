"""The parts of one side of a turn: texts, and items between them.

A tool's call is written so that any model server takes it back, should the conversation go on here: some refuse a name
with a dot, and arguments that are no JSON object.

Source: OpenAI API reference, Create chat completion, `tool_calls`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from chatkeep.chat.items import JsonItem, text_item
from chatkeep.chat.models.clean_text import clean_value
from chatkeep.transfer.formats.fields import says_something
from chatkeep.transfer.imported import KEPT_ASIDE
from chatkeep.transfer.json_stream import NUMBERS

# A text, or an item.
Part = str | JsonItem
BETWEEN_TEXTS = "\n\n"
MAX_NAME_CHARACTERS = 64

_NOT_IN_NAMES = re.compile("[^a-zA-Z0-9_-]")


def put_together(parts: Iterable[Part]) -> tuple[str, list[JsonItem] | None]:
    """Return the text of parts and their items; None where there is nothing but text. Texts are set apart."""
    said, items = "", []
    only_text = True
    for part in parts:
        if not isinstance(part, str):
            items.append(part)
            only_text = False
        elif part:
            start, text = len(said), f"{BETWEEN_TEXTS}{part}" if said else part
            said += text
            if items and items[-1]["type"] == "message":
                items[-1] = text_item(items[-1]["start"], len(said))
            else:
                items.append(text_item(start, len(said)))
    return said, None if only_text else items


def with_rest(item: JsonItem, rest: Mapping[str, Any] | None) -> JsonItem:
    """Add to an item what the file says of it beside."""
    return {**item, KEPT_ASIDE: {**item.get(KEPT_ASIDE, {}), **rest}} if rest else item


def call_item(call_id: str, name: str, arguments: object) -> JsonItem:
    """Return a tool's call.

    Args:
        arguments: JSON as text or as a value; anything but an object becomes one with the name `input`.
    """
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    if not isinstance(json_in(written), dict):
        written = json.dumps({"input": arguments}, ensure_ascii=False) if says_something(arguments) else "{}"
    plain = _NOT_IN_NAMES.sub("_", name)[:MAX_NAME_CHARACTERS] or "tool"
    item = {"type": "function_call", "call_id": call_id, "name": plain, "arguments": written}
    return with_rest(item, {"name": name} if plain != name else None)


def output_item(call_id: str, output: object) -> JsonItem:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def items_as(kind: str, values: Iterable[Any]) -> list[JsonItem]:
    """Return an item for each value, as it came: under a name of its own, it is taken for no other kind of item."""
    return [{"type": kind, kind: value} for value in values if says_something(value)]


def json_in(text: str) -> Any:
    """Return the value of a text that is JSON, as the database can keep it; None where it is none."""
    try:
        return clean_value(json.loads(text, **NUMBERS))
    except (ValueError, RecursionError):
        return None
