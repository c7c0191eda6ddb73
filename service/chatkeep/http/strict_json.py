"""JSON as its standards have it: no NaN, no name twice in an object, no text that PostgreSQL cannot keep."""

import json
from typing import Any, NoReturn

from fastapi.exceptions import RequestValidationError

UNSTORABLE = "Text may not hold U+0000 or lone surrogates"

NOT_JSON = "Not valid JSON"
# Every bracket, comma and number costs the parser and the checks of its values many times what a letter of a text
# does. The largest body of this service that means something has half as many.
MAX_STRUCTURE_BYTES = 32 * 1024
TOO_MANY_PARTS = "The JSON has too many parts: more than {} characters of it are outside of its texts"

_Loc = tuple[str | int, ...]


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can keep `text`: no U+0000, and nothing that UTF-8 cannot say."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(body: bytes, max_structure_bytes: int = MAX_STRUCTURE_BYTES) -> object:
    """Return the JSON of a request's body.

    Args:
        max_structure_bytes: of it that may be outside of texts.

    Raises:
        RequestValidationError: `json_invalid` or `invalid_text`; the body is never quoted.

    Source: RFC 8259; RFC 7493 (I-JSON), section 2.3: a name twice is read differently by different readers.
    """
    _require_few_parts(body, max_structure_bytes)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_object_of)
    except (ValueError, RecursionError):
        raise _invalid("json_invalid", NOT_JSON, ("body",)) from None
    # JSON can say such text only with an escape: most bodies need no second look.
    if b"\\u" in body:
        _require_storable(value)
    return value


def _require_few_parts(body: bytes, max_structure_bytes: int) -> None:
    """Refuse a body by its structure outside of texts, in linear time and without parsing it."""
    if len(body) <= max_structure_bytes:
        return
    # Without escapes every other quote ends a text.
    outside = body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    size = sum(map(len, outside))
    if size > max_structure_bytes and len(b"".join(b"".join(outside).split())) > max_structure_bytes:
        raise _invalid("json_invalid", TOO_MANY_PARTS.format(max_structure_bytes), ("body",))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice in one object")
    return found


def _require_storable(value: object) -> None:
    """Look at every text in `value`, without recursion: it may be nested as deep as the parser allows."""
    waiting: list[tuple[object, _Loc]] = [(value, ("body",))]
    while waiting:
        each, loc = waiting.pop()
        if isinstance(each, str):
            if not is_storable(each):
                raise _invalid("invalid_text", UNSTORABLE, loc)
        elif isinstance(each, dict):
            for key, inner in each.items():
                waiting += [(key, loc), (inner, (*loc, key))]
        elif isinstance(each, list):
            waiting += [(inner, (*loc, index)) for index, inner in enumerate(each)]


def _invalid(kind: str, message: str, loc: _Loc) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": loc, "msg": message, "input": None}])
