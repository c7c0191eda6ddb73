"""Transactions in turn: one caller's never take all connections.

A transaction queues for its locks with a connection in its hands. A hundred changes of one account, each of which
waits for the same row, would otherwise hold every connection, and nobody else could sign in. So a caller has a few
transactions at a time in each process, and the next connection goes to the caller who has the fewest.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any

from chatkeep.fair_queue import FairQueue

# Of the running task and of those that it starts: the signed-in user's id, a stranger's address, or None for the
# service itself, whose transactions are few and wait for nobody's turn.
caller: ContextVar[Hashable | None] = ContextVar("caller", default=None)

# The part of the connections that one caller may hold.
SHARE = 4


class TransactionShares:
    """The transactions of a process.

    Args:
        connections: how many there are for transactions.
    """

    def __init__(self, connections: int) -> None:
        self._queue = FairQueue(connections, max_per_user=max(1, connections // SHARE))
        self._sharing: set[asyncio.Task[Any] | None] = set()

    @asynccontextmanager
    async def share(self, timeout_seconds: float) -> AsyncIterator[None]:
        """Wait for the caller's turn, and hold it until the block ends.

        A transaction within another one of the same task is a part of its share: it would wait for itself.

        Raises:
            TimeoutError: it did not come in time.
        """
        user, task = caller.get(), asyncio.current_task()
        if user is None or task in self._sharing:
            yield
            return
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(timeout_seconds):
                await stack.enter_async_context(self._queue.place(user))
            self._sharing.add(task)
            stack.callback(self._sharing.discard, task)
            yield
