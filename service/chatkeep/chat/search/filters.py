"""Filters in a query, as people know them: `from:me`, `in:title`, `model:`, `before:`, `after:`, `has:file`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from chatkeep.folding.folding import fold
from chatkeep.ids import earliest_id, latest_id

Where = Literal["text", "reasoning", "title"]
Speaker = Literal["me", "model"]

BEFORE_NEWEST, AFTER_OLDEST = UUID(int=2**128 - 1), UUID(int=0)
# A turn's id is made a moment before its time is read.
ID_SLACK = timedelta(seconds=10)
FIRST_TIME, LAST_TIME = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

_WHERE: dict[str, Where] = {"title": "title", "reasoning": "reasoning", "text": "text"}
_SPEAKERS: dict[str, Speaker] = {"me": "me", "user": "me", "model": "model", "assistant": "model"}


@dataclass(frozen=True, slots=True)
class Filters:
    """A query's demands on turns besides their words.

    Args:
        where: in which texts of a turn the terms are looked for.
        speaker: whose; None: anyone's.
        model: of this model.
        before: begun before this moment.
        after: begun at this moment or later.
        has_file: with a file.
    """

    where: Where = "text"
    speaker: Speaker | None = None
    model: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    has_file: bool = False

    @property
    def narrow(self) -> bool:
        """Whether they leave anything out by themselves."""
        return self.has_file or any(each is not None for each in (self.model, self.before, self.after))

    @property
    def newest_id(self) -> UUID:
        """An id that no turn that passes has, nor is behind."""
        return BEFORE_NEWEST if self.before is None else latest_id(min(self.before, LAST_TIME) + ID_SLACK)

    @property
    def oldest_id(self) -> UUID:
        """An id that no turn that passes is before."""
        return AFTER_OLDEST if self.after is None else earliest_id(max(self.after, FIRST_TIME) - ID_SLACK)


def filter_of(name: str, value: str) -> dict[str, Any] | None:
    """Return the change that `name:value` makes to the filters; None where it is none of them, but words."""
    value = value.strip()
    folded = fold(value)
    match fold(name):
        case "in" if folded in _WHERE:
            return {"where": _WHERE[folded]}
        case "from" if folded in _SPEAKERS:
            return {"speaker": _SPEAKERS[folded]}
        case "has" if folded in ("file", "files"):
            return {"has_file": True}
        case "model" if value:
            return {"model": value}
        case "before" | "after" as which if (moment := _moment(folded)) is not None:
            return {which: moment}
        case _:
            return None


def _moment(text: str) -> datetime | None:
    """Return the beginning of a day, a month or a year in UTC."""
    parts = text.replace("/", "-").split("-")
    if not 1 <= len(parts) <= 3 or len(parts[0]) != 4 or not all(each.isascii() and each.isdigit() for each in parts):
        return None
    year, month, day = (*map(int, parts), *([1] * (3 - len(parts))))
    try:
        begins = date(year, month, day)
    except ValueError:
        return None
    return datetime(begins.year, begins.month, begins.day, tzinfo=UTC)
