"""Text and values from a file as PostgreSQL can keep them."""

import re
from typing import Any

from chatkeep.chat.models.clean_text import clean_output
from chatkeep.http.strict_json import is_storable
from chatkeep.transfer.imported import Unreadable

MAX_DEPTH = 100

# An escape that may be U+0000 or half of a pair; most pairs are whole, which only a look at the text can tell.
_SUSPICIOUS = re.compile(r"\\u0000|\\u[dD][89a-fA-F]")


def needs_cleaning(text: str) -> bool:
    """Tell whether anything in a JSON text may be what PostgreSQL cannot keep."""
    return not is_storable(text) or _SUSPICIOUS.search(text) is not None


def sanitize(value: Any, *, is_suspicious: bool) -> Any:
    """Return a parsed value with U+FFFD in place of U+0000 and of lone surrogates, as a model's output has it.

    Args:
        is_suspicious: as `needs_cleaning` tells of its text; otherwise no text has to be looked at.

    Raises:
        Unreadable: it is nested deeper than anything that people say.
    """
    return _cleaned(value, 0) if is_suspicious else value


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if is_storable(value) else clean_output(value)
    if depth > MAX_DEPTH:
        raise Unreadable("It is nested too deep.")
    if isinstance(value, dict):
        return {_cleaned(name, depth): _cleaned(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, depth + 1) for inner in value]
    return value


def require_shallow(value: Any) -> None:
    """Refuse JSON that the database's parser would give up on.

    Raises:
        Unreadable: it is nested too deep.
    """
    if not value:
        return
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Unreadable("It is nested too deep.")
        if isinstance(each, dict):
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each]
