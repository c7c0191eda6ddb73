"""Items: what a prompt or a reply is made of where it is more than plain text, in OpenAI's Responses vocabulary.

They are kept as JSON beside the text. The reply's own text stands in `reply` alone, and its items say from where to
where of it. An item of a type that we do not know is kept as it came.

Source: OpenAI API reference, Responses, input and output items.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# They name a file by its id, and hold none of its bytes once they are kept.
FILE_TYPES = ("image", "file", "input_image", "input_file")
# Of whom a model is told what to do. Many servers know only the first name.
SYSTEM_ROLES = ("system", "developer")
MAX_COUNTED_TOKENS = 2**31 - 1

JsonItem = dict[str, Any]
AnyItem = Mapping[str, Any]


def text_item(start: int, end: int) -> JsonItem:
    return {"type": "message", "start": start, "end": end}


def reasoning_item(text: str, field: str, seconds: float | None) -> JsonItem:
    return {"type": "reasoning", "text": text, "seconds": seconds, "field": field}


def refusal_item(text: str) -> JsonItem:
    return {"type": "refusal", "refusal": text}


def pictures_left_out_item(names: Sequence[str]) -> JsonItem:
    return {"type": "pictures_left_out", "names": list(names)}


def files_left_out_item(names: Sequence[str]) -> JsonItem:
    return {"type": "files_left_out", "names": list(names)}


def refusal_of(items: Iterable[AnyItem] | None) -> str | None:
    """Return why the model did not answer; None where it did."""
    return "".join(refusals_in(items)) or None


def refusals_in(items: Iterable[AnyItem] | None) -> list[str]:
    """Return the text of each refusal among items."""
    return [each["refusal"] for each in items or () if is_refusal(each)]


def is_text(item: AnyItem) -> bool:
    """Tell whether an item says where a part of the text of its prompt or reply stands."""
    return item.get("type") == "message" and isinstance(item.get("start"), int) and isinstance(item.get("end"), int)


def is_refusal(item: AnyItem) -> bool:
    return item.get("type") == "refusal" and isinstance(item.get("refusal"), str)


def is_reasoning(item: AnyItem) -> bool:
    return item.get("type") == "reasoning" and isinstance(item.get("text"), str)


def is_call(item: AnyItem) -> bool:
    return item.get("type") == "function_call" and all(
        isinstance(item.get(name), str) for name in ("call_id", "name", "arguments")
    )


def is_file(item: AnyItem) -> bool:
    """Tell whether an item stands for a file. One that was not imported with its conversation is a name alone."""
    return item.get("type") in FILE_TYPES


def file_tokens(item: AnyItem) -> int:
    """Return a file's tokens in the context; items of an import may hold anything."""
    tokens = item.get("tokens")
    is_count = isinstance(tokens, int) and not isinstance(tokens, bool)
    return min(max(tokens, 0), MAX_COUNTED_TOKENS) if is_count and isinstance(tokens, int) else 0


def is_output(item: AnyItem) -> bool:
    return item.get("type") == "function_call_output" and isinstance(item.get("call_id"), str)


def side_of(item: AnyItem) -> str | None:
    """Return the side that says an item of a prompt: `user`, `assistant` or `system`; None where no model sees it.

    The outputs of tools belong to the calls before them.
    """
    if is_call(item) or is_output(item) or is_reasoning(item) or is_refusal(item):
        return "assistant"
    match item:
        case {"type": "message", "start": int(), "end": int()}:
            role = item.get("role")
            return "system" if role in SYSTEM_ROLES else "assistant" if role == "assistant" else "user"
    return "user" if is_file(item) else None


def has_roles(items: Iterable[AnyItem] | None) -> bool:
    """Tell whether others than its user speak in a prompt, as in a history that a client sends along."""
    return any(is_call(item) or (item.get("type") == "message" and _has_role(item)) for item in items or ())


def _has_role(item: AnyItem) -> bool:
    return item.get("role", "user") != "user" and side_of(item) is not None
