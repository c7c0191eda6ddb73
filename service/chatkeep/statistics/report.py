"""Counters over time: what happened in each hour, day or week, all in UTC."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Text, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import statistics, statistics_notes
from chatkeep.errors import Invalid
from chatkeep.statistics.counters import DURATION, ENDINGS, FIRST_TEXT, sum_notes
from chatkeep.statistics.latency import PERCENTILES, percentile

Bucket = Literal["hour", "day", "week"]

LENGTHS: Mapping[Bucket, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
MAX_BUCKETS = 1000
FIRST_YEAR, LAST_YEAR = 1970, 9998


@dataclass
class Counts:
    """Counters by name; durations by their bucket."""

    amounts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    durations: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def add(self, measure: str, bucket: int, count: int) -> None:
        if measure in (DURATION, FIRST_TEXT):
            self.durations[measure][bucket] += count
        else:
            self.amounts[measure] += count

    @property
    def turns(self) -> int:
        return sum(self.amounts[ending] for ending in ENDINGS)

    def percentiles(self, measure: str) -> dict[str, float | None]:
        """Return `p50` and others in seconds; None where nothing was measured."""
        return {f"p{percent}": percentile(self.durations[measure], percent) for percent in PERCENTILES}


@dataclass
class Period:
    """One hour, day or week, or all of them: everything, and of each model what is of a model."""

    start: datetime
    everything: Counts = field(default_factory=Counts)
    models: dict[str | None, Counts] = field(default_factory=lambda: defaultdict(Counts))

    def add(self, model: str, measure: str, bucket: int, count: int) -> None:
        self.everything.add(measure, bucket, count)
        if measure not in ("user", "conversation"):
            self.models[model or None].add(measure, bucket, count)


@dataclass
class Statistics:
    """Periods that follow each other without a gap, and their sum."""

    since: datetime
    until: datetime
    bucket: Bucket
    periods: list[Period]
    total: Period


def start_of(time: datetime, bucket: Bucket) -> datetime:
    """Return when the hour, day or ISO week (from Monday on) of a time began, in UTC."""
    hour = time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if bucket == "day" else day - timedelta(days=day.weekday())


async def read_statistics(connection: AsyncConnection, since: datetime, until: datetime, bucket: Bucket) -> Statistics:
    """Return the counters from the beginning of the period of `since` to the end of that of `until`.

    Raises:
        Invalid: `until` is not later than `since`, or that many periods would be too many.
    """
    starts = list(_starts(since, until, bucket))
    periods = {start: Period(start) for start in starts}
    total = Period(starts[0])
    end = starts[-1] + LENGTHS[bucket]
    for row in await _counters(connection, starts[0], end, bucket):
        amounts = (row.model, row.measure, row.bucket, int(row.count))
        periods[row.start.astimezone(UTC)].add(*amounts)
        total.add(*amounts)
    return Statistics(starts[0], end, bucket, list(periods.values()), total)


def _starts(since: datetime, until: datetime, bucket: Bucket) -> Iterator[datetime]:
    if not FIRST_YEAR <= since.year <= until.year <= LAST_YEAR:
        raise Invalid(f"`from` and `to` are times of the years {FIRST_YEAR} to {LAST_YEAR}, in this order.")
    if since >= until:
        raise Invalid("`from` has to be before `to`.")
    start, length = start_of(since, bucket), LENGTHS[bucket]
    if (until - start) / length > MAX_BUCKETS:
        raise Invalid(f"That is more than {MAX_BUCKETS} periods. Ask for a shorter time, or for days or weeks.")
    while start < until:
        yield start
        start += length


async def _counters(connection: AsyncConnection, since: datetime, until: datetime, bucket: Bucket) -> Any:
    """Add up counters and notes by period: one statement, so that nothing is seen twice or not at all."""
    s, n = statistics.c, statistics_notes.c
    noted = select(statistics_notes).where(n.at >= since, n.at < until).subquery("noted")
    counted = select(s.hour, s.model, s.measure, s.bucket, s.count).where(s.hour >= since, s.hour < until)
    both = union_all(counted, sum_notes(noted)).subquery("both")
    start = func.date_trunc(literal(bucket, Text), both.c.hour, "UTC").label("start")
    query = select(start, both.c.model, both.c.measure, both.c.bucket, func.sum(both.c.count).label("count"))
    grouped = query.group_by(start, both.c.model, both.c.measure, both.c.bucket)
    return (await connection.execute(grouped)).all()
