"""Opens connections to one database, each told what this service relies on before anybody uses it."""

import asyncio
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Self

import structlog
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chatkeep.database.driver_errors import TRANSLATED, ends_all_connections, ends_connection
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.database.libpq.hosts import LastHost
from chatkeep.database.pool import Connection
from chatkeep.database.pooler import Pooling, connection_of_transactions, probe_connection
from chatkeep.database.session import (
    COLD,
    HOT,
    STATEMENT_TIMEOUT_SECONDS,
    Found,
    require_writable,
    settings_for,
    tell,
)
from chatkeep.database.stored_json import dump_json, parse_json
from chatkeep.database.times import read_every_time
from chatkeep.errors import ReadOnlyDatabase

CONNECT_TIMEOUT_SECONDS = 2.5
# As long as the hot pool waits: of several hosts each has to have its turn in that time.
HOT_CONNECT_TIMEOUT_SECONDS = 1.25
# The one that PgBouncer knows, and that a server's log shows from the first moment.
STARTUP_SETTINGS = {"application_name": "chatkeep"}

log = structlog.get_logger(__name__)


class Connector:
    """Opens connections to the database at `address`.

    Args:
        last_host: which of several hosts took the last connection.
        startup: settings for the connection's start, which a pooler may refuse.
        must_write: refuse a server that takes no changes.
        durable: see `settings_for`.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        last_host: LastHost,
        found: Found,
        pooling: Pooling,
        *,
        startup: Mapping[str, str],
        must_write: bool,
        durable: bool,
    ) -> None:
        self.option_names = address.option_names
        self.found = found
        self.pooling = pooling
        self._open = partial(open_connection, address, last_host=last_host)
        self._startup = dict(startup)
        self._must_write = must_write
        self._durable = durable

    @classmethod
    async def to(
        cls, url: str, *, startup: Mapping[str, str] | None = None, must_write: bool = False, durable: bool = False
    ) -> Self:
        """Look at the database and at the pooler before it.

        Raises:
            ConfigurationError: `url` is no address, or a pooler is in a mode that nobody can work with.
            PoolerExhausted: the pooler has no second connection.
            OSError, asyncpg.PostgresError: nothing answers, or it refuses.
        """
        address = DatabaseAddress.parse(url)
        if must_write:
            address = address.for_writing()
        startup = STARTUP_SETTINGS | dict(startup or {})
        last_host = LastHost()
        opening = partial(
            open_connection,
            address,
            timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            server_settings=startup,
            last_host=last_host,
        )
        found, pooling = await probe_connection(opening)
        return cls(address, last_host, found, pooling, startup=startup, must_write=must_write, durable=durable)

    @cached_property
    def hot_settings(self) -> dict[str, str]:
        return settings_for(self.found, HOT, durable=self._durable)

    @cached_property
    def cold_settings(self) -> dict[str, str]:
        return settings_for(self.found, COLD, durable=self._durable)

    async def hot(self) -> Connection:
        """Open a connection for hot statements."""
        opening = partial(self._open, timeout_seconds=HOT_CONNECT_TIMEOUT_SECONDS)
        connection = await self._opened(opening, self.hot_settings)
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=dump_json, decoder=parse_json)
        return connection

    def engine(self, settings: Mapping[str, str] | None = None, **options: Any) -> AsyncEngine:
        """Return an engine that opens its connections here.

        Args:
            settings: what they are told; None takes `cold_settings`.
            options: `create_async_engine`'s.
        """
        told = self.cold_settings if settings is None else settings_for(self.found, settings, durable=self._durable)

        async def cold() -> Connection:
            opening = partial(
                self._open,
                timeout_seconds=CONNECT_TIMEOUT_SECONDS,
                # For a server that stands still; one that lives ends a statement itself before.
                command_timeout=STATEMENT_TIMEOUT_SECONDS + 5 if settings is None else None,
            )
            return await self._opened(opening, told)

        arguments: dict[str, Any] = {"async_creator_fn": cold}
        if self.pooling is Pooling.TRANSACTION:
            arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
        # Texts of errors never hold what somebody wrote, nor the address: the engine does not know it.
        engine = create_async_engine("postgresql+asyncpg://", hide_parameters=True, connect_args=arguments, **options)
        event.listen(engine.sync_engine, "handle_error", _end_what_is_of_no_use)
        return engine

    async def check(self, connection: Connection) -> None:
        """Find out whether an open connection is still of use.

        Raises:
            ReadOnlyDatabase: the server takes no changes any more.
            OSError, TimeoutError, asyncpg.Error: it does not answer.
        """
        if self._must_write:
            await require_writable(connection)
        else:
            await connection.fetchval("SELECT 1")

    async def _opened(self, opening: Any, settings: Mapping[str, str]) -> Connection:
        connection: Connection | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                connection = await opening(server_settings=self._first_settings, **self._kind(settings))
                if self.pooling is Pooling.TRANSACTION:
                    await self.check(connection)
                else:
                    await tell(connection, settings, must_write=self._must_write)
                await read_every_time(connection)
        except BaseException as error:
            if connection is not None:
                connection.terminate()
                if isinstance(error, TimeoutError) and self.pooling is not Pooling.DIRECT:
                    log.warning("pooler_has_no_free_connection")
            raise
        return connection

    @property
    def _first_settings(self) -> dict[str, str]:
        """Until a connection was told more, the role's `statement_timeout` would hold; a pooler may refuse this one."""
        own = {"statement_timeout": "0"} if self.pooling is Pooling.DIRECT else {}
        return self._startup | own

    def _kind(self, settings: Mapping[str, str]) -> dict[str, Any]:
        if self.pooling is not Pooling.TRANSACTION:
            return {}
        kind = connection_of_transactions(settings, read_only_by_default=self.found.read_only_by_default)
        return {"connection_class": kind, "statement_cache_size": 0}


def look_before_use(engine: AsyncEngine, connector: Connector) -> None:
    """Have `engine` look at each connection before it lends it, as `pool_pre_ping` does, with one question."""

    def look(connection: Any, _record: object, _proxy: object) -> None:
        try:
            connection.run_async(connector.check)
        except ReadOnlyDatabase as error:
            raise InvalidatePoolError from error
        except TRANSLATED as error:
            raise (InvalidatePoolError if ends_all_connections(error) else DisconnectionError) from error

    event.listen(engine.sync_engine, "checkout", look)


def _end_what_is_of_no_use(context: ExceptionContext) -> None:
    """Have SQLAlchemy close the connection after such an error, and its pool's that are as old, too."""
    if ends_connection(context.original_exception):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = ends_all_connections(context.original_exception)
