"""Paired measurements: both sides in turn, round by round, so that a machine that drifts drifts for both."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

ROUNDS = 7

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    Args:
        value: the median over the rounds.
        bar: what it may be at most, or at least where `at_least`.
        detail: the two sides, for people.
    """

    name: str
    value: float
    bar: float
    unit: str = "x"
    detail: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar


async def seconds_of(work: Work) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def paired(ours: Work, bare: Work, *, rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Time two pieces of work in turn; return the median ratio, and the median seconds of each.

    The first round of each warms up and does not count.
    """
    pairs: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        times = {first: await seconds_of(first), second: await seconds_of(second)}
        if number:
            pairs.append((times[ours], times[bare]))
    return medians(pairs)


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    return (
        statistics.median(ours / bare for ours, bare in pairs),
        statistics.median(ours for ours, _ in pairs),
        statistics.median(bare for _, bare in pairs),
    )


def compared(name: str, bar: float, found: tuple[float, float, float], times: int) -> Figure:
    """Return the figure of `paired` work that was done `times` times a round."""
    ratio, ours, bare = found
    return Figure(name, ratio, bar, detail=f"{ours / times * 1e6:,.0f} µs beside {bare / times * 1e6:,.0f} µs")
