"""How answers write times."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import BaseModel

from chatkeep.http.schemas import Time


class _Answer(BaseModel):
    at: Time


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-01-31T09:30:00.000000Z"),
        (datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC), "2026-01-31T09:30:00.000001Z"),
        (datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=9))), "2026-01-31T00:30:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_in_utc_to_the_microsecond_with_z(time: datetime, written: str) -> None:
    assert _Answer(at=time).model_dump_json() == f'{{"at":"{written}"}}'
