"""Lists, page by page to their end, each page read in a short transaction of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.database import Database

PAGE_ROWS = 200
QUERY_TIMEOUT_SECONDS = 60

Fetch = Callable[[AsyncConnection, UUID | None, int], Awaitable[Sequence[Any]]]


async def pages(
    database: Database, fetch: Fetch, id_of: Callable[[Any], UUID], most: int | None
) -> AsyncIterator[Sequence[Any]]:
    """Yield pages of rows until there are no more, or `most` rows were read.

    Args:
        fetch: given the id of the last row seen and how many rows to return at most.
        id_of: the id of a row.

    Raises:
        QueryTooSlow: a page took longer than `QUERY_TIMEOUT_SECONDS`.
    """
    after, left = None, most
    while left is None or left > 0:
        size = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
            rows = await fetch(connection, after, size)
        yield rows
        if len(rows) < size:
            return
        after = id_of(rows[-1])
        left = None if left is None else left - size
