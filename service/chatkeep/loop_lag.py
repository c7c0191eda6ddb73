"""How late the event loop is: more is asked of the process than it can do, whatever it is that is asked."""

import asyncio

TICK_SECONDS = 0.05
# Of each new lateness in the mean, which so looks back on about half a second.
SHARE = 0.2


class LoopLag:
    """The lateness of a timer in the loop that it is started in, until it is stopped."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        self.seconds += SHARE * (now - self._due - self.seconds)
        self._due = now + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)
