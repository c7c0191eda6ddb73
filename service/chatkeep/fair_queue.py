"""A queue that serves users in turn, however much each of them asks for.

A user is an id, or for somebody who is not signed in the address.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any


class FairQueue:
    """A bounded number of places, given to users in turn.

    The next place goes to the user who has the fewest, and among those to the one who was served longest ago. So
    who asks for fifty replies at once does not keep somebody waiting who asks for one.

    Args:
        places: how many may be held at once.
        max_per_user: of these, how many by the same user; None sets no bound.
    """

    def __init__(self, places: int, *, max_per_user: int | None = None) -> None:
        # Below zero where there are fewer places than are held, see `resize`.
        self._free = self._places = places
        self._max_per_user = max_per_user
        self._held: Counter[Hashable] = Counter()
        # Users in the order of their turns; no user is here without somebody waiting.
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, user: Hashable) -> AsyncIterator[None]:
        """Wait for a place, and hold it until the block ends."""
        await self._take(user)
        try:
            yield
        finally:
            self._release(user)

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(map(len, self._waiting.values()))

    def resize(self, places: int) -> None:
        """Have more places, or fewer: what is held beyond those is not taken away."""
        self._free += places - self._places
        self._places = places
        while self._free > 0 and self._call_next():
            pass

    async def _take(self, user: Hashable) -> None:
        # Those who wait while a place is free have as many as one user may.
        if self._free > 0 and self._may_have_more(user):
            self._hold(user)
            return
        called = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # called and cancelled in one moment: pass it on
                self._release(user)
            else:
                self._leave(user, called)
            raise

    def _release(self, user: Hashable) -> None:
        self._held[user] -= 1
        if not self._held[user]:
            del self._held[user]
        self._free += 1
        if self._free > 0:
            self._call_next()

    def _call_next(self) -> bool:
        """Give a free place to who comes next; tell whether anybody could take it."""
        while True:
            following = min(filter(self._may_have_more, self._waiting), key=self._order, default=None)
            if following is None:
                return False
            waiting = self._waiting.pop(following)
            called = waiting.popleft()
            if waiting:
                self._waiting[following] = waiting  # at the end: everyone else comes first
            if not called.done():  # cancelled a moment ago, and has not come to leave the queue yet
                called.set_result(None)
                self._hold(following)
                return True

    def _hold(self, user: Hashable) -> None:
        self._free -= 1
        self._held[user] += 1

    def _order(self, user: Hashable) -> Any:
        """Return a key by which the lowest is called; among equals, who was served longest ago."""
        return self._held[user]

    def _may_have_more(self, user: Hashable) -> bool:
        return self._max_per_user is None or self._held[user] < self._max_per_user

    def _leave(self, user: Hashable, called: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(user, deque())
        if called in waiting:
            waiting.remove(called)
            if not waiting:
                del self._waiting[user]
