"""Open answers of this process: the user of each, and how long each has waited for its reader."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from chatkeep.errors import NotAuthenticated
from chatkeep.http.delivery import Delivery
from chatkeep.periodic import run_every

CHECK_INTERVAL_SECONDS = 1.0
MAX_WRITE_CHECK_INTERVAL_SECONDS = 1.0
ENDED_MEANWHILE = "Your session, token or account ended while this was being done."

Close = Callable[[], None]


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """On which terms somebody is sent an answer that lasts. It ends when they no longer hold.

    Args:
        user_id: of the account, which has to be there and not be disabled.
        digest: of the session or token that asked, which must not have ended; empty where a server in front or an
            application says who asks.
        roles: one of which the account has to have; empty where any will do.
    """

    user_id: UUID
    digest: bytes = b""
    roles: frozenset[str] = frozenset()


# Returns which of many terms hold.
Standing = Callable[[Collection[StreamTerms]], Awaitable[Collection[StreamTerms]]]


class OpenStreams:
    """The open answers of this process.

    A stream is opened once and may last for minutes. A thief whose session was revoked in the meantime would go on
    reading what the owner asks, and an administrator who is none any more would get the rest of everybody's history.
    A client without a right to its answer any longer is cut off about a second later. The generation goes on.

    Args:
        write_timeout_seconds: how long one piece of any answer may wait for its client to take it.
    """

    def __init__(self, *, write_timeout_seconds: float) -> None:
        self.write_timeout_seconds = write_timeout_seconds
        self._by_terms: defaultdict[StreamTerms, set[Close]] = defaultdict(set)
        self._held: set[Close] = set()
        self._deliveries: set[Delivery] = set()
        self._standing: Standing = _nobody

    def __len__(self) -> int:
        return sum(len(each) for each in self._by_terms.values()) - len(self._held)

    @property
    def terms(self) -> Collection[StreamTerms]:
        """On which terms the answers are that are open now."""
        return list(self._by_terms)

    @property
    def deliveries(self) -> int:
        """How many answers are on their way, those that do not last among them."""
        return len(self._deliveries)

    @contextmanager
    def track(self, terms: StreamTerms, close: Close) -> Iterator[None]:
        """Have `close` called when the terms no longer hold, until the block ends. Nobody else may be tracking it."""
        if close in self._by_terms[terms]:
            raise RuntimeError("it is tracked already, and would not be any more when the inner block ends")
        self._by_terms[terms].add(close)
        try:
            yield
        finally:
            self._by_terms[terms].discard(close)
            if not self._by_terms[terms]:
                del self._by_terms[terms]

    @contextmanager
    def hold(self, terms: StreamTerms) -> Iterator[None]:
        """End the block when the terms no longer hold: work that somebody waits for, before a word of its answer.

        Raises:
            NotAuthenticated: they do not, and the block was cancelled.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("work is done in a task")
        closed = False

        def close() -> None:
            nonlocal closed
            if not closed:
                closed = True
                task.cancel()

        self._held.add(close)
        try:
            with self.track(terms, close):
                yield
        except asyncio.CancelledError:
            if not closed or task.uncancel():
                raise
            raise NotAuthenticated(ENDED_MEANWHILE) from None
        finally:
            self._held.discard(close)

    @contextmanager
    def track_sending(self, terms: StreamTerms, close: Close) -> Iterator[None]:
        """Have `close` called when the terms no longer hold, for a long answer that is there and only to be sent.

        It ends soon by itself: the end of the process neither waits for it nor cuts it.
        """
        self._held.add(close)
        try:
            with self.track(terms, close):
                yield
        finally:
            self._held.discard(close)

    @contextmanager
    def deliver(self, delivery: Delivery) -> Iterator[None]:
        """Watch that the client takes an answer, until the block ends."""
        self._deliveries.add(delivery)
        try:
            yield
        finally:
            self._deliveries.discard(delivery)

    async def watch(self, standing: Standing) -> None:
        """Cut off clients that may no longer read, for as long as the process runs."""
        self._standing = standing
        await run_every(CHECK_INTERVAL_SECONDS, self._look, name="open streams")

    async def watch_writes(self) -> None:
        """Cut off clients that do not read what they are sent. Not in `watch`: a slow database must not delay it."""
        seconds = min(self.write_timeout_seconds / 2, MAX_WRITE_CHECK_INTERVAL_SECONDS)
        await run_every(seconds, self._cut_unread, name="unread answers")

    async def _cut_unread(self) -> None:
        late = time.monotonic() - self.write_timeout_seconds
        for delivery in [each for each in self._deliveries if each.waits_since(late)]:
            delivery.close()

    async def _look(self) -> None:
        if terms := list(self._by_terms):
            for ended in set(terms).difference(await self._standing(terms)):
                self._close(ended)

    async def holds(self, terms: StreamTerms) -> bool:
        """Tell whether the terms hold right now.

        Raises:
            DatabaseUnavailable: the terms cannot be checked just now.
        """
        return terms in await self._standing([terms])

    async def require(self, terms: StreamTerms) -> None:
        """See that the terms still hold, before an answer that came as they may have ended.

        Raises:
            NotAuthenticated: they do not.
            DatabaseUnavailable: the terms cannot be checked just now.
        """
        if not await self.holds(terms):
            raise NotAuthenticated(ENDED_MEANWHILE)

    async def wait_closed(self, seconds: float) -> None:
        """Wait until every stream has ended by itself, but not longer than that."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while len(self) and clock() < deadline:  # noqa: ASYNC110  nobody else ever waits for this
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End every stream: the process is going down, and another one can be followed on."""
        for terms in list(self._by_terms):
            self._close(terms, but=self._held)

    def _close(self, terms: StreamTerms, but: Collection[Close] = ()) -> None:
        for close in [each for each in self._by_terms.get(terms, ()) if each not in but]:
            close()


async def _nobody(_: Collection[StreamTerms]) -> Collection[StreamTerms]:
    return ()
