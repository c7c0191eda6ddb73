"""Rounds of the same work by several sides in turn, and what each cost: time, processors, log."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.clients import percentile
from bench.measurements import Bar, Effort, Figure, Sides
from bench.postgres import PostgresServer

# Does one piece of work, of the task and the number that it is given. Its seconds, where not all of its time counts.
Work = Callable[[int, int], Awaitable[float | None]]


async def nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that do the same.

    Args:
        processor_seconds: what the side's own process has used.
        settle: does what the side leaves for later. It counts as processor time and log, not as time.
    """

    name: str
    work: Work
    processor_seconds: Callable[[], float] = time.process_time
    settle: Callable[[], Awaitable[None]] = nothing


@dataclass(frozen=True, slots=True)
class Round:
    """What one side took for one round.

    Args:
        seconds: from the first piece of work to the end of the last.
        latencies: seconds of each piece.
        service, postgres: processor seconds of a piece; None where PostgreSQL is on another machine.
        wal_bytes: of a piece.
    """

    seconds: float
    latencies: Sequence[float]
    service: float
    postgres: float | None
    wal_bytes: float

    @property
    def throughput(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def seconds_of_one(self) -> float:
        return self.seconds / len(self.latencies)

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 0.5)

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 0.99)


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table of costs: medians of a side's rounds, each of one piece of work.

    Args:
        hot_share: of the side's updates, from 0 to 1.
    """

    case: str
    side: str
    p50_ms: float
    p99_ms: float
    throughput: float
    service_us: float
    postgres_us: float | None
    wal_bytes: float
    hot_share: float | None = None


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of every side, in the order in which they were made.

    Args:
        case: what was done.
    """

    case: str
    of: dict[str, list[Round]]

    def ratio(
        self, name: str, bar: Bar | None, value: Callable[[Round], float], beside: str, *, ours: str = "chatkeep"
    ) -> Figure:
        """Return a value of ours against the same of another side, round by round.

        Args:
            value: in seconds.
        """
        pairs = zip(map(value, self.of[ours]), map(value, self.of[beside]), strict=True)
        return Sides(list(pairs)).ratio(name, bar)

    def costs(self, hot_shares: dict[str, float | None] | None = None) -> list[Cost]:
        return [_cost(self.case, side, rounds, (hot_shares or {}).get(side)) for side, rounds in self.of.items()]


def at(tasks: int) -> str:
    return "one after the other" if tasks == 1 else f"{tasks} at once"


async def interleaved(
    case: str, sides: Sequence[Side], server: PostgresServer, effort: Effort, *, tasks: int, times: int
) -> Rounds:
    """Have each side do `times` pieces of work a round, in `tasks` tasks at once.

    Each side is first as often as the others. One more round before the others warms up.
    """
    found: dict[str, list[Round]] = {side.name: [] for side in sides}
    each = max(2, round(effort.of(times) / tasks))
    for number in range(effort.rounds + 1):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            made = await _round(side, server, tasks, each, number * each)
            if number:
                found[side.name].append(made)
    return Rounds(case, found)


async def _round(side: Side, server: PostgresServer, tasks: int, each: int, first: int) -> Round:
    latencies: list[float] = []

    async def one(task: int) -> None:
        for number in range(first, first + each):
            begun = time.perf_counter()
            seconds = await side.work(task, number)
            latencies.append(time.perf_counter() - begun if seconds is None else seconds)

    wal, postgres, service = await server.wal_bytes(), server.processor_seconds(), side.processor_seconds()
    begun = time.perf_counter()
    await asyncio.gather(*(one(task) for task in range(tasks)))
    seconds = time.perf_counter() - begun
    await side.settle()
    service = side.processor_seconds() - service
    used = server.processor_seconds()
    wal = await server.wal_bytes() - wal
    many = len(latencies)
    of_postgres = None if used is None or postgres is None else (used - postgres) / many
    return Round(seconds, latencies, service / many, of_postgres, wal / many)


def _cost(case: str, side: str, rounds: Sequence[Round], hot_share: float | None) -> Cost:
    def median(value: Callable[[Round], float]) -> float:
        return statistics.median(map(value, rounds))

    return Cost(
        case,
        side,
        p50_ms=median(lambda each: each.p50) * 1e3,
        p99_ms=median(lambda each: each.p99) * 1e3,
        throughput=median(lambda each: each.throughput),
        service_us=median(lambda each: each.service) * 1e6,
        postgres_us=None if rounds[0].postgres is None else median(lambda each: each.postgres or 0) * 1e6,
        wal_bytes=median(lambda each: each.wal_bytes),
        hot_share=hot_share,
    )
