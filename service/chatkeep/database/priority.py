"""The order in which work waits for connections: reads first, then turns that end, then new ones.

A turn that is refused can be asked for again; a list that takes seconds makes the whole service seem dead. A reply
that has ended goes before a new one, since it makes room.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Generic, TypeVar

# Of those that may go first, at most so many in a row while others wait: nobody waits for ever.
MAX_PASSED_OVER = 4

Given = TypeVar("Given")


class Priority(IntEnum):
    """The use that a connection is wanted for; the lowest number goes first."""

    READ = 0
    FINISH_TURN = 1
    NEW_TURN = 2


# Of the running task and of those that it starts.
priority: ContextVar[Priority] = ContextVar("priority", default=Priority.READ)


@contextmanager
def with_priority(wanted: Priority) -> Iterator[None]:
    """Have the block's statements wait for connections in that order."""
    token = priority.set(wanted)
    try:
        yield
    finally:
        priority.reset(token)


class WaitQueue(Generic[Given]):
    """Those who wait, by priority; those of one priority in the order in which they came."""

    def __init__(self) -> None:
        self._lines: dict[Priority, deque[tuple[float, asyncio.Future[Given]]]] = {each: deque() for each in Priority}
        self._passed_over = dict.fromkeys(Priority, 0)

    def join(self, at: Priority) -> "asyncio.Future[Given]":
        """Wait from now on; the future is given what there is, or cancelled by the one who waits."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Given] = loop.create_future()
        self._lines[at].append((loop.time(), waiting))
        return waiting

    def next(self, may_go: Callable[[Priority], bool]) -> "tuple[Priority, asyncio.Future[Given]] | None":
        """Take out the next one, of those priorities that may go now."""
        waiting = [each for each in Priority if self._has(each) and may_go(each)]
        if not waiting:
            return None
        chosen = next((each for each in waiting if self._passed_over[each] >= MAX_PASSED_OVER), waiting[0])
        for each in waiting:
            self._passed_over[each] += 1
        self._passed_over[chosen] = 0
        return chosen, self._lines[chosen].popleft()[1]

    def count(self, at: Priority) -> int:
        """Return how many wait; those who have just given up may be among them."""
        return len(self._lines[at])

    def longest_wait(self, at: Priority) -> float:
        """Return for how many seconds the first of that priority has waited; 0 where nobody waits."""
        return asyncio.get_running_loop().time() - self._lines[at][0][0] if self._has(at) else 0.0

    def _has(self, at: Priority) -> bool:
        line = self._lines[at]
        while line and line[0][1].done():  # has given up
            line.popleft()
        return bool(line)
