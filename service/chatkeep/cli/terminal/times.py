"""Times, as they are typed and shown: dates, RFC 3339, or how long ago; always UTC when nothing else is said."""

import re
from datetime import UTC, datetime, timedelta

from chatkeep.errors import Invalid

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Beyond them an hour more or less is no longer a date.
FIRST_YEAR, LAST_YEAR = 1970, 9998


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time that `text` names.

    Args:
        text: `2026-01-31` (midnight, UTC), `2026-01-31T09:30:00+09:00`, or how long before `now`: `90m`, `2h`, `7d`,
            `4w`.

    Raises:
        Invalid: none of these.
    """
    try:
        if ago := re.fullmatch(r"([0-9]{1,9})([mhdw])", text):
            time = now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            time = datetime.fromisoformat(f"{text}T00:00:00Z")
        else:
            time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _not_a_time(text) from None
    if time.tzinfo is None:
        raise Invalid(f"{text} has no time zone. Write {text}Z for UTC, or an offset such as +09:00.")
    return _checked(time, text)


def format_minute(time: datetime | None) -> str:
    """Return a time for a table: in UTC, to the minute."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if time else "-"


def _checked(time: datetime, text: str) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise _not_a_time(text)
    return time.astimezone(UTC)


def _not_a_time(text: str) -> Invalid:
    return Invalid(
        f"{text} is not a time. Write a date (2026-01-31), a time (2026-01-31T09:30:00Z), or how long ago (90m, 2h, "
        "7d, 4w)."
    )
