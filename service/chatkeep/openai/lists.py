"""Lists as OpenAI has them: `after` is the id of the last item of the page before."""

from collections.abc import Sequence
from typing import Any

from chatkeep.errors import NotFound
from chatkeep.openai.schemas import JsonObject

MAX_LIMIT = 100
DEFAULT_LIMIT = 20


def to_list(items: Sequence[JsonObject], *, after: str | None, limit: int) -> JsonObject:
    """Return one page of items that are all at hand.

    Raises:
        NotFound: none of them has the id `after`.
    """
    start = 0
    if after is not None:
        start = next((place for place, item in enumerate(items) if item["id"] == after), -1) + 1
        if not start:
            raise NotFound(f"There is no item {after!r} in this list.")
    return list_of(items[start : start + limit], has_more=len(items) > start + limit)


def list_of(page: Sequence[JsonObject], *, has_more: bool, **others: Any) -> JsonObject:
    return {
        "object": "list",
        "data": list(page),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": has_more,
        **others,
    }
