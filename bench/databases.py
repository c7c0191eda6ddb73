"""The databases to measure in: an embedded server of the run's own, or one that is named."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from chatkeep.database import migrations
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.database.postgres.embedded import EmbeddedPostgres

Connection = asyncpg.Connection  # without its type argument, which it does not take at run time


@contextmanager
def database(url: str | None, folder: Path | None) -> Iterator[str]:
    """Yield a migrated database: the one at `url`, or an embedded server's as `chatkeep serve --local` starts it.

    Args:
        folder: where the embedded server keeps it; None loses it at the end.
    """
    with ExitStack() as stack:
        if url is None:
            folder = folder or Path(stack.enter_context(TemporaryDirectory(prefix="chatkeep-bench-")))
            url = stack.enter_context(EmbeddedPostgres(folder)).url
        migrations.upgrade(url)
        yield url


@asynccontextmanager
async def bare_connection(url: str) -> AsyncIterator["Connection[asyncpg.Record]"]:
    connection: Connection[asyncpg.Record] = await open_connection(DatabaseAddress.parse(url))
    try:
        yield connection
    finally:
        await connection.close()
