"""What a case is given, and what it finds."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from bench.databases import bare_connection
from bench.measurements import Effort, Figure
from bench.postgres import PostgresServer
from bench.rounds import Cost


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmark, on a filled database.

    Args:
        url: of the database.
        say: tells people what is left out, and why.
    """

    url: str
    effort: Effort
    server: PostgresServer
    say: Callable[[str], None]


Findings: TypeAlias = list[Figure | Cost]


@asynccontextmanager
async def run_on(url: str, effort: Effort, say: Callable[[str], None]) -> AsyncIterator[Run]:
    async with bare_connection(url) as connection:
        yield Run(url, effort, await PostgresServer.of(connection), say)
