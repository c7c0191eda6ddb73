"""Times as rows hold them: PostgreSQL's calendar is longer than Python's, and no row may break who reads it.

The driver alone raises on what Python's calendar does not have. It also keeps the calendar's own ends as `-infinity`
and `infinity`, and gives those back without a time zone: what programs write for "no date", the first moment of year 1,
came back as something that no arithmetic takes.

Source: PostgreSQL manual 8.5, Date/Time Types; asyncpg, "Custom Type Conversions".
"""

from datetime import UTC, datetime, timedelta

import asyncpg

# The ends of Python's calendar. What is beyond them reads as them, and they are kept as `-infinity` and `infinity`:
# a filter from the earliest time finds whatever is even earlier.
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUS_INFINITY, _INFINITY = -(2**63), 2**63 - 1
_FAR_MARK = "@"


class FarTime(datetime):
    """A time beyond the calendar: it reads as the calendar's end, and is written as it was read.

    A list that goes on after such a row has to name its exact place, or would skip or repeat others.
    """

    stored: int | None = None


def _far(stored: int) -> datetime:
    end = EARLIEST if stored < 0 else LATEST
    if stored in (_MINUS_INFINITY, _INFINITY):
        return end
    far = FarTime.combine(end.date(), end.timetz())
    far.stored = stored
    return far


def _read(stored: tuple[int]) -> datetime:
    """Return the time so many microseconds after 2000."""
    try:
        time = _EPOCH + timedelta(0, 0, stored[0])
    except OverflowError:
        return _far(stored[0])
    return time if EARLIEST < time < LATEST else _far(stored[0])


def _written(time: datetime) -> tuple[int]:
    if isinstance(time, FarTime) and time.stored is not None:
        return (time.stored,)
    if time.tzinfo is None:
        raise ValueError("a time without its offset")
    if not EARLIEST < time < LATEST:
        return (_MINUS_INFINITY if time <= EARLIEST else _INFINITY,)
    return ((time - _EPOCH) // _MICROSECOND,)


def cursor_text(time: datetime) -> str:
    """Return a time as a cursor holds it."""
    is_far = isinstance(time, FarTime) and time.stored is not None
    return f"{_FAR_MARK}{time.stored}" if is_far else time.isoformat()  # type: ignore[attr-defined]  # it is far


def time_in_cursor(text: str) -> datetime:
    """Return the time in a cursor. Raises: ValueError, OverflowError: `cursor_text` did not make it."""
    if text.startswith(_FAR_MARK):
        stored = int(text.removeprefix(_FAR_MARK))
        if not _MINUS_INFINITY <= stored <= _INFINITY:
            raise ValueError("no such time")
        return _read((stored,))
    return datetime.fromisoformat(text)


async def read_every_time(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have a new connection read every time that a row may hold; it asks the server nothing."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=_written, decoder=_read, format="tuple")
