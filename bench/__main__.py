"""Measure the service beside the bare parts it stands on, and say which bars are met."""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from bench import model_client, reads, report, streaming, upstream_turn, web, writes
from bench.bulk_data import WrongFilling, fill
from bench.measurements import Effort, Figure
from bench.sides import bare_connection, both_sides
from chatkeep.database import migrations
from chatkeep.database.postgres.embedded import EmbeddedPostgres

Case = Callable[[Any], Coroutine[Any, Any, list[Figure]]]

DATABASE: dict[str, Case] = {
    "turn": writes.turn,
    "last-turns": reads.last_turns,
    "conversations": reads.conversations,
    "length": writes.length,
    "flush": writes.flush,
}
WEB: dict[str, Case] = {
    "signed-in": web.signed_in,
    "whole-turn": web.whole_turn,
    "streaming": streaming.pieces,
    "memory": streaming.memory,
}
MODEL: dict[str, Case] = {"model-client": model_client.replies}
UPSTREAM: dict[str, Case] = {"upstream-turn": upstream_turn.upstream_turn}
ALL = DATABASE | WEB | UPSTREAM | MODEL


async def measure(url: str, effort: Effort, names: list[str], told: Callable[[str], None]) -> list[Figure]:
    """Fill the database, unless it is filled, and return the figures of the named cases."""
    connection = await bare_connection(url)
    try:
        await fill(connection, effort.turns)
    finally:
        await connection.close()
    figures: list[Figure] = []
    for opened, cases in ((both_sides, DATABASE), (web.web, WEB), (upstream_turn.upstream, UPSTREAM)):
        chosen = {name: case for name, case in cases.items() if name in names}
        if not chosen:
            continue
        async with opened(url, effort) as sides:
            for name, case in chosen.items():
                told(f"{name} …")
                figures += await case(sides)
    if chosen := {name: case for name, case in MODEL.items() if name in names}:
        async with model_client.clients(effort) as clients:
            for name, case in chosen.items():
                told(f"{name} …")
                figures += await case(clients)
    return figures


@contextmanager
def database(url: str | None, folder: Path | None) -> Iterator[str]:
    """Yield a migrated database: the one given, or an embedded server's in a folder that is kept or not."""
    with ExitStack() as stack:
        if url is None:
            folder = folder or Path(stack.enter_context(TemporaryDirectory(prefix="chatkeep-bench-")))
            url = stack.enter_context(EmbeddedPostgres(folder)).url
        migrations.upgrade(url)
        yield url


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=2_000_000, help="turns in the database (default: 2,000,000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, of which each figure is the median (default: 7)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the work in a round, to try it out (0 to 1)")
    parser.add_argument("--only", action="append", choices=[*ALL], metavar="NAME", help=f"of {', '.join(ALL)}")
    parser.add_argument("--data-dir", type=Path, help="keep the database there, for the next run (default: it is lost)")
    parser.add_argument("--database-url", help="an empty database of your own (default: the embedded server)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    given = parser.parse_args()
    if given.turns < 400 or given.rounds < 1 or not 0 < given.share <= 1:
        parser.error("take at least --turns 400 and --rounds 1, and a --share above 0 and up to 1")
    return given


def main() -> int:
    given = options()
    effort = Effort(given.rounds, given.share, given.turns)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        with database(given.database_url, given.data_dir) as url:
            figures = asyncio.run(measure(url, effort, given.only or [*ALL], console.print))
    except WrongFilling as error:
        console.print(str(error))
        return 2
    title = f"Medians of {effort.rounds} paired rounds, {effort.turns:,} turns, Python {platform.python_version()}"
    console.print(report.table(figures, title))
    if given.json:
        report.write_json(figures, given.json, turns=effort.turns, rounds=effort.rounds, processors=os.cpu_count())
    return 1 if any(each.met is False for each in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
