from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.sessions import SessionLimits
from chatkeep.sessions.store import EARLIEST, LATEST, later

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
LIMITS = SessionLimits(idle_seconds=3600, max_seconds=86400)


def test_a_session_ends_a_fixed_time_after_it_began() -> None:
    assert LIMITS.ends_at(START) == START + timedelta(days=1)


@pytest.mark.parametrize(("seen_after_hours", "ends_after_hours"), [(0, 1), (5, 6), (23, 24), (23.5, 24)])
def test_unused_it_ends_earlier_and_never_later(seen_after_hours: float, ends_after_hours: float) -> None:
    seen = START + timedelta(hours=seen_after_hours)
    assert LIMITS.ends_unused_at(seen, LIMITS.ends_at(START)) == START + timedelta(hours=ends_after_hours)


def test_what_is_alive_was_seen_since_the_idle_limit() -> None:
    assert LIMITS.idle_since(START) == START - timedelta(hours=1)


@pytest.mark.parametrize(("idle_seconds", "interval_seconds"), [(60, 15), (240, 60), (3600, 60), (10**9, 60)])
def test_being_seen_is_written_once_a_minute_or_four_times_an_idle_limit(
    idle_seconds: int, interval_seconds: int
) -> None:
    limits, interval = SessionLimits(idle_seconds, 10**9), timedelta(seconds=interval_seconds)
    assert limits.touch_interval == interval
    assert limits.needs_touch(START + interval, START)
    assert not limits.needs_touch(START + interval - timedelta(microseconds=1), START)
    assert not limits.needs_touch(START - timedelta(hours=1), START)


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas())
def test_later_ends_with_the_calendar(time: datetime, by: timedelta) -> None:
    found = later(time, by)
    assert EARLIEST <= found <= LATEST
    assert found >= time if by >= timedelta(0) else found <= time
