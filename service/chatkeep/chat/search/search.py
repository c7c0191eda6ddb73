"""The newest turns that fit a query: by the index where few do, by walking from the newest where many do.

An index on lexemes knows no order: it has to collect every match before the newest can be told. What is in one of
a hundred turns of a million is found sooner by looking at the newest turns one by one, until the page is full. So the
newest `FIRST_TURNS` are looked at anyway, and what they say decides: where the page can be expected to be full sooner
than the index has collected all matches, the walk goes on, and otherwise the index goes on from where it stopped.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chatkeep.chat.search.filters import Filters
from chatkeep.chat.search.matching import matches
from chatkeep.chat.search.query import SearchQuery
from chatkeep.errors import QueryTooSlow

FIRST_TURNS = 250
NEXT_TURNS = 2_000
# The cost of a match for the index, in turns that are walked: each is somewhere else, and they are beside each other.
TURNS_PER_MATCH = 5
MAX_SEARCH_SECONDS = 10
# More text than this is held against a query in a thread.
LONG_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Candidate(ABC):
    """A turn that may fit, and whatever a source adds to show of it.

    Args:
        texts: those in which the query looks.
    """

    turn_id: UUID
    texts: Sequence[str | None]

    @abstractmethod
    def passes(self, filters: Filters, /) -> bool:
        """Tell whether it passes the filters of a query that are not about its texts."""


Found = TypeVar("Found", bound=Candidate)
Found_co = TypeVar("Found_co", bound=Candidate, covariant=True)


@dataclass(frozen=True, slots=True)
class ScanResult(Generic[Found_co]):
    """The result of a walk.

    Args:
        candidates: the turns whose lexemes fit, newest first; the walk ends where there are as many as were asked for.
        turns: how many were looked at; None where the walk ended with its last candidate.
        last_id: of the last one; None where there are no more.
        history: how many turns there are to walk, or about as many.
    """

    candidates: Sequence[Found_co]
    turns: int | None
    last_id: UUID | None
    history: float = 0


class Source(Protocol[Found_co]):
    """Where turns are looked for.

    Args:
        can_use_index: the index narrows it down at all.
    """

    can_use_index: bool

    async def just_ended(self, after: UUID) -> Sequence[Found_co]:
        """Return the newest turns before `after` that ended a moment ago, and which no index has yet."""

    async def scan(self, after: UUID, turns: int, limit: int) -> ScanResult[Found_co]:
        """Look at the newest `turns` before `after`, until there are `limit` candidates."""

    async def index_lookup(self, after: UUID, limit: int) -> Sequence[Found_co]:
        """Return the newest candidates before `after`."""

    async def older(self, after: UUID, limit: int) -> Sequence[Found_co]:
        """Return the newest candidates before `after` among turns that have entries of the release before."""


class Search(Generic[Found]):
    """One search, on its way to a page."""

    def __init__(
        self, asked: SearchQuery, source: Source[Found], *, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asked = asked
        self._source = source
        self._limit = limit
        self._clock = clock
        self._ends_at = clock() + MAX_SEARCH_SECONDS
        self._found: dict[UUID, Found] = {}
        # Whether there is one already, however late it gets.
        self._has_page = False
        self._oldest_id = asked.filters.oldest_id
        self._walked = 0
        self._candidates = 0

    async def newest(self, after: UUID | None) -> list[Found]:
        """Return the newest turns before `after` that fit, at most `limit`.

        Raises:
            QueryTooSlow: it took longer than `MAX_SEARCH_SECONDS`.
        """
        before = self._asked.filters.newest_id if after is None else min(after, self._asked.filters.newest_id)
        # First: what gets its index entry in the meantime is found twice, and not missed.
        ended = await self._fitting(await self._source.just_ended(before))
        last = await self._walk(before)
        if last is not None and not self._full:
            await self._look_up(self._source.index_lookup, last)
        found, self._found, self._has_page = self._found, {}, self._full
        await self._look_up(self._source.older, before)
        found |= self._found | {each.turn_id: each for each in ended}
        return [found[turn_id] for turn_id in sorted(found, reverse=True)[: self._limit]]

    @property
    def _full(self) -> bool:
        return len(self._found) >= self._limit

    async def _walk(self, last: UUID) -> UUID | None:
        """Walk as far as it promises to be worth it; return from where on to go on, None where nothing is left."""
        turns, many = FIRST_TURNS, self._limit
        while True:
            walked = await self._source.scan(last, turns, many)
            await self._take(walked.candidates)
            if walked.last_id is None or self._full:
                return walked.last_id
            last = walked.last_id
            if last < self._oldest_id:
                return None
            if walked.turns is None:
                many = self._more_than(many)
                continue
            self._walked += walked.turns
            self._candidates += len(walked.candidates)
            if not self._is_worth_scanning(walked.history):
                return last
            turns = NEXT_TURNS

    def _is_worth_scanning(self, history: float) -> bool:
        """Compare the turns that are still to walk with the matches that the index would have to collect."""
        if not self._source.can_use_index:
            return True
        missing = self._limit - len(self._found)
        turns_a_candidate = self._walked / (self._candidates + 1)
        return missing * turns_a_candidate <= TURNS_PER_MATCH * history / turns_a_candidate

    def _more_than(self, many: int) -> int:
        """Candidates that mostly do not match are read in longer stretches."""
        return min(2 * many, 4 * self._limit)

    async def _look_up(self, look: Callable[[UUID, int], Awaitable[Sequence[Found]]], last: UUID) -> None:
        many = self._limit - len(self._found)
        while True:
            candidates = await look(last, many)
            await self._take(candidates)
            if len(candidates) < many or self._full:
                return
            last = candidates[-1].turn_id
            if last < self._oldest_id:
                return
            many = self._more_than(many)

    async def _take(self, candidates: Sequence[Found]) -> None:
        self._found |= {each.turn_id: each for each in await self._fitting(candidates)}
        if self._clock() > self._ends_at and not self._full and not self._has_page:
            raise QueryTooSlow("That took too long and was stopped. Ask for rarer words, or for more of them.")

    async def _fitting(self, candidates: Sequence[Found]) -> list[Found]:
        def fitting() -> list[Found]:
            filters = self._asked.filters
            return [each for each in candidates if each.passes(filters) and matches(self._asked, *each.texts)]

        characters = sum(len(text or "") for each in candidates for text in each.texts)
        return await asyncio.to_thread(fitting) if characters > LONG_CHARACTERS else fitting()
