"""Which replies the model is asked for now, and which wait: as many as the server shows that it can answer.

Servers differ by a thousand in how many replies they write at once, and none says how many. One that cannot take more
keeps requests in a queue of its own, first come, first served: a hundred prompts of one person would come before the
one of the next. So only a few requests may be without their first token, and as many more as replies are being
written. A server with one slot is asked for a few; one that answers at once is asked for twice as many with each round.
"""

from collections import Counter
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
        # Where the operator bounds them lower than that, the server's own queue is short, and turns are taken here.
        self._max_of_one = max_asked if max_asked <= MIN_UNANSWERED else MIN_UNANSWERED // 2
        self._queue = _Places(min(max_asked, MIN_UNANSWERED), max_unanswered_of_one=self._max_of_one)

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
                self._queue.count_unanswered(asker, -1)
                self._count(1)

        async with self._queue.place(asker):
            try:
                yield note_answer
            finally:
                if answered:
                    self._count(-1)
                    self._queue.count_unanswered(asker, 1)  # the place is given back as it was taken

    def _count(self, more: int) -> None:
        self._answering += more
        window = max(MIN_UNANSWERED, self._answering)
        self._queue.max_unanswered_of_one = max(self._max_of_one, window // 2)
        self._queue.resize(min(self.max_asked, self._answering + window))


class _Places(FairQueue):
    """Places at the model. Accounts come before guests.

    Of the requests that are unanswered one account has half at most, and all guests together, who become guests by
    asking, half of `MIN_UNANSWERED`: a server that answers in the order of its own queue would keep others waiting.
    """

    def __init__(self, places: int, *, max_unanswered_of_one: int) -> None:
        super().__init__(places)
        self.max_unanswered_of_one = max_unanswered_of_one
        self._max_unanswered_of_guests = max(1, places // 2)
        self._unanswered: Counter[Hashable] = Counter()
        self._unanswered_guests = 0

    def count_unanswered(self, user: Hashable, more: int) -> None:
        self._unanswered[user] += more
        if not self._unanswered[user]:
            del self._unanswered[user]
        self._unanswered_guests += more * _is_guest(user)

    def _hold(self, user: Hashable) -> None:
        super()._hold(user)
        self.count_unanswered(user, 1)

    def _release(self, user: Hashable) -> None:
        self.count_unanswered(user, -1)
        super()._release(user)

    def _order(self, user: Hashable) -> tuple[bool, int]:
        return _is_guest(user), self._held[user]

    def _may_have_more(self, user: Hashable) -> bool:
        if self._unanswered[user] >= self.max_unanswered_of_one:
            return False
        return not _is_guest(user) or self._unanswered_guests < self._max_unanswered_of_guests


def _is_guest(user: Hashable) -> bool:
    return isinstance(user, Asker) and user.is_guest
