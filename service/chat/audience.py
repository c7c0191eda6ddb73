"""Who is being sent a reply at this moment, and by which session or token they may be."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from service.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class Audience:
    """The open streams of this process.

    A stream is opened once and may last for minutes. A thief whose session was revoked in the meantime would go on
    reading what the owner asks, so whoever's session or token has ended is sent away, about a second later. The
    reply itself goes on and is kept.

    Args:
        still_valid: which of these digests still belong to a session or token that opens something.
    """

    def __init__(self, still_valid: Callable[[Collection[bytes]], Awaitable[Collection[bytes]]]) -> None:
        self._still_valid = still_valid
        self._by_digest: defaultdict[bytes, set[Callable[[], None]]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(len(each) for each in self._by_digest.values())

    @contextmanager
    def joined(self, digest: bytes, leave: Callable[[], None]) -> Iterator[None]:
        """Belong to the audience until the block ends; `leave` ends the stream."""
        self._by_digest[digest].add(leave)
        try:
            yield
        finally:
            self._by_digest[digest].discard(leave)
            if not self._by_digest[digest]:
                del self._by_digest[digest]

    async def watch(self) -> None:
        """Send away whose session or token has ended, for as long as the process runs."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except DatabaseUnavailable:
                log.warning("database_unavailable", step="audience")
            except Exception:
                # Who would be sent away later is not sent away at all by a loop that has ended.
                log.exception("background_step_failed", step="audience")

    async def _look(self) -> None:
        # Without a digest somebody else says who asks, at each request: a proxy, an application.
        if digests := [digest for digest in self._by_digest if digest]:
            for ended in set(digests).difference(await self._still_valid(digests)):
                self._send_away(ended)

    async def gone(self, seconds: float) -> None:
        """Wait until every stream has ended by itself, but not longer than that."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while self._by_digest and clock() < deadline:  # noqa: ASYNC110  nobody else ever waits for this
            await asyncio.sleep(0.02)

    def send_all_away(self) -> None:
        """End every stream: the process is going down, and another one can be followed on."""
        for digest in list(self._by_digest):
            self._send_away(digest)

    def _send_away(self, digest: bytes) -> None:
        for leave in list(self._by_digest.get(digest, ())):
            leave()


@dataclass(frozen=True, slots=True)
class Seat:
    """On which terms somebody is sent a reply.

    Args:
        digest: of the session or token by which they may read it; empty where somebody else answers for them.
        write_timeout_seconds: how long one piece may wait for them to take it.
    """

    audience: Audience
    digest: bytes
    write_timeout_seconds: float
