"""Percentiles of a histogram are near those of the durations themselves."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Integer, column, func, literal, select

from chatkeep.database.database import Database
from chatkeep.statistics.latency import BUCKETS_PER_DOUBLING, MAX_ERROR, PERCENTILES, bucket_of, percentile


def bucket(milliseconds: int) -> int:
    return math.ceil(math.log2(max(milliseconds, 1)) * BUCKETS_PER_DOUBLING)


@given(st.lists(st.integers(2, 10**8), min_size=1, max_size=300))
def test_an_estimate_is_within_the_error_that_is_promised(durations: list[int]) -> None:
    counts = Counter(map(bucket, durations))
    for percent in PERCENTILES:
        exact = sorted(durations)[(len(durations) * percent + 99) // 100 - 1] / 1000
        estimate = percentile(counts, percent)
        assert estimate is not None
        assert estimate == pytest.approx(exact, rel=MAX_ERROR + 1e-6, abs=1e-6)


def test_the_error_is_what_the_document_says() -> None:
    assert MAX_ERROR < 0.045


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 50) is None


async def test_the_database_finds_the_same_buckets(database_url: str) -> None:
    durations = [-5, 0, 1, 2, 3, 7, 8, 9, 999, 1000, 1024, 1025, 60_000, 2**31 - 1]
    given_ms = (
        func.unnest(literal(durations, ARRAY(Integer)))
        .table_valued(column("ms", Integer), name="given")
        .render_derived()
    )
    database = await Database.connect(database_url)
    try:
        async with database.transaction() as connection:
            rows = (await connection.execute(select(given_ms.c.ms, bucket_of(given_ms.c.ms)))).all()
    finally:
        await database.close()
    assert dict(map(tuple, rows)) == {each: bucket(each) for each in durations}
