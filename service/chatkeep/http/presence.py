"""Work that ends when its client leaves. Starlette ends only streams; what computes would go on for nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.requests import Request
from starlette.types import Receive


@asynccontextmanager
async def while_client_waits(request: Request) -> AsyncIterator[None]:
    """Cancel the block when the client leaves, and go on behind it; to be entered when all of the body was read."""
    with anyio.CancelScope() as scope:
        watching = asyncio.create_task(_cancel_without_client(request.receive, scope))
        try:
            yield
        finally:
            watching.cancel()


async def _cancel_without_client(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
