"""What was found: as tables, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from bench.measurements import Bar, Figure
from bench.rounds import Cost

COLORS = {"met": "green", "progress": "yellow", "missed": "red"}
COST_HEADINGS = ("p50, ms", "p99, ms", "a second", "service, µs", "PostgreSQL, µs", "WAL, B", "HOT")


def cost_table(costs: Sequence[Cost], title: str) -> Table:
    """Return what each side took, as people read it: each line of one piece of work."""
    shown = Table(title=title)
    shown.add_column("what")
    shown.add_column("side")
    for heading in COST_HEADINGS:
        shown.add_column(heading, justify="right")
    for number, each in enumerate(costs):
        begins = number == 0 or costs[number - 1].case != each.case
        shown.add_row(
            each.case if begins else "",
            each.side,
            *(f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", f"{each.throughput:,.0f}", f"{each.service_us:,.0f}"),
            "" if each.postgres_us is None else f"{each.postgres_us:,.0f}",
            f"{each.wal_bytes:,.0f}",
            "" if each.hot_share is None else f"{each.hot_share:.0%}",
        )
    return shown


def table(figures: Sequence[Figure], title: str) -> Table:
    """Return the figures as people read them."""
    shown = Table(title=title)
    shown.add_column("what")
    for heading in ("ours", "beside", "figure", "lowest to highest", "goal", "progress"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for each in figures:
        shown.add_row(
            each.name,
            *(_side(each.ours, each.side_unit), _side(each.bare, each.side_unit)),
            *(_value(each.value, each.unit), _spread(each), *_limits(each.bar), _mark(each)),
        )
    return shown


def write_json(figures: Sequence[Figure], costs: Sequence[Cost], file: Path, **run: object) -> None:
    """Write what was found for programs, with what is known of the run."""
    found = [{**asdict(each), "verdict": each.verdict} for each in figures]
    document = {**run, "figures": found, "costs": [asdict(each) for each in costs]}
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _side(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.{0 if value >= 100 else 1}f} {unit}"


def _value(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}"


def _spread(figure: Figure) -> str:
    return f"{min(figure.rounds):.2f} to {max(figure.rounds):.2f}" if figure.rounds else ""


def _limits(bar: Bar | None) -> tuple[str, str]:
    if bar is None:
        return "", ""
    sign = "≥" if bar.at_least else "≤"
    return f"{sign} {bar.goal:g}", "" if bar.progress is None else f"{sign} {bar.progress:g}"


def _mark(figure: Figure) -> str:
    return "" if figure.verdict is None else f"[{COLORS[figure.verdict]}]{figure.verdict}[/]"
