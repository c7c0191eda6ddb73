"""Lists, page by page to their end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

PAGE_ROWS = 200
QUERY_TIMEOUT_SECONDS = 60

Fetch = Callable[[UUID | None, int], Awaitable[Sequence[Any]]]


async def pages(fetch: Fetch, id_of: Callable[[Any], UUID], most: int | None) -> AsyncIterator[Sequence[Any]]:
    """Yield pages of rows until there are no more, or `most` rows were read.

    Args:
        fetch: given the id of the last row seen and how many rows to return at most. It reads each page in a short
            transaction of its own.
        id_of: the id of a row.
    """
    after, left = None, most
    while left is None or left > 0:
        size = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        rows = await fetch(after, size)
        yield rows
        if len(rows) < size:
            return
        after = id_of(rows[-1])
        left = None if left is None else left - size
