"""`python -m bench`: measure, print a table, and say which bars do not hold."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench.filling import CONVERSATIONS_A_USER, TURNS_A_CONVERSATION, fill
from bench.measuring import Figure
from bench.servers import server
from bench.statements import Statements, bare_connection
from bench.web import Web
from service.database import migrations
from service.database.database import Database
from service.database.embedded import EmbeddedPostgres

SECRET = "a key for benchmarks: 0123456789abcdefghijklmnopqrstuvwxyz"


async def measure(url: str, turns: int) -> list[Figure]:
    bare = await bare_connection(url)
    await fill(bare, users=turns // (CONVERSATIONS_A_USER * TURNS_A_CONVERSATION))
    await bare.execute(
        "CREATE TABLE bench_turns (id uuid PRIMARY KEY, prompt text, created_at timestamptz DEFAULT now())"
    )
    database = await Database.connect(url)
    try:
        statements = Statements(database, bare)
        await statements.prepare()
        cases = (statements.turn, statements.last_turns, statements.conversations, statements.length)
        figures = [told(await case()) for case in cases]
        figures += map(told, await statements.flush())
    finally:
        await database.close()
        await bare.close()
    async with web(url) as served:
        cases = (served.signed_in, served.turn, served.streaming, served.memory)
        figures += [told(await case()) for case in cases]
    return figures


@asynccontextmanager
async def web(url: str) -> AsyncIterator[Web]:
    settings = {
        "CHATKEEP_DATABASE_URL": url,
        "CHATKEEP_SECRET_KEY": SECRET,
        "CHATKEEP_COOKIE_SECURE": "false",
        "CHATKEEP_LOG_LEVEL": "warning",
        "CHATKEEP_MAX_GENERATIONS": "500",
    }
    with ExitStack() as stack:
        ours = stack.enter_context(server("bench.service_app:application", **settings))
        bare = stack.enter_context(server("bench.bare_app:app", BENCH_DATABASE_URL=url))
        served = Web(ours, bare)
        await served.prepare()
        try:
            yield served
        finally:
            await served.close()


def told(figure: Figure) -> Figure:
    print(f"  {figure.name}: {figure.value:.2f} {figure.unit} {figure.detail}", flush=True)
    return figure


def table(figures: list[Figure]) -> Table:
    shown = Table(title="Medians of paired rounds")
    for heading in ("what", "measured", "bar", "", "both sides"):
        shown.add_column(heading)
    for each in figures:
        bar = f"{'≥' if each.at_least else '≤'} {each.bar:g}" if each.bar != float("inf") else ""
        mark = "[green]holds[/]" if each.holds else "[red]missed[/]"
        shown.add_row(each.name, f"{each.value:.2f} {each.unit}", bar, mark, each.detail)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=2_000_000, help="turns in the database (default: 2,000,000)")
    parser.add_argument("--database-url", help="an empty database of your own; default: an embedded server")
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.database_url
        if url is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="chatkeep-bench-"))
            url = stack.enter_context(EmbeddedPostgres(Path(folder), log=print)).url
        migrations.upgrade(url)
        figures = asyncio.run(measure(url, options.turns))
    Console(width=150).print(table(figures))
    return 0 if all(each.holds for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
