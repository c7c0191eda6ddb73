"""The figures of the console's statistics: totals, charts and the tables behind them, in the reader's language."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from chatkeep.admin.statistics import ModelCounts, StatisticsAnswer, StatisticsBucket, TurnCounts
from chatkeep.statistics.report import LENGTHS, Bucket
from chatkeep.web.charts import Series, bars, lines
from chatkeep.web.translations import texts_of

# The buckets of each period: their length, and how many there are.
PERIODS: Mapping[str, tuple[Bucket, int]] = {
    "day": ("hour", 24),
    "week": ("day", 7),
    "month": ("day", 30),
    "half": ("week", 26),
    "year": ("week", 52),
}
# Charts, and what each of them shows; names of the answer's fields.
COUNTED = {
    "turns": ("turns",),
    "users": ("users",),
    "tokens": ("input_tokens", "output_tokens"),
    "failures": ("failures", "interrupted", "stopped"),
}
TIMED = ("latency_seconds", "first_text_seconds")
PERCENTILES = ("p50", "p95")


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, and the same in words and numbers.

    Args:
        told: what there is to see, in a sentence.
        legend: each series with its total.
        rows: of the table: a time, and the value of each series.
        svg: an element of shapes and escaped text; None where there is nothing to draw.
    """

    name: str
    title: str
    told: str
    legend: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Sequence[str]]]
    svg: str | None


def parse_period(period: str, now: datetime) -> tuple[datetime, datetime, Bucket]:
    """Return from when until when, and in which pieces."""
    bucket, pieces = PERIODS[period]
    return now - (pieces - 1) * LENGTHS[bucket], now, bucket


def is_empty(answer: StatisticsAnswer) -> bool:
    return not (answer.total.turns or answer.total.users or answer.total.conversations)


def totals(answer: StatisticsAnswer, language: str) -> list[tuple[str, str]]:
    """Return the summary figures: names and values."""
    texts, total = texts_of(language), answer.total
    return [
        (texts["series_turns"], _number(total.turns)),
        (texts["series_users"], _number(total.users)),
        (texts["series_conversations"], _number(total.conversations)),
        (texts["series_tokens"], _number(total.input_tokens + total.output_tokens)),
        (texts["series_failed_share"], _share(total, texts)),
        (texts["series_median"], _seconds(texts)(total.latency_seconds.p50)),
    ]


def figures(answer: StatisticsAnswer, language: str) -> list[Figure]:
    """Draw every chart. It takes a tenth of a second of computing: not for the event loop."""
    counted = [_counted(name, fields, answer, language) for name, fields in COUNTED.items()]
    return counted + [_timed(name, answer, language) for name in TIMED]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A row of the table of models.

    Args:
        failed: the filters of the history that find its failed turns.
    """

    name: str
    turns: str
    failures: str
    failed_share: str
    others: Sequence[str]
    failed: str


def models(answer: StatisticsAnswer, language: str) -> list[ModelRow]:
    """Return the rows of the table of models."""
    texts = texts_of(language)
    return [_of_model(each, texts, answer) for each in answer.total.models]


def _of_model(counts: ModelCounts, texts: Mapping[str, str], answer: StatisticsAnswer) -> ModelRow:
    seconds = _seconds(texts)
    tokens = map(_number, (counts.input_tokens, counts.output_tokens))
    days = {"from": f"{answer.since:%Y-%m-%d}", "to": f"{answer.until:%Y-%m-%d}"}
    return ModelRow(
        name=counts.model or texts["other_models"],
        turns=_number(counts.turns),
        failures=_number(counts.failures),
        failed_share=_share(counts, texts),
        others=(*tokens, seconds(counts.latency_seconds.p50), seconds(counts.latency_seconds.p95)),
        failed=urlencode({"status": "failed"} | ({"model": counts.model} if counts.model else {}) | days),
    )


def _share(counts: TurnCounts, texts: Mapping[str, str]) -> str:
    return f"{100 * counts.failures / counts.turns:.1f}%" if counts.turns else texts["no_value"]


def _counted(name: str, fields: Sequence[str], answer: StatisticsAnswer, language: str) -> Figure:
    texts = texts_of(language)
    series = [Series(texts[f"series_{field}"], [getattr(each, field) for each in answer.buckets]) for field in fields]
    sums = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    most = max(sums)
    place = answer.buckets[sums.index(most)]
    told = texts["told_most"].format(most=_number(most), when=_when(place, answer.bucket, texts, "_long"))
    legend = [(each.name, _number(sum(value or 0 for value in each.values))) for each in series]
    return _figure(name, told if most else texts["told_none"], legend, series, _number, answer, texts)


def _timed(name: str, answer: StatisticsAnswer, language: str) -> Figure:
    texts = texts_of(language)
    seconds, total = _seconds(texts), getattr(answer.total, name)
    series = [
        Series(texts[f"series_{each}"], [getattr(getattr(bucket, name), each) for bucket in answer.buckets])
        for each in PERCENTILES
    ]
    values = {each: seconds(getattr(total, each)) for each in PERCENTILES}
    legend = [(each.name, value) for each, value in zip(series, values.values(), strict=True)]
    told = texts["told_none"] if total.p50 is None else texts["told_" + name].format(**values)
    return _figure(name, told, legend, series, seconds, answer, texts)


def _figure(
    name: str,
    told: str,
    legend: Sequence[tuple[str, str]],
    series: Sequence[Series],
    value: Callable[[float | None], str],
    answer: StatisticsAnswer,
    texts: Mapping[str, str],
) -> Figure:
    times = [_when(each, answer.bucket, texts, "_long") for each in answer.buckets]
    rows = [(time, [value(each.values[n]) for each in series]) for n, time in enumerate(times)]
    svg = None
    if any(any(each.values) for each in series):
        labels = [_when(each, answer.bucket, texts) for each in answer.buckets]
        named = {"role": "img", "aria_labelledby": f"{name}-title", "aria_describedby": f"{name}-told"}
        svg = (lines if name in TIMED else bars)(labels, series, value, **named)
    return Figure(name, texts[f"figure_{name}"], told, legend, rows, svg)


def _when(bucket: StatisticsBucket, length: Bucket, texts: Mapping[str, str], kind: str = "") -> str:
    return texts[f"format_{length}{kind}"].format(bucket.start)


def _number(value: float | None) -> str:
    return f"{value or 0:,.0f}"


def _seconds(texts: Mapping[str, str]) -> Callable[[float | None], str]:
    def told(value: float | None) -> str:
        if value is None:
            return texts["no_value"]
        return texts["seconds"].format(number=f"{value:,.0f}" if value >= 100 else f"{value:.3g}")

    return told
