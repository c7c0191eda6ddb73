"""Items as PostgreSQL can keep them, whatever a model said."""

import math
from collections.abc import Mapping
from typing import Any

from chatkeep.chat.items import AnyItem, JsonItem
from chatkeep.chat.models.clean_text import clean_output

MAX_DEPTH = 32
# Python reads a longer whole number only as text, and PostgreSQL stops at 131,072 digits.
MAX_WHOLE_NUMBER = 10**1_000
TOO_LARGE = "This number is too large to be kept."
TOO_DEEP = "This is nested too deep to be kept."


def kept_item(item: AnyItem) -> JsonItem:
    """Return an item that can be kept; it always has a `type`."""
    kept = {_text(name): _kept(value, 1) for name, value in item.items()}
    if not isinstance(kept.get("type"), str):
        kept["type"] = "unknown"
    return kept


def _kept(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_output(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < MAX_WHOLE_NUMBER else TOO_LARGE
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {_text(name): _kept(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(inner, depth + 1) for inner in value]
    return clean_output(str(value))


def _text(name: object) -> str:
    return clean_output(str(name))
