"""One reply while it is generated: its text so far, and the followers that wait for more."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chatkeep.chat.history.fragments import Fragment
from chatkeep.chat.history.turn import OpenTurn
from chatkeep.chat.models import Piece, Text, TextWasReasoning
from chatkeep.chat.reply_log import ReplyLog, ReplySpan
from chatkeep.chat.schemas import Turn
from chatkeep.chat.status import Status

# Between two looks at whether a reply is whole and not kept.
CHECK_INTERVAL_SECONDS = 0.5


class Generation:
    """A reply on the replica that generates it. Positions are those of `ReplyLog`."""

    def __init__(self, begun: OpenTurn) -> None:
        self.begun = begun
        self.task: asyncio.Task[None] | None = None
        # The turn as it is kept, once it has ended; None also where it was deleted or taken over.
        self.finished: Turn | None = None
        self.generating = True
        # Waits until the model may be asked for it, see `ModelQueue`.
        self.is_queued = True
        # The status of a cancelled generation.
        self.cancel_status: Status = "interrupted"
        self.ended = False
        # How many of the turns before it the model is not shown.
        self.left_out: int | None = None
        self.first_text_ms: int | None = None
        self._began = time.monotonic()
        self._whole_at: float | None = None
        self.log = ReplyLog()
        self._written = self._write_to = 0
        self._being_written: list[Fragment] | None = None
        self._renaming: tuple[int, str] | None = None
        self._write_over = asyncio.Event()
        self._write_over.set()
        # Followers that wait for text, and those that wait for the end alone.
        self._waiting: set[asyncio.Future[None]] = set()
        self._resting: set[asyncio.Future[None]] = set()

    def append(self, piece: Piece) -> None:
        """Add what the model said."""
        if self.log.append(piece):
            if self.first_text_ms is None and isinstance(piece, Text):
                self.first_text_ms = int((time.monotonic() - self._began) * 1000)
            self._wake_waiting()
        if isinstance(piece, TextWasReasoning):
            self._renaming = (self.length, piece.field)

    async def close_input(self) -> None:
        """Take no more, and wait for a write that is under way: it must not come after the turn's end."""
        if self.log.finish():
            self._wake_waiting()
        self.generating, self._whole_at = False, time.monotonic()
        await self._write_over.wait()

    def finish(self, turn: Turn | None) -> None:
        """Let everyone know that nothing more comes."""
        self.finished = turn
        self.ended = True
        _wake_all(self._waiting)
        _wake_all(self._resting)

    def cancel(self, status: Status) -> None:
        """End the generation with the text that there is. A write that is under way is left to end."""
        if self.generating and self.task is not None:
            self.cancel_status = status
            self.task.cancel()

    @property
    def length(self) -> int:
        return self.log.length

    def stretches(self, start: int = 0, most: int | None = None) -> Sequence[ReplySpan]:
        """Return the reply from `start` on, or at most that many positions of it."""
        return self.log.stretches(start, most)

    async def more_than(self, position: int, *, seconds: float) -> bool:
        """Wait for something after `position` or for the end; False where neither came within `seconds`."""
        if self.length <= position and not self.ended:
            await _woken(self._waiting, seconds)
        return self.length > position or self.ended

    async def rest(self, seconds: float) -> None:
        """Let more come together for `seconds`, or until the end."""
        if not self.ended:
            await _woken(self._resting, seconds)

    def move_to(self, user_id: UUID) -> None:
        """Go on as another user's: a guest signed in. Text written down from now on is theirs."""
        self.begun = replace(self.begun, user_id=user_id)
        if self._being_written is not None:
            self._being_written = [replace(each, user_id=user_id) for each in self._being_written]

    async def until_ended(self, *, kept_within_seconds: float) -> bool:
        """Wait for the end; False where the reply is whole for so long of it and the database has not taken it.

        Not woken by each piece on the way.
        """
        began = time.monotonic()
        while self.task is not None and not (await asyncio.wait([self.task], timeout=CHECK_INTERVAL_SECONDS))[0]:
            whole_at = self._whole_at
            if whole_at is not None and time.monotonic() - max(whole_at, began) > kept_within_seconds:
                return False
        return True

    def begin_write(self) -> Sequence[Fragment]:
        """Return the fragments to write down next; the same again until `end_write` says that they were.

        Where that is nothing, an empty fragment, which asks how the turn stands.
        """
        self._write_over.clear()
        if self._being_written is None:
            new = self.stretches(self._written) or [ReplySpan(self._written, None, "")]
            user_id, turn_id = self.begun.user_id, self.begun.id
            self._being_written = [Fragment(user_id, turn_id, each.position, each.text, each.kind) for each in new]
            self._write_to = new[-1].position + new[-1].length
        return self._being_written

    def end_write(self, *, worked: bool) -> None:
        if worked and self._being_written is not None:
            self._written, self._being_written = self._write_to, None
        self._write_over.set()

    def renaming(self) -> tuple[int, str] | None:
        """Return up to which position text that is written down was reasoning, and under which name; None: nowhere."""
        return self._renaming if self._renaming is not None and self._written >= self._renaming[0] else None

    def end_renaming(self) -> None:
        self._renaming = None

    def _wake_waiting(self) -> None:
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
