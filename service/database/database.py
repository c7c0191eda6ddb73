"""The one way to PostgreSQL: SQLAlchemy's engine for everything, asyncpg's pool for what is hot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.database.failures import translated
from service.database.hot import Row, Statement
from service.database.urls import driver_url, parsed_url

CONNECT_TIMEOUT_SECONDS = 2.5
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


class Database:
    """Connections to one database, opened when the service starts and closed when it stops."""

    def __init__(self, engine: AsyncEngine, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
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
            connect_args={"timeout": CONNECT_TIMEOUT_SECONDS, "server_settings": settings},
        )
        with translated():
            pool = await asyncpg.create_pool(
                driver_url(url),
                # Opened when wanted and then kept; a floor would be restored, loudly, while the database is away.
                min_size=0,
                max_inactive_connection_lifetime=0,
                max_size=max(1, pool_size - pool_size // 2),
                timeout=CONNECT_TIMEOUT_SECONDS,
                # Each hot statement has one good plan, by an index; making it anew costs as much as running it.
                server_settings=settings | {"plan_cache_mode": "force_generic_plan"},
                init=_prepare_connection,
                reset=_keep_as_it_is,
            )
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
            async with asyncio.timeout(5):
                await self._pool.close()
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
            async with self._engine.begin() as connection:
                yield connection

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
        with translated():
            async with self._pool.acquire(timeout=POOL_TIMEOUT_SECONDS) as connection:
                found: Any = await connection.fetchrow(statement.sql, *statement.arguments(values))
                return found

    async def rows(self, statement: Statement, **values: object) -> list[Any]:
        """Run a hot statement and return its rows."""
        with translated():
            async with self._pool.acquire(timeout=POOL_TIMEOUT_SECONDS) as connection:
                return await connection.fetch(statement.sql, *statement.arguments(values))

    async def ping(self) -> None:
        """Ask the database for nothing.

        Raises:
            DatabaseUnavailable: it does not answer within a few seconds.
        """
        with translated():
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await self._pool.fetchval("SELECT 1", timeout=CONNECT_TIMEOUT_SECONDS)


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


async def _prepare_connection(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_json_text, decoder=json.loads)


async def _keep_as_it_is(_connection: Any) -> None:
    """Hot statements leave nothing behind to reset; the round trip would cost as much as they do."""
