"""Times as they are typed."""

from datetime import UTC, datetime

import pytest

from chatkeep.cli.terminal.times import format_minute, parse_time
from chatkeep.errors import Invalid

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.25+09:00", datetime(2026, 1, 31, 0, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-01-31 09:30Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("90m", datetime(2026, 3, 1, 11, 0, tzinfo=UTC)),
        ("2h", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 2, 22, 12, 30, tzinfo=UTC)),
        ("4w", datetime(2026, 2, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_dates_times_and_how_long_ago(typed: str, meant: datetime) -> None:
    assert parse_time(typed, NOW) == meant


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "7", "7y", "-7d", "2026-02-30", "1e9d", "999999999w", "٧d", "0001-01-01"]
)
def test_anything_else_is_no_time(typed: str) -> None:
    with pytest.raises(Invalid, match="is not a time"):
        parse_time(typed, NOW)


def test_a_time_says_its_zone() -> None:
    with pytest.raises(Invalid, match=r"Write 2026-01-31T09:30Z for UTC"):
        parse_time("2026-01-31T09:30", NOW)


def test_tables_show_minutes_in_utc() -> None:
    assert format_minute(datetime.fromisoformat("2026-01-31T09:30:59+09:00")) == "2026-01-31 00:30"
    assert format_minute(None) == "-"
