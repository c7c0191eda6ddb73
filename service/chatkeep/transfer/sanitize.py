"""Text and values from a file as PostgreSQL can keep them."""

import re
from typing import Any

from chatkeep.chat.models.clean_text import clean_output
from chatkeep.http.strict_json import is_storable
from chatkeep.transfer.imported import Unreadable

MAX_DEPTH = 100

# An escape that may be U+0000 or half of a pair; most pairs are whole, which only a look at the text can tell.
_SUSPICIOUS = re.compile(r"\\u0000|\\u[dD][89a-fA-F]")


def sanitize(value: Any, text: str) -> Any:
    """Return a parsed value with U+FFFD in place of U+0000 and of lone surrogates, as a model's output has it.

    Args:
        text: what the value was parsed from; where nothing in it is suspicious, no text has to be looked at.

    Raises:
        Unreadable: it is nested deeper than anything that people say.
    """
    if is_storable(text) and not _SUSPICIOUS.search(text):
        return value
    return _cleaned(value, 0)


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
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Unreadable("It is nested too deep.")
        if isinstance(each, dict):
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each]
