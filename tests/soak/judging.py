"""Whether what was measured stays as it is, or grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.measuring import CONNECTIONS, MEMORY, POSTGRES, Sample

# Of memory, in the time that was measured: an allocator's ups and downs, and no leak worth the name. PostgreSQL's many
# processes each fill a cache of plans and of its catalogue, the later the less they are asked.
MAX_MEMORY_SHARE, MAX_MEMORY_MB, MAX_POSTGRES_SHARE = 0.06, 8.0, 0.15
# At rest, of what is counted: one that is just being closed.
MAX_MORE = 2.0
MAX_POINTS = 150


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table.

    Attributes:
        first: after warming up.
        last: at the end.
        per_hour: by the slope, where one is told.
    """

    process: str
    measure: str
    first: float
    last: float
    bound: float
    per_hour: float | None = None

    @property
    def is_flat(self) -> bool:
        return self.last - self.first <= self.bound


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points, which single peaks do not move (Theil and Sen)."""
    step = max(1, len(points) // MAX_POINTS)
    kept = points[::step]
    slopes = [(y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(kept) for x2, y2 in kept[i + 1 :] if x2 > x1]
    return median(slopes) if slopes else 0.0


def of_memory(samples: Sequence[Sample], killed_at: float) -> list[Verdict]:
    """Judge memory under load, by its slope.

    Args:
        killed_at: when the database's processes were ended, and all new ones came; theirs is judged until then.
    """
    found = []
    for process, measure in _keys(samples):
        if measure != MEMORY:
            continue
        points = [
            (each.at, each.values[process, measure])
            for each in samples
            if (process, measure) in each.values and (process != POSTGRES or each.at < killed_at)
        ]
        if len(points) < 2:
            continue
        per_second = slope(points)
        middle = median(value for _, value in points)
        growth = per_second * (points[-1][0] - points[0][0])
        share = MAX_POSTGRES_SHARE if process == POSTGRES else MAX_MEMORY_SHARE
        bound = max(MAX_MEMORY_MB, share * middle)
        found.append(Verdict(process, measure, middle - growth / 2, middle + growth / 2, bound, per_second * 3600))
    return found


def at_rest(before: Sequence[Sample], after: Sequence[Sample], pool_size: int) -> list[Verdict]:
    """Judge what is counted, by the least of several looks at rest.

    Args:
        pool_size: connections that may be opened, and are kept.
    """
    first, last = _least(before), _least(after)
    return [
        Verdict(process, measure, first[process, measure], last[process, measure], _bound(measure, pool_size, first))
        for process, measure in _keys(after)
        if measure != MEMORY and (process, measure) in first
    ]


def _bound(measure: str, pool_size: int, first: Mapping[tuple[str, str], float]) -> float:
    """A pool may open what it had not opened before, up to its size: each of these is a descriptor, too."""
    room = max(0.0, pool_size - first.get((POSTGRES, CONNECTIONS), 0.0))
    return MAX_MORE + (0 if measure == "threads" else room)


def _least(samples: Sequence[Sample]) -> dict[tuple[str, str], float]:
    return {key: min(each.values[key] for each in samples if key in each.values) for key in _keys(samples)}


def _keys(samples: Sequence[Sample]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(key for each in samples for key in each.values))
