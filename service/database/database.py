"""The one way to PostgreSQL: SQLAlchemy's engine for everything, asyncpg for what is hot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.database.failures import TRANSLATED, raise_translated, translated
from service.database.hot import Row, Statement
from service.database.hot_pool import Connection, HotPool, waited_seconds
from service.database.urls import driver_url, parsed_url

CONNECT_TIMEOUT_SECONDS = 2.5
# Most requests wait for a connection twice, for who is asking and for what they ask.
HOT_POOL_TIMEOUT_SECONDS = 1.25
# Transactions queue for each other's locks with a connection in their hands, so more patience is worth it: all that is
# left of these after the waits before, but as much as for a hot one in any case.
POOL_TIMEOUT_SECONDS = 2.5
STATEMENT_TIMEOUT_SECONDS = 30
IDLE_TRANSACTION_TIMEOUT_SECONDS = 30

_SERVER_SETTINGS = {
    "application_name": "chatkeep",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": f"{IDLE_TRANSACTION_TIMEOUT_SECONDS}s",
    # Compiling a query costs more than any of ours takes.
    "jit": "off",
}

_HOT_SETTINGS = {
    # Each hot statement has one good plan, by an index; making it anew costs as much as running it.
    "plan_cache_mode": "force_generic_plan",
    # It may have been made while the tables were nearly empty, and reading them whole looked cheapest.
    "enable_seqscan": "off",
}


class Database:
    """Connections to one database, opened when the service starts and closed when it stops."""

    def __init__(self, engine: AsyncEngine, pool: HotPool) -> None:
        self._engine = engine
        self._pool = pool

    @classmethod
    async def connect(cls, url: str, *, pool_size: int = 16, server_settings: dict[str, str] | None = None) -> Self:
        """Open the pools: at most `pool_size` connections, half of them for hot statements.

        Raises:
            DatabaseUnavailable: nothing answers at `url`.
            ConfigurationError: `url` is not PostgreSQL's.
        """
        settings = _SERVER_SETTINGS | (server_settings or {})
        engine = create_async_engine(
            parsed_url(url),
            pool_size=max(1, pool_size // 2),
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            json_serializer=_json_text,
            hide_parameters=True,  # an error's text never holds what somebody wrote
            connect_args={
                "timeout": CONNECT_TIMEOUT_SECONDS,
                # For a server that stands still; one that lives ends a statement itself before.
                "command_timeout": STATEMENT_TIMEOUT_SECONDS + 5,
                "server_settings": settings,
            },
        )

        async def connect() -> Connection:
            connection: Connection = await asyncpg.connect(
                driver_url(url),
                timeout=CONNECT_TIMEOUT_SECONDS,
                server_settings=settings | _HOT_SETTINGS,
            )
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_json_text, decoder=json.loads)
            return connection

        pool = HotPool(connect, size=max(1, pool_size - pool_size // 2), timeout_seconds=HOT_POOL_TIMEOUT_SECONDS)
        database = cls(engine, pool)
        try:
            await database.ping()
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close both pools; whoever still uses a connection has a few seconds to give it back."""
        try:
            await self._pool.close(timeout_seconds=5)
        except TimeoutError:
            self._pool.terminate()
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a short transaction: committed when the block ends, rolled back when it raises.

        Raises:
            DatabaseUnavailable: the database does not answer or has no connection to give.
        """
        with translated():
            connection = self._engine.connect()
            await _start(connection)
            try:
                async with connection.begin():
                    yield connection
            finally:
                await connection.close()

    @asynccontextmanager
    async def read_only(self, *, timeout_seconds: float) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that cannot write and whose statements may each take `timeout_seconds`."""
        async with self.transaction() as connection:
            await connection.execute(
                text(
                    "SELECT set_config('transaction_read_only', 'on', true),"
                    " set_config('statement_timeout', :milliseconds, true)"
                ),
                {"milliseconds": str(int(timeout_seconds * 1000))},
            )
            yield connection

    async def row(self, statement: Statement, **values: object) -> Row | None:
        """Run a hot statement and return its first row."""
        try:
            found: Any = await self._pool.row(
                statement.sql, statement.arguments(values), timeout_seconds=statement.timeout_seconds
            )
        except TRANSLATED as error:
            raise_translated(error)
        return found

    async def rows(self, statement: Statement, **values: object) -> list[Any]:
        """Run a hot statement and return its rows."""
        try:
            return await self._pool.rows(
                statement.sql, statement.arguments(values), timeout_seconds=statement.timeout_seconds
            )
        except TRANSLATED as error:
            raise_translated(error)

    async def ping(self) -> None:
        """Ask the database for nothing.

        Raises:
            DatabaseUnavailable: it does not answer within a few seconds.
        """
        with translated():
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await self._pool.row("SELECT 1", ())


async def _start(connection: AsyncConnection) -> None:
    """Take a connection from the engine's pool, or give up in time.

    A connection that does not answer is closed with some patience: in a task of its own, since whoever asked has
    waited long enough.
    """
    starting = asyncio.ensure_future(connection.start())
    patience = max(POOL_TIMEOUT_SECONDS - waited_seconds.get(), HOT_POOL_TIMEOUT_SECONDS)
    try:
        await asyncio.wait({starting}, timeout=patience)
    finally:
        if not starting.done():
            starting.add_done_callback(_forget)
            starting.cancel()
    if not starting.done():
        raise TimeoutError
    starting.result()


def _forget(ended: "asyncio.Future[AsyncConnection]") -> None:
    if not ended.cancelled():
        ended.exception()  # asked for, so that nobody is told of it again


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
