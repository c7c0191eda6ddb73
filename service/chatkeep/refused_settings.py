"""Says of each setting that was refused what to write instead, and never what was written, but for public names."""

import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_WORD_CHARACTERS = 80
_LONG_WORD = re.compile(rf"\S{{{MAX_WORD_CHARACTERS},}}")
_LONG_QUOTE = re.compile(rf"(?<!\w)(['\"])[^'\"]{{{MAX_WORD_CHARACTERS},}}\1")
_HEADER = "must be the name of a header, such as X-Forwarded-User: letters, digits and - alone, at most 64"
# Where the kind of error alone does not say what to write.
_FORMS: Mapping[str, str] = {
    "cookie_name": "must be a name of letters, digits, _ and -, at most 64, such as chatkeep",
    "auth_user_header": _HEADER,
    "auth_email_header": _HEADER,
    "auth_name_header": _HEADER,
    "auth_secret_header": _HEADER,
    "chatstream_roles": (
        'must be JSON of the roles user and admin, each with "all" or a list of ChatStream\'s endpoints, such as '
        '{"user": {"apis": {"allow": ["chat_stream"]}}}'
    ),
    "retention_days": (
        "must be JSON of the roles user, admin and guest, each with a whole number of days from 1 to 36500, such as "
        '{"user": 365, "guest": 7}'
    ),
}
_LISTS = "must be a list with commas between its parts"


def explain(error: ValidationError, bounds: Mapping[str, tuple[int | None, int | None]]) -> str:
    """Return a line for each setting that was refused.

    Args:
        bounds: the least and the greatest value of each setting that is a number.
    """
    lines = dict.fromkeys(_lines(error, bounds))
    return "Settings that cannot be used:\n  " + "\n  ".join(lines)


def _lines(error: ValidationError, bounds: Mapping[str, tuple[int | None, int | None]]) -> Iterator[str]:
    for each in error.errors(include_url=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        name = name.removeprefix("CHATKEEP_").lower() if name.isupper() else name
        sentence = _shortened(_sentence(each, name, bounds.get(name)))
        yield f"CHATKEEP_{name.upper()}: {sentence}" if name else sentence


def _sentence(error: ErrorDetails, name: str, bounds: tuple[int | None, int | None] | None) -> str:
    kind = error["type"]
    if kind == "value_error":  # in this project's own words
        return error["msg"].removeprefix("Value error, ")
    if name in _FORMS:
        return _FORMS[name]
    if bounds is not None:
        return _number_between(*bounds)
    if kind.startswith("bool"):
        return "must be true or false"
    if kind == "literal_error":
        return f"must be one of {error['ctx']['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    return _LISTS if kind.startswith("tuple") else "must be a text"


def _number_between(least: int | None, greatest: int | None) -> str:
    ends = " ".join(f"{word} {end}" for word, end in (("from", least), ("to", greatest)) if end is not None)
    return f"must be a whole number {ends}".rstrip()


def _shortened(sentence: str) -> str:
    def start_of(found: re.Match[str]) -> str:
        return f"{found[0][: MAX_WORD_CHARACTERS // 2]}…"

    return _LONG_WORD.sub(start_of, _LONG_QUOTE.sub(start_of, sentence))
