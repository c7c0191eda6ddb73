"""Statistics in the terminal: a bar for each period, what they add up to, and a line for each model."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich import box
from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chatkeep.cli.terminal.output import answer, answer_json, escape_terminal, print_info, results
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.statistics.counters import DURATION, FIRST_TEXT
from chatkeep.statistics.report import Bucket, Counts, Period, Statistics, read_statistics

QUERY_TIMEOUT_SECONDS = 60
USUAL_LENGTHS: dict[Bucket, timedelta] = {
    "hour": timedelta(hours=23),
    "day": timedelta(days=29),
    "week": timedelta(weeks=25),
}
FORMATS: dict[Bucket, str] = {"hour": "%Y-%m-%d %H:%M", "day": "%a %Y-%m-%d", "week": "%G-W%V"}
MAX_LABEL_CHARACTERS = 24
MAX_BAR_CHARACTERS, MIN_BAR_CHARACTERS = 40, 8
# The width of the figures beside the bars; a terminal that is narrower goes without some of them.
FIGURES_CELLS = 88
PIPED_CELLS = 160


async def print_statistics(
    database: Database, since: datetime | None, until: datetime | None, bucket: Bucket, *, as_json: bool
) -> None:
    """Print the counters of some time; of the last while where none is said.

    Raises:
        Invalid: no time, or too much of it for periods so short.
    """
    end = until or utc_now()
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        found = await read_statistics(connection, since or end - USUAL_LENGTHS[bucket], end, bucket)
    if as_json:
        # Loads FastAPI's models, for which charts need not wait.
        from chatkeep.admin.statistics import StatisticsAnswer  # noqa: PLC0415

        answer_json(StatisticsAnswer.of(found).model_dump_json(by_alias=True))
        return
    console = results if results.is_terminal else Console(highlight=False, width=PIPED_CELLS)
    console.print(_chart(found, console.width))
    if not found.total.everything.turns:
        print_info("No turn ended in this time.")
        return
    answer("")
    console.print(_models(found.total, console.width))


def _chart(found: Statistics, width: int) -> Table:
    names = ("TURNS", "", "FAILED", "TOKENS", "MEDIAN", "P95", "USERS", "CHATS")
    chart = _table(f"{found.bucket.upper()} (UTC)", *names[: _shown(width)])
    most = max(period.everything.turns for period in found.periods)
    rows = [
        (f"{each.start:{FORMATS[found.bucket]}}", each, _bar(each.everything, most, width)) for each in found.periods
    ]
    for label, period, bar in rows:
        chart.add_row(label, *[_number(period.everything.turns), bar, *_figures(period)][: _shown(width)])
    chart.add_section()
    sums = [_number(found.total.everything.turns), "", *_figures(found.total)]
    chart.add_row(Text("in all", style="bold"), *sums[: _shown(width)])
    return chart


def _figures(period: Period) -> Sequence[str | Text]:
    counts = period.everything
    return (
        _failed(counts),
        _number(counts.amounts["input_tokens"] + counts.amounts["output_tokens"]),
        *_latencies(counts, DURATION),
        _number(counts.amounts["user"]),
        _number(counts.amounts["conversation"]),
    )


def _models(total: Period, width: int) -> Table:
    names = ("TURNS", "", "FAILED", "FIRST TEXT", "P95", "WHOLE", "P95", "TOKENS IN", "OUT")
    table = _table("MODEL", *names[: _shown(width) + 1])
    most = max(counts.turns for counts in total.models.values())
    for model, counts in sorted(total.models.items(), key=lambda each: -each[1].turns):
        cells = (
            _number(counts.turns),
            _bar(counts, most, width, color="magenta"),
            _failed(counts),
            *_latencies(counts, FIRST_TEXT),
            *_latencies(counts, DURATION),
            _number(counts.amounts["input_tokens"]),
            _number(counts.amounts["output_tokens"]),
        )
        label = Text(escape_terminal(model)) if model else Text("(others)", style="dim")
        table.add_row(label, *cells[: _shown(width) + 1])
    return table


def _shown(width: int) -> int:
    """How many columns there is room for beside the first."""
    return 8 if width >= FIGURES_CELLS + MIN_BAR_CHARACTERS else 6


def _bar(counts: Counts, most: int, width: int, color: str = "cyan") -> Bar:
    cells = min(MAX_BAR_CHARACTERS, max(MIN_BAR_CHARACTERS, width - FIGURES_CELLS))
    return Bar(max(most, 1), 0, counts.turns, width=cells, color=color)


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column(titles[0], no_wrap=True, max_width=MAX_LABEL_CHARACTERS)
    for title in titles[1:]:
        table.add_column(title, no_wrap=True, justify="right" if title else "left")
    return table


def _number(amount: int) -> str:
    return f"{amount:,}" if amount else "·"


def _failed(counts: Counts) -> str | Text:
    failed = counts.amounts["failed"]
    return Text(f"{failed:,}", style="red") if failed else "·"


def _latencies(counts: Counts, measure: str) -> tuple[str, str]:
    found = counts.percentiles(measure)
    return _seconds(found["p50"]), _seconds(found["p95"])


def _seconds(value: float | None) -> str:
    if value is None:
        return "·"
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.1f} s"
