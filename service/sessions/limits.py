"""How long a session lives: until nobody used it for a while, and never past a moment fixed at its start."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Writing on every request would cost as much as the request.
TOUCH_INTERVAL = timedelta(minutes=1)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def later(time: datetime, by: timedelta) -> datetime:
    """Return the time that is `by` later, or earlier; at most the calendar's end."""
    try:
        return time + by
    except OverflowError:
        return EARLIEST if by < timedelta(0) else LATEST


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Args:
    idle_seconds: unused for this long, a session ends.
    max_seconds: used or not, it ends this long after it began.
    """

    idle_seconds: int
    max_seconds: int

    def ends_at(self, began_at: datetime) -> datetime:
        """Return when a session ends at the latest."""
        return later(began_at, timedelta(seconds=self.max_seconds))

    def ends_unused_at(self, last_seen_at: datetime, ends_at: datetime) -> datetime:
        """Return when a session ends if it is not used again."""
        return min(ends_at, later(last_seen_at, timedelta(seconds=self.idle_seconds)))

    def idle_since(self, now: datetime) -> datetime:
        """Return the moment after which a session must have been seen to be alive now."""
        return later(now, -timedelta(seconds=self.idle_seconds))

    @property
    def touch_interval(self) -> timedelta:
        """How old `last_seen_at` may grow; shorter where a minute would be much of the idle limit."""
        return min(TOUCH_INTERVAL, timedelta(seconds=self.idle_seconds) / 4)

    def needs_touch(self, now: datetime, last_seen_at: datetime) -> bool:
        return now - last_seen_at >= self.touch_interval
