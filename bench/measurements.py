"""Paired measurements: both sides in turn, so that a machine that drifts drifts for both."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

# The work of one number: each side does as many in a round, one after the other.
Work = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure may be at most, or at least.

    Args:
        goal: met from there on.
        progress: not met, but nearer to it than before; None where there is nothing in between.
    """

    goal: float
    progress: float | None = None
    at_least: bool = False

    def verdict(self, value: float) -> Literal["met", "progress", "missed"]:
        if self._holds(value, self.goal):
            return "met"
        return "progress" if self.progress is not None and self._holds(value, self.progress) else "missed"

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.at_least else value <= limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    Args:
        value: the median over the rounds.
        bar: None where it only explains another.
        ours, bare: medians of the two sides, in `side_unit`.
        rounds: `value` of each round.
    """

    name: str
    value: float
    bar: Bar | None = None
    unit: str = "x"
    ours: float | None = None
    bare: float | None = None
    side_unit: str = "µs"
    rounds: Sequence[float] = ()

    @classmethod
    def of(cls, name: str, rounds: Sequence[float], bar: Bar | None, unit: str) -> Self:
        """Return the median of one side's rounds."""
        return cls(name, statistics.median(rounds), bar, unit, rounds=tuple(rounds))

    @property
    def verdict(self) -> Literal["met", "progress", "missed"] | None:
        return None if self.bar is None else self.bar.verdict(self.value)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Args:
        rounds: each figure is a median of this many; one more before them warms up and does not count.
        share: of the usual work in a round, from 0 to 1.
        messages: in the database; a turn is two.
    """

    rounds: int = 5
    share: float = 1.0
    messages: int = 2_000_000

    def of(self, times: int) -> int:
        return max(2, round(times * self.share))


@dataclass(frozen=True, slots=True)
class Sides:
    """What the rounds found of both sides, each a mean of its round."""

    pairs: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self, name: str, bar: Bar | None, *, scale: float = 1e6, side_unit: str = "µs") -> Figure:
        """Return ours against the bare side."""
        rounds = [ours / bare for ours, bare in self.pairs]
        ours, bare = (statistics.median(side) * scale for side in zip(*self.pairs, strict=True))
        return Figure(
            name, statistics.median(rounds), bar, ours=ours, bare=bare, side_unit=side_unit, rounds=tuple(rounds)
        )


async def seconds_of(work: Work, number: int) -> float:
    begun = time.perf_counter()
    await work(number)
    return time.perf_counter() - begun


async def paired(ours: Work, bare: Work, *, times: int, rounds: int) -> Sides:
    """Time two pieces of work `times` times a round, in turn, each first as often as the other."""
    sides = Sides()
    for number in range(rounds + 1):
        found = [0.0, 0.0]
        for each in range(number * times, (number + 1) * times):
            for side in (0, 1) if each % 2 else (1, 0):
                found[side] += await seconds_of((ours, bare)[side], each)
        if number:
            sides.pairs.append((found[0] / times, found[1] / times))
    return sides
