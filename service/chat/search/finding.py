"""The newest turns that fit a query: by the index where few do, by walking from the newest where many do.

An index on lexemes knows no order: it has to collect every match before the newest can be told. What is in one of
thirty turns is found sooner by looking at the newest turns one by one. So the first `SAMPLE_TURNS` are looked at
anyway, and what they say decides: where the page can be expected to be full within `MOST_WALKED_TURNS`, the walk goes
on, and otherwise the index goes on from where it stopped. A wrong guess costs a walk of that length and no more.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from service.chat.search.asked import Asked
from service.chat.search.matching import fits
from service.errors import QueryTooSlow

SAMPLE_TURNS = 50
MOST_WALKED_TURNS = 1_500
WALK_TURNS = 500
LONGEST_SECONDS = 10
# More text than this is held against a query in a thread.
LONG_CHARACTERS = 20_000
BEFORE_NEWEST = UUID(int=2**128 - 1)

# A candidate: `turn_id`, `prompt`, `reply` and whatever the asker shows.
Candidate = Any


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk came by.

    Args:
        candidates: the turns whose lexemes fit, newest first.
        turns: how many were looked at; fewer than asked for where there are no more.
        last_id: of the last one.
    """

    candidates: Sequence[Candidate]
    turns: int
    last_id: UUID | None


class Source(Protocol):
    """Where turns are looked for.

    Args:
        few_turns: whatever is asked, so few turns come into question that the index alone is quickest.
        can_use_index: the index narrows it down at all.
    """

    few_turns: bool
    can_use_index: bool

    async def walk(self, after: UUID, turns: int) -> Walked:
        """Look at the newest turns before `after`."""

    async def look_up(self, after: UUID, limit: int) -> Sequence[Candidate]:
        """Return the newest candidates before `after`."""


class Finding:
    """One search, on its way to a page."""

    def __init__(
        self, asked: Asked, source: Source, *, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asked = asked
        self._source = source
        self._limit = limit
        self._clock = clock
        self._ends_at = clock() + LONGEST_SECONDS
        self._found: dict[UUID, Candidate] = {}
        self._walked = 0

    async def newest(self, after: UUID | None) -> list[Candidate]:
        """Return the newest turns before `after` that fit, at most `limit`.

        Raises:
            QueryTooSlow: it took longer than `LONGEST_SECONDS`.
        """
        last: UUID | None = after or BEFORE_NEWEST
        if not self._source.few_turns:
            last = await self._walk(last or BEFORE_NEWEST)
        if last is not None and not self._full:
            await self._look_up(last)
        return list(self._found.values())[: self._limit]

    @property
    def _full(self) -> bool:
        return len(self._found) >= self._limit

    async def _walk(self, last: UUID) -> UUID | None:
        """Walk as far as it promises to be worth it; return from where on to go on, None where nothing is left."""
        step = SAMPLE_TURNS
        while True:
            walked = await self._source.walk(last, step)
            await self._take(walked.candidates)
            self._walked += walked.turns
            if walked.turns < step or walked.last_id is None:
                return None
            last = walked.last_id
            if self._full or not self._is_worth_walking():
                return last
            step = WALK_TURNS

    def _is_worth_walking(self) -> bool:
        if not self._source.can_use_index:
            return True
        expected = self._limit * self._walked
        return self._walked < MOST_WALKED_TURNS and expected <= MOST_WALKED_TURNS * len(self._found)

    async def _look_up(self, last: UUID) -> None:
        many = self._limit - len(self._found)
        while True:
            candidates = await self._source.look_up(last, many)
            await self._take(candidates)
            if len(candidates) < many or self._full:
                return
            last = candidates[-1]["turn_id"]
            # What is mostly no match is read in longer stretches.
            many = min(2 * many, 4 * self._limit)

    async def _take(self, candidates: Sequence[Candidate]) -> None:
        characters = sum(len(each["prompt"]) + len(each["reply"] or "") for each in candidates)
        if characters > LONG_CHARACTERS:
            fitting = await asyncio.to_thread(self._fitting, candidates)
        else:
            fitting = self._fitting(candidates)
        self._found |= {each["turn_id"]: each for each in fitting}
        if self._clock() > self._ends_at and not self._full:
            raise QueryTooSlow("That took too long and was stopped. Ask for rarer words, or for more of them.")

    def _fitting(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        return [each for each in candidates if fits(self._asked, each["prompt"], each["reply"])]
