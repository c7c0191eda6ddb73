"""Tries that were counted, could not be made, and could not be taken back: a full disk takes no change at all.

Without this, somebody whose right password met ten answers of 503 would be told to wait when the database is well
again. What is owed is kept in this process. If it dies, the tries stay counted until their window ends: too strict
for a while, and never a guess for nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

# Beyond these, tries stay counted: no outage may fill the memory.
MAX_OWED_BUCKETS = 10_000

Window = tuple[bytes, datetime]


class OwedTries:
    """How many tries each counter has to be given back, each for the window in which it was counted."""

    def __init__(self) -> None:
        self._owed: dict[Window, int] = {}

    def add(self, windows: Collection[Window], now: datetime) -> None:
        """Owe one try in each window."""
        self._owed = {window: tries for window, tries in self._owed.items() if window[1] > now}
        for window in windows:
            if window in self._owed or len(self._owed) < MAX_OWED_BUCKETS:
                self._owed[window] = self._owed.get(window, 0) + 1

    def of(self, window: Window) -> int:
        return self._owed.get(window, 0)

    @contextmanager
    def paid_back(self, buckets: Collection[bytes]) -> Iterator[Mapping[Window, int]]:
        """Have what these buckets are owed given back in the block; it is owed again if the block fails."""
        taken = {window: tries for window, tries in self._owed.items() if window[0] in buckets}
        for window in taken:
            del self._owed[window]
        try:
            yield taken
        except BaseException:
            for window, tries in taken.items():
                self._owed[window] = self._owed.get(window, 0) + tries
            raise
