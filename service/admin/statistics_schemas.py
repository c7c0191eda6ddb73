"""The answer of `/api/v1/admin/stats`."""

from typing import Annotated, Any, Self

from pydantic import Field

from service.http.schemas import Answer, Time
from service.statistics.counting import DURATION, FIRST_TEXT, TOKENS, TURNS_WITH_TOKENS
from service.statistics.reading import Bucket, Counts, Period, Statistics

FAILURES = {
    "failures": "failed",
    "incomplete": "incomplete",
    "stopped": "stopped",
    "interrupted": "interrupted",
}


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
