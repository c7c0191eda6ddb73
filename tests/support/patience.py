"""A client that asks again where the service says "not now": 503 means that nothing has been done."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2

DEADLINE_SECONDS = 120


async def served(ask: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """Return the first answer that is not 503, which a crowd is given that waits for longer than the pool does."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (answer := await ask()).status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.1)
    return answer
