"""What a field says, where programs disagree on how to say it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST_SOURCE_ID = 200
# A number of seconds from 1970 to 5138; what is larger counts milliseconds, or parts of them.
MOST_SECONDS = 10**11


def mapping_in(value: Any, *names: str) -> Mapping[str, Any]:
    """Return the object at the end of `names`; an empty one where anything on the way is something else."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_in(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None


def count_in(value: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of `names` that is a number of things."""
    found = (value.get(name) for name in names)
    return next((each for each in found if type(each) is int and 0 <= each < 2**31), None)


def time_in(value: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time that is told in seconds, in milliseconds or as text; None where there is none to be read."""
    found = value.get(name)
    if isinstance(found, str):
        return _time_of_text(found)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or found <= 0:
        return None
    while found > MOST_SECONDS:
        found /= 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=found)


def _time_of_text(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def source_id_of(conversation: Mapping[str, Any], *names: str) -> str:
    """Return what the other program calls a conversation; where it does not say, what the conversation says."""
    for name in names:
        found = conversation.get(name)
        if isinstance(found, (str, int)) and str(found):
            return str(found) if len(str(found)) <= LONGEST_SOURCE_ID else digest_of(found)
    return digest_of(conversation)


def digest_of(value: Any) -> str:
    whole = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def rest_of(value: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """Return what is said under other names, but for what says nothing."""
    return {name: each for name, each in value.items() if name not in known and each not in (None, "", [], {})}
