"""Lists, a page at a time: by the last row seen (keyset), never by counting rows (offset).

A cursor is opaque to clients and holds the list's name and what the next page starts after. It is not signed: it
names rows of the asker's own list, and every query filters by the asker anyway.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from chatkeep.database.times import cursor_text
from chatkeep.errors import InvalidCursor
from chatkeep.http.bodies import FromDigits

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[
    int,
    Field(ge=1, le=200),
    FromDigits,
    Query(description="Items per page, at most: a page of long turns ends earlier."),
]
CursorText = Annotated[
    str | None,
    Query(alias="cursor", max_length=512, description="`next_cursor` of the page before; opaque."),
]
DEFAULT_LIMIT = 50


class Page(BaseModel, Generic[Item]):
    """One page of a list, maybe of fewer items than its limit; `next_cursor` is null on the last."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    items: list[Item]
    next_cursor: str | None = None

    @property
    def text_length(self) -> int:
        """About how many characters are in it; 0 where its items are short."""
        return sum(getattr(item, "text_length", 0) for item in self.items)


def page_of(
    rows: Sequence[Row],
    limit: int,
    to_item: Callable[[Row], Item],
    *,
    of: str,
    position: Callable[[Row], tuple[object, ...]] | None = None,
) -> Page[Item]:
    """Return a page of `limit` items from the `limit + 1` rows of a query.

    Args:
        of: the list's name, which its cursors carry.
        position: the values of a row that the next page starts after; None: its item's id.
    """
    items: list[Any] = [to_item(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items=items)
    last = position(rows[limit - 1]) if position else (items[-1].id,)
    return Page(items=items, next_cursor=encode_cursor(*last, of=of))


def encode_cursor(*position: object, of: str = "") -> str:
    """Return `position` (strings, whole numbers, UUIDs, times) in the list `of` as an opaque text."""
    text = json.dumps([of, *position], default=_plain)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(text: str, *kinds: Callable[[str], object], of: str = "") -> tuple[object, ...]:
    """Return the position in `text`, each part read by its kind.

    Raises:
        InvalidCursor: `text` did not come from `encode_cursor` of the same list with parts of these kinds.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
        if not isinstance(parts, list) or len(parts) != 1 + len(kinds) or parts[0] != of:
            raise ValueError("of another list")
        return tuple(_read(kind, part) for kind, part in zip(kinds, parts[1:], strict=True))
    except (ValueError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidCursor("The cursor is not one that this list gave; start again without it.") from error


def cursor_of_id(text: str | None, *, of: str = "") -> UUID | None:
    """Return the id in a cursor that holds just one."""
    if text is None:
        return None
    (found,) = decode_cursor(text, UUID, of=of)
    return found if isinstance(found, UUID) else None


def _read(kind: Callable[[str], object], part: object) -> object:
    found = kind(str(part))
    if not isinstance(found, datetime):
        return found
    if found.tzinfo is None:
        raise ValueError("a time without its offset")
    return found.astimezone(UTC)


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return cursor_text(value)
    raise TypeError(f"a cursor cannot hold {type(value).__name__}")
