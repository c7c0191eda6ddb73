"""Which replies the model is asked for now, and which wait: as many as the server shows that it can answer.

Servers differ by a thousand in how many replies they write at once, and none says how many. One that cannot take more
keeps requests in a queue of its own, first come, first served: a hundred prompts of one person would come before the
one of the next. So only a few requests may be without their first token, and as many more as replies are being
written. A server with one slot is asked for a few; one that answers at once is asked for twice as many with each round.
"""

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from chatkeep.fair_queue import FairQueue

# Requests without their first token, before the server has shown that it takes more.
MIN_UNANSWERED = 32


class Asker(NamedTuple):
    """The user of a reply."""

    user_id: UUID
    is_guest: bool


class ModelQueue:
    """The requests of one process to its model.

    Args:
        max_asked: how many may be there at once in any case.
    """

    def __init__(self, max_asked: int) -> None:
        self.max_asked = max_asked
        self._answering = 0
        self._queue = _Places(min(max_asked, MIN_UNANSWERED))

    @property
    def waiting(self) -> int:
        """How many replies wait for their turn."""
        return self._queue.waiting

    @asynccontextmanager
    async def place(self, asker: Asker) -> AsyncIterator[Callable[[], None]]:
        """Wait for the asker's turn and hold a place until the block ends; yields what to call at the first token."""
        answered = False

        def note_answer() -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._queue.unanswered_guests -= asker.is_guest
                self._count(1)

        async with self._queue.place(asker):
            try:
                yield note_answer
            finally:
                if answered:
                    self._count(-1)
                else:
                    self._queue.unanswered_guests -= asker.is_guest

    def _count(self, more: int) -> None:
        self._answering += more
        self._queue.resize(min(self.max_asked, self._answering + max(MIN_UNANSWERED, self._answering)))


class _Places(FairQueue):
    """Accounts come before guests, who have half of `MIN_UNANSWERED` at most: anybody becomes one by asking."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self.unanswered_guests = 0
        self._max_unanswered_guests = max(1, places // 2)

    def _hold(self, user: Hashable) -> None:
        super()._hold(user)
        self.unanswered_guests += _is_guest(user)

    def _order(self, user: Hashable) -> tuple[bool, int]:
        return _is_guest(user), self._held[user]

    def _may_have_more(self, user: Hashable) -> bool:
        return not _is_guest(user) or self.unanswered_guests < self._max_unanswered_guests


def _is_guest(user: Hashable) -> bool:
    return isinstance(user, Asker) and user.is_guest
