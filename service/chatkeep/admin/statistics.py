"""`/api/v1/admin/stats`: how much happens, how well it goes and how long it takes."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from chatkeep.accounts.dependencies import require_administrator
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.admin.dependencies import BEHIND, TOO_SLOW, ReadsDep
from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS
from chatkeep.clock import utc_now
from chatkeep.database.reads import Reader
from chatkeep.errors import Invalid
from chatkeep.http.bodies import JsonRoute, Moment
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time
from chatkeep.statistics.counters import DURATION, FIRST_TEXT, TOKENS, TURNS_WITH_TOKENS
from chatkeep.statistics.report import Bucket, Counts, Period, Statistics, read_statistics

FAILURES = {
    "failures": "failed",
    "incomplete": "incomplete",
    "stopped": "stopped",
    "interrupted": "interrupted",
}

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


class Percentiles(Answer):
    """Seconds that so many of a hundred turns did not exceed; null where there is no such turn."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class TurnCounts(Answer):
    """What is known of turns."""

    turns: Annotated[int, Field(description="Turns that ended, however they did.")]
    failures: Annotated[int, Field(description="Turns of which the model failed.")]
    incomplete: Annotated[int, Field(description="Turns whose reply the model cut or filtered.")]
    stopped: Annotated[int, Field(description="Turns that their user stopped.")]
    interrupted: Annotated[int, Field(description="Turns whose server stopped or died.")]
    input_tokens: Annotated[int, Field(description="Of the turns of which the model said it.")]
    output_tokens: int
    turns_with_tokens: Annotated[int, Field(description="Turns of which the tokens are known.")]
    latency_seconds: Annotated[Percentiles, Field(description="From the prompt to the end of a complete reply.")]
    first_text_seconds: Annotated[Percentiles, Field(description="From the prompt to the first text.")]


class ModelCounts(TurnCounts):
    model: Annotated[
        str | None,
        Field(description="Null: all names that are neither offered by the model server nor configured."),
    ]


class PeriodCounts(TurnCounts):
    users: Annotated[int, Field(description="New accounts; guests when they register.")]
    conversations: Annotated[int, Field(description="New conversations.")]
    models: Annotated[list[ModelCounts], Field(description="The turns of each model, most turns first.")]


class StatisticsBucket(PeriodCounts):
    start: Time


class StatisticsAnswer(Answer):
    """Counters in periods without a gap, oldest first, and their sum."""

    since: Annotated[Time, Field(alias="from", description="When the first period began.")]
    until: Annotated[Time, Field(alias="to", description="When the last period ends.")]
    bucket: Bucket
    buckets: list[StatisticsBucket]
    total: PeriodCounts

    @classmethod
    def of(cls, found: Statistics) -> Self:
        return cls.model_validate(
            {
                "from": found.since,
                "to": found.until,
                "bucket": found.bucket,
                "buckets": [{"start": each.start} | _period(each) for each in found.periods],
                "total": _period(found.total),
            }
        )


def _period(period: Period) -> dict[str, Any]:
    amounts = period.everything.amounts
    models = [{"model": model} | _turns(counts) for model, counts in period.models.items()]
    return _turns(period.everything) | {
        "users": amounts["user"],
        "conversations": amounts["conversation"],
        "models": sorted(models, key=lambda each: (-each["turns"], each["model"] or "")),
    }


def _turns(counts: Counts) -> dict[str, Any]:
    amounts = counts.amounts
    return {
        "turns": counts.turns,
        **{name: amounts[status] for name, status in FAILURES.items()},
        **{name: amounts[name] for name in (*TOKENS, TURNS_WITH_TOKENS)},
        "latency_seconds": counts.percentiles(DURATION),
        "first_text_seconds": counts.percentiles(FIRST_TEXT),
    }


def parse_time_range(since: datetime | None, until: datetime | None, bucket: Bucket) -> tuple[datetime, datetime]:
    """Return the time to tell of: as asked, or until now, for 24 hours, 30 days or 26 weeks."""
    end = until or utc_now()
    try:
        return since or end - USUAL_LENGTHS[bucket], end
    except OverflowError:
        raise Invalid("`to` is too early.") from None


@router.get("/stats", responses=error_responses(401, 403, 422, 503, query_too_slow=TOO_SLOW) | BEHIND)
@needs(Scope.ADMIN)
async def read_stats(
    reads: ReadsDep,
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
    since, until = parse_time_range(since, until, bucket)
    return await statistics_between(reads, since, until, bucket)


async def statistics_between(reader: Reader, since: datetime, until: datetime, bucket: Bucket) -> StatisticsAnswer:
    """Return the counters of a time. The API and the console show the same.

    Raises:
        QueryTooSlow: the database took longer than `QUERY_TIMEOUT_SECONDS`.
    """
    query = partial(read_statistics, since=since, until=until, bucket=bucket)
    return StatisticsAnswer.of(await reader.read(query, timeout_seconds=QUERY_TIMEOUT_SECONDS))
