"""JSON as rows hold it: whatever PostgreSQL keeps as `jsonb`, nothing of it may break who reads it.

A number of `jsonb` may have 131,072 digits, and a value may be nested thousands deep. Python's parser gives up on the
one, and what writes answers on the other. The service writes neither; a row that does is read as far as it can be.

Source: PostgreSQL manual 8.14.1, JSON Input and Output Syntax.
"""

import json
import math
from typing import Any

MAX_DEPTH = 128
# A longer number is read as text.
MAX_NUMBER_CHARACTERS = 4300
TOO_DEEP = {"unreadable": "This is nested too deep to be shown."}


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= MAX_NUMBER_CHARACTERS else text


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER = json.JSONDecoder(parse_int=_whole_number, parse_float=_number)


# Made once: `json.dumps` makes another one for each value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def parse_json(text: str | bytes) -> Any:
    """Return a value of a row; `TOO_DEEP` in place of one that nothing could write into an answer."""
    text = text.decode() if isinstance(text, bytes) else text
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        return dict(TOO_DEEP)
    may_be_deep = text.count("[") + text.count("{") > MAX_DEPTH
    return dict(TOO_DEEP) if may_be_deep and _is_too_deep(value) else value


def dump_json(value: object) -> str:
    """Return the text of a value for a row."""
    return _ENCODER.encode(value) if value else json.dumps(value)


def object_of(value: Any) -> dict[str, Any]:
    """Return a row's value as the object that it should be; another kind of value is in one, under `value`."""
    return value if isinstance(value, dict) else {"value": value}


def _is_too_deep(value: Any) -> bool:
    """Measured without recursion, which a deep value would exhaust."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
