"""What was found: as a table, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from bench.measurements import Figure


def table(figures: Sequence[Figure], title: str) -> Table:
    """Return the figures as people read them."""
    shown = Table(title=title)
    shown.add_column("what")
    for heading in ("ours", "bare", "figure", "lowest to highest", "bar"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    for each in figures:
        shown.add_row(
            each.name,
            *(_side(each.ours, each.side_unit), _side(each.bare, each.side_unit)),
            *(_value(each.value, each.unit), _spread(each), _bar(each), _mark(each)),
        )
    return shown


def write_json(figures: Sequence[Figure], file: Path, **run: object) -> None:
    """Write the figures for programs, with what is known of the run."""
    found = [{**asdict(each), "met": each.met} for each in figures]
    file.write_text(json.dumps({**run, "figures": found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _side(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.{0 if value >= 100 else 1}f} {unit}"


def _value(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}"


def _spread(figure: Figure) -> str:
    return f"{min(figure.rounds):.2f} to {max(figure.rounds):.2f}" if figure.rounds else ""


def _bar(figure: Figure) -> str:
    return "" if figure.bar is None else f"{'≥' if figure.at_least else '≤'} {figure.bar:g}"


def _mark(figure: Figure) -> str:
    return {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[figure.met]
