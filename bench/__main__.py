"""Measure the service beside the bare parts it stands on, and say which bars are met.

Each case is one of --only. Its sides do the same in turn, round by round; figures are medians of the rounds.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import uvloop
from rich.console import Console

from bench import report
from bench.bulk_data import WrongFilling, fill
from bench.cases import DATABASE, EVERY, LONG, MODEL, USUAL, WEB
from bench.databases import database
from bench.measurements import Effort, Figure
from bench.rounds import Cost
from bench.run import Findings, Run, run_on
from bench.web import web

MIN_MESSAGES = 2_000

T = TypeVar("T")


async def measure(url: str, effort: Effort, names: list[str], console: Console) -> Findings:
    """Fill the database, unless it is filled, and return what the named cases find."""
    await fill(url, effort.messages)
    found: Findings = []
    async with run_on(url, effort, console.print) as run:
        found += await _of_all(DATABASE, run, names, run)
        if chosen(WEB, names):
            async with web(run) as running:
                found += await _of_all(WEB, running, names, run)
        found += await _of_all(MODEL | LONG, run, names, run)
    return found


async def _of_all(
    cases: Mapping[str, Callable[[T], Awaitable[Findings]]], given: T, names: list[str], run: Run
) -> Findings:
    found: Findings = []
    for name in chosen(cases, names):
        run.say(f"{name} …")
        found += await cases[name](given)
    return found


def chosen(cases: Iterable[str], names: list[str]) -> list[str]:
    return [name for name in cases if name in names]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--messages", type=int, default=2_000_000, help="messages in the database; a turn is two (default: 2,000,000)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which each figure is the median (default: 5)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the work in a round, to try it out (0 to 1)")
    parser.add_argument(
        "--only",
        action="append",
        choices=EVERY,
        metavar="NAME",
        help=f"of {', '.join(USUAL)}; and, only where it is named, {', '.join(LONG)}",
    )
    parser.add_argument("--data-dir", type=Path, help="keep the database there, for the next run (default: it is lost)")
    parser.add_argument("--database-url", help="an empty database of your own (default: the embedded server)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    given = parser.parse_args()
    if given.messages < MIN_MESSAGES or given.rounds < 1 or not 0 < given.share <= 1:
        parser.error(f"take at least --messages {MIN_MESSAGES} and --rounds 1, and a --share above 0 and up to 1")
    return given


def main() -> int:
    given = options()
    effort = Effort(given.rounds, given.share, given.messages)
    console = Console(width=None if sys.stdout.isatty() else 180)
    try:
        with (
            database(given.database_url, given.data_dir) as url,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            found = runner.run(measure(url, effort, given.only or USUAL, console))
    except WrongFilling as error:
        console.print(str(error))
        return 2
    figures = [each for each in found if isinstance(each, Figure)]
    costs = [each for each in found if isinstance(each, Cost)]
    of = f"medians of {effort.rounds} rounds, {effort.messages:,} messages, Python {platform.python_version()}"
    if costs:
        console.print(report.cost_table(costs, f"What one costs: {of}"))
    console.print(report.table(figures, f"Beside others: {of}"))
    if given.json:
        machine = {"processors": os.cpu_count(), "load": os.getloadavg()}
        report.write_json(figures, costs, given.json, messages=effort.messages, rounds=effort.rounds, **machine)
    return 1 if any(each.verdict == "missed" for each in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
