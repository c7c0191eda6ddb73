"""Many clients at once, for as long as a scenario lasts."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from tests.crash.chat_client import Chatter
from tests.crash.clients import Site

POLL_SECONDS = 0.01


class Actor(Protocol):
    """Does something over and over, until the site ends."""

    async def run(self) -> None: ...


class Load:
    """Actors at work."""

    def __init__(self, site: Site, actors: Sequence[Actor]) -> None:
        self._site = site
        self._actors = actors
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(each.run()) for each in self._actors]

    @property
    def reading(self) -> int:
        """How many are in the middle of a reply."""
        return sum(each.is_reading for each in self._chatters())

    @property
    def finished(self) -> int:
        """How many replies have come to an end so far."""
        return sum(each.finished for each in self._chatters())

    async def until_busy(self, *, reading: int, finishing: int = 0, seconds: float = 120) -> None:
        """Wait until so many replies are in the middle, and so many more have come to their end.

        Raises:
            TimeoutError: that does not happen.
        """
        enough = self.finished + finishing
        async with asyncio.timeout(seconds):
            while self.reading < reading or self.finished < enough:
                self.raise_failure()
                await asyncio.sleep(POLL_SECONDS)

    async def run_on(self, seconds: float) -> None:
        """Let everyone go on for a while, so that a kill comes at any moment."""
        await asyncio.sleep(seconds)
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what ended an actor: a fault of the harness, never of the service."""
        for task in self._tasks:
            if task.done():
                task.result()

    @property
    def came_back(self) -> int:
        """How often a reply was gone on with after it had been left."""
        return sum(each.came_back for each in self._chatters())

    def stops(self) -> list[float]:
        """How many seconds each reply went on that was stopped."""
        return [seconds for each in self._chatters() for seconds in each.stop_seconds]

    def _chatters(self) -> Iterator[Chatter]:
        return (each for each in self._actors if isinstance(each, Chatter))

    async def end(self, *, seconds: float) -> int:
        """Let everyone finish what they do; return how many could not in time."""
        self._site.ending = True
        done, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            task.result()
        return len(late)


async def chatters(
    site: Site,
    *,
    users: int,
    conversations: int,
    lengths: tuple[int, int],
    restless: float = 0.0,
    stops: float = 0.0,
) -> list[Chatter]:
    """Return new users, each with some conversations that they chat in at once."""
    found = []
    for _ in range(users):
        browser = await site.person()
        for _ in range(conversations):
            answer = await browser.insist("POST", "/api/v1/conversations", {})
            found.append(Chatter(site, browser, answer.json()["id"], lengths=lengths, restless=restless, stops=stops))
    return found
