"""Values of fields that programs write in different ways."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from chatkeep.transfer.imported import plausible_time

MAX_SOURCE_ID_CHARACTERS = 200
_DIGEST = "sha256:"
# A number of seconds from 1970 to 5138; a larger one counts milliseconds, microseconds or nanoseconds.
MAX_SECONDS = 10**11
FRACTIONS = (10**3, 10**6, 10**9)
# No chat was kept before. A large number that would be earlier in the unit that it seems to have is no time: the last
# second of 9999 read as milliseconds is a day of 1978.
MIN_SCALED_SECONDS = 946_684_800
TIMES_IN_OBJECTS = ("$date", "$numberLong", "seconds", "_seconds")
_NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{1,9})?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def mapping_in(value: Any, *names: str) -> Mapping[str, Any]:
    """Return the object at the end of `names`; an empty one where anything on the way is something else."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_in(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None


def list_in(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def count_in(value: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of `names` that is a number of things."""
    for name in names if value else ():
        each = value.get(name)
        if type(each) is int and 0 <= each < 2**31:
            return each
    return None


def time_in(value: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time that is told in seconds, in milliseconds or as text; None where there is none to be read, or one
    that stands for "no date".
    """
    found = _unwrapped(value.get(name))
    if found is None:
        return None
    if isinstance(found, str):
        number = _number_in(found)
        return plausible_time(_time_of_text(found) if number is None else time_of_number(number))
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return plausible_time(time_of_number(found))


def _unwrapped(found: Any) -> Any:
    """Return the time in an object, as MongoDB and protocol buffers write it: `{"$date": {"$numberLong": "…"}}`."""
    for _ in range(2):
        if isinstance(found, dict):
            found = next((found[name] for name in TIMES_IN_OBJECTS if name in found), None)
    return found


def _number_in(text: str) -> float | None:
    """Return the number that a text is; None for a date, such as a year alone."""
    return float(text) if _NUMBER.fullmatch(text) else None


def time_of_number(number: float) -> datetime | None:
    """Return the time that a number since 1970 tells, in the unit that its size shows; None where there is none."""
    if 0 < number <= MAX_SECONDS:
        return EPOCH + timedelta(seconds=number)
    unit = next((each for each in FRACTIONS if MAX_SECONDS < number <= MAX_SECONDS * each), None)
    if unit is None or number < MIN_SCALED_SECONDS * unit:
        return None
    return EPOCH + timedelta(seconds=number / unit)


def _time_of_text(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def source_id_of(conversation: Mapping[str, Any], *names: str) -> str:
    """Return the other program's id of a conversation; where there is none, a digest of the conversation."""
    found = next((found for name in names if (found := id_in(conversation, name))), None)
    if found is None:
        return digest_of(conversation)
    return found if len(found) <= MAX_SOURCE_ID_CHARACTERS else digest_of(found)


def id_in(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return str(found) or None if isinstance(found, (str, int)) else None


def is_digest(source_id: str) -> bool:
    """Tell whether an id stands in no file."""
    return source_id.startswith(_DIGEST)


def digest_of(value: Any) -> str:
    whole = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return f"{_DIGEST}{hashlib.sha256(whole.encode()).hexdigest()}"


# How a field is read, or would be; falsy where there is nothing that can be read.
Reader = Callable[[Mapping[str, Any], str], Any]


def rest_of(value: Mapping[str, Any], read: Mapping[str, Reader] = MappingProxyType({})) -> dict[str, Any]:
    """Return the fields of an object that nothing reads, but for empty ones.

    Args:
        read: how each field is read that has a place elsewhere; one that cannot be read so belongs to the rest.
    """
    if not value:
        return {}
    return {
        name: each
        for name, each in value.items()
        if says_something(each) and not (name in read and read[name](value, name))
    }


def says_something(value: Any) -> bool:
    """Tell whether there is anything but emptiness in a value."""
    if isinstance(value, str):
        return value != ""
    if isinstance(value, dict):
        return any(map(says_something, value.values()))
    return any(map(says_something, value)) if isinstance(value, list) else value is not None


def unread(_value: Mapping[str, Any], _name: str) -> bool:
    """Leave out what says nothing outside of the other program."""
    return True
