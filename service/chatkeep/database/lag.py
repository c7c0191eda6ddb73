"""How far a standby is behind its primary, in seconds.

The primary's place in its log is noted once a second. A standby that has applied up to a noted place has everything
that was committed until then. So the figure needs no clocks that agree, is right while nothing is written, and also
where the standby has lost its primary and does not know what it misses.
"""

import math
from bisect import bisect_right
from collections import deque

# Notes, one a second: for as long as a standby may be behind and still be of use.
MAX_NOTES = 4000


class Lag:
    """Notes of a primary's places."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_NOTES)
        self._places: deque[int] = deque(maxlen=MAX_NOTES)

    def note(self, at: float, place: int) -> None:
        """Note where the primary was.

        Args:
            at: the time before it was asked.
        """
        if self._places and place < self._places[-1]:
            # Another primary, which has not all that the one before had: what was noted of that one says nothing.
            self._times.clear()
            self._places.clear()
        self._times.append(at)
        self._places.append(place)

    def seconds(self, now: float, place: int) -> float:
        """Return for how long something may have been committed that a server at `place` does not have, at most.

        Infinite where it is further behind than the notes reach.
        """
        reached = bisect_right(self._places, place)
        return now - self._times[reached - 1] if reached else math.inf
