"""Durations, counted in a fixed row of buckets from which percentiles are estimated.

Bucket `n` holds durations of more than 2^((n-1)/8) and at most 2^(n/8) milliseconds, and stands for its geometric
middle. An estimate is therefore at most 4.5 % from the duration that it stands for, whatever the durations are.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Integer, cast, func
from sqlalchemy.sql.elements import ColumnElement

BUCKETS_PER_DOUBLING = 8
MAX_ERROR = 2 ** (1 / (2 * BUCKETS_PER_DOUBLING)) - 1
# Of the longest duration that a note can hold.
MAX_BUCKET = 31 * BUCKETS_PER_DOUBLING
PERCENTILES = (50, 90, 95, 99)


def bucket_of(milliseconds: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the bucket of a duration, in SQL."""
    doublings = func.log(2, func.greatest(milliseconds, 1))
    return cast(func.ceil(doublings * BUCKETS_PER_DOUBLING), Integer)


def percentile(counts: Mapping[int, int], percent: int) -> float | None:
    """Return the duration in seconds that `percent` of all durations do not exceed; None where there is none.

    Args:
        counts: how many durations are in each bucket.
    """
    left = -(-sum(counts.values()) * percent // 100)  # rounded up: the nearest rank
    for bucket in sorted(counts):
        if 0 < left <= counts[bucket]:
            return _middle_seconds(bucket)
        left -= counts[bucket]
    return None


def _middle_seconds(bucket: int) -> float:
    return round(2 ** ((min(bucket, MAX_BUCKET) - 0.5) / BUCKETS_PER_DOUBLING) / 1000, 6)
