"""Time that passes when a test says so."""

from datetime import datetime, timedelta

from chatkeep.clock import utc_now


class MovableClock:
    """Starts now, and stands still."""

    def __init__(self) -> None:
        self._now = utc_now()

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
