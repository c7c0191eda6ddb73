"""How often, and when, one reply is asked for again."""

import time

from chatkeep.chat.models.errors import ModelError, ModelLoading

# Told to wait longer than this, it is better to say so than to keep someone waiting.
MAX_RETRY_PAUSE_SECONDS = 10.0
# A failure that took longer was tried again by a gateway already, and both together are too long for anyone.
RETRY_WITHIN_SECONDS = 3.0
MAX_LOADING_PAUSE_SECONDS = 5.0


class Retries:
    """The further tries of one reply.

    Args:
        retries: how many there may be; loading does not count.
        pause_seconds: before the first, doubled before each further one.
        loading_seconds: how long loading may take.
    """

    def __init__(self, retries: int, pause_seconds: float, loading_seconds: float) -> None:
        self._left = retries
        self._pause_seconds = pause_seconds
        self._loading_seconds = loading_seconds
        self._loading_pause_seconds = pause_seconds
        self._began = time.monotonic()

    def pause_after(self, error: ModelError) -> float | None:
        """How long to wait before another try, or None when there is to be none."""
        if not error.worth_retrying:
            return None
        passed_seconds = time.monotonic() - self._began
        asked_seconds = error.retry_after_seconds
        if isinstance(error, ModelLoading):
            pause_seconds = self._loading_pause_seconds if asked_seconds is None else asked_seconds
            self._loading_pause_seconds = min(MAX_LOADING_PAUSE_SECONDS, 2 * self._loading_pause_seconds)
            return pause_seconds if passed_seconds + pause_seconds < self._loading_seconds else None
        if not self._left:
            return None
        self._left -= 1
        if asked_seconds is not None:
            return asked_seconds if asked_seconds <= MAX_RETRY_PAUSE_SECONDS else None
        pause_seconds, self._pause_seconds = self._pause_seconds, 2 * self._pause_seconds
        return pause_seconds if passed_seconds <= RETRY_WITHIN_SECONDS else None
