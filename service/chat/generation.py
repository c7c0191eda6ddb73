"""One reply while it is generated: the text so far, and whoever waits for more of it."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from service.chat.models import OutputCleaner
from service.chat.turn_log import Fragment
from service.chat.turns import BegunTurn, Status

# Between two looks at whether a reply is whole and not kept.
LOOK_SECONDS = 0.5


class Generation:
    """The text of a reply on the replica that generates it. Positions count Unicode code points."""

    def __init__(self, begun: BegunTurn) -> None:
        self.begun = begun
        self.task: asyncio.Task[None] | None = None
        # How the turn ended, as it is kept; None also where it was deleted or taken over.
        self.row: Mapping[str, Any] | None = None
        self.generating = True
        # What a cancelled generation ends as.
        self.cut_as: Status = "interrupted"
        self.ended = False
        self.first_text_ms: int | None = None
        self._began = time.monotonic()
        self._whole_at: float | None = None
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._length = 0
        self._written = 0
        self._being_written: Fragment | None = None
        self._write_over = asyncio.Event()
        self._write_over.set()
        self._cleaner = OutputCleaner()
        # Who waits for text, and who for the end alone.
        self._waiting: set[asyncio.Future[None]] = set()
        self._resting: set[asyncio.Future[None]] = set()

    def append(self, piece: str) -> None:
        """Add what the model said; what PostgreSQL cannot keep is replaced here, for every model."""
        self._append(self._cleaner.feed(piece))

    async def seal(self) -> str:
        """Take no more text, and wait for a write that is under way: it must not come after the turn's end."""
        self._append(self._cleaner.finish())
        self.generating, self._whole_at = False, time.monotonic()
        await self._write_over.wait()
        return self.text()

    def end(self, row: Mapping[str, Any] | None) -> None:
        """Let everyone know that nothing more comes."""
        self.row = row
        self.ended = True
        _wake_all(self._waiting)
        _wake_all(self._resting)

    def cut(self, status: Status) -> None:
        """End the generation with the text that there is. What is being kept already is left to end."""
        if self.generating and self.task is not None:
            self.cut_as = status
            self.task.cancel()

    @property
    def length(self) -> int:
        return self._length

    def text(self, start: int = 0, most: int | None = None) -> str:
        """Return the reply from `start` on, or at most that many code points of it."""
        if start >= self._length:
            return ""
        first = bisect_right(self._starts, start) - 1
        last = None if most is None else bisect_right(self._starts, start + most)
        return (self._pieces[first][start - self._starts[first] :] + "".join(self._pieces[first + 1 : last]))[:most]

    async def more_than(self, position: int, *, seconds: float) -> bool:
        """Wait for text after `position` or for the end; False where neither came within `seconds`."""
        if self._length <= position and not self.ended:
            await _woken(self._waiting, seconds)
        return self._length > position or self.ended

    async def rest(self, seconds: float) -> None:
        """Let text come together for `seconds`, or until the end."""
        if not self.ended:
            await _woken(self._resting, seconds)

    def move_to(self, user_id: UUID) -> None:
        """Go on as another user's: a guest signed in. What is written down from now on is theirs."""
        self.begun = replace(self.begun, user_id=user_id)
        if self._being_written is not None:
            self._being_written = replace(self._being_written, user_id=user_id)

    async def until_ended(self, *, kept_within_seconds: float) -> bool:
        """Wait for the end; False where the reply is whole for so long of it and the database has not taken it.

        Not woken by each piece on the way.
        """
        began = time.monotonic()
        while self.task is not None and not (await asyncio.wait([self.task], timeout=LOOK_SECONDS))[0]:
            whole_at = self._whole_at
            if whole_at is not None and time.monotonic() - max(whole_at, began) > kept_within_seconds:
                return False
        return True

    def begin_write(self) -> Fragment:
        """Return what is to be written down next; the same again until `end_write` says that it was."""
        self._write_over.clear()
        if self._being_written is None:
            begun = self.begun
            self._being_written = Fragment(begun.user_id, begun.id, self._written, self.text(self._written))
        return self._being_written

    def end_write(self, *, worked: bool) -> None:
        if worked and self._being_written is not None:
            self._written += len(self._being_written.text)
            self._being_written = None
        self._write_over.set()

    def _append(self, text: str) -> None:
        if text:
            if self.first_text_ms is None:
                self.first_text_ms = int((time.monotonic() - self._began) * 1000)
            self._starts.append(self._length)
            self._pieces.append(text)
            self._length += len(text)
            if self._waiting:
                _wake_all(self._waiting)


async def _woken(waiting: "set[asyncio.Future[None]]", seconds: float) -> None:
    """Wait to be woken, but not longer than that.

    By hand: an event and a time-out cost several times as much, for each piece and each follower.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()
    waiting.add(news)
    timer = loop.call_later(seconds, _wake, news)
    try:
        await news
    finally:
        timer.cancel()
        waiting.discard(news)


def _wake_all(waiting: "set[asyncio.Future[None]]") -> None:
    for news in waiting:
        _wake(news)
    waiting.clear()


def _wake(news: "asyncio.Future[None]") -> None:
    if not news.done():
        news.set_result(None)
