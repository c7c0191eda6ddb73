"""`/api/v1/admin/stats`: how much happens, how well it goes and how long it takes."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.accounts.dependencies import require_administrator
from service.admin.history_filters import QUERY_TIMEOUT_SECONDS, TheDatabase
from service.admin.router import TOO_SLOW
from service.admin.statistics_schemas import StatisticsAnswer
from service.clock import utc_now
from service.database.database import Database
from service.errors import Invalid
from service.http.bodies import JsonRoute, Moment
from service.http.problems import documented
from service.statistics.reading import Bucket, read_statistics

USUAL_LENGTHS: dict[Bucket, timedelta] = {
    "hour": timedelta(hours=23),
    "day": timedelta(days=29),
    "week": timedelta(weeks=25),
}

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


def asked_time(since: datetime | None, until: datetime | None, bucket: Bucket) -> tuple[datetime, datetime]:
    """Return the time to tell of: as asked, or until now, for 24 hours, 30 days or 26 weeks."""
    end = until or utc_now()
    try:
        return since or end - USUAL_LENGTHS[bucket], end
    except OverflowError:
        raise Invalid("`to` is too early.") from None


@router.get("/stats", responses=documented(401, 403, 422, 503, query_too_slow=TOO_SLOW))
async def read_stats(
    database: TheDatabase,
    since: Annotated[
        Moment | None, Query(alias="from", description="From the hour, day or week of this time on.")
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="To the end of the hour, day or week before this time; now.")
    ] = None,
    bucket: Annotated[Bucket, Query(description="Hours, days, or weeks from Monday on, all in UTC.")] = "day",
) -> StatisticsAnswer:
    """Return what happened in each hour, day or week, and of each model. It counts what this service did: new accounts
    and conversations, and turns by when they ended. Counters outlive what they count: deleting changes none. Imported
    histories are in none. Latencies are estimates from a histogram, within 4.5 %.
    """
    since, until = asked_time(since, until, bucket)
    return await statistics_between(database, since, until, bucket)


async def statistics_between(database: Database, since: datetime, until: datetime, bucket: Bucket) -> StatisticsAnswer:
    """Return what was counted in a time. The API and the console show the same.

    Raises:
        QueryTooSlow
    """
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        return StatisticsAnswer.of(await read_statistics(connection, since, until, bucket))
