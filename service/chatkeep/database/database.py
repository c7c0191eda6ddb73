"""The one way to PostgreSQL: SQLAlchemy's engine for everything, asyncpg for the hot statements."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Self, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatkeep.database.connector import CONNECT_TIMEOUT_SECONDS, Connector, look_before_use
from chatkeep.database.driver_errors import (
    TRANSLATED,
    ends_all_connections,
    raise_translation,
    sqlstate_of,
    translate_errors,
)
from chatkeep.database.libpq.address import DatabaseAddress, shown_url
from chatkeep.database.libpq.reasons import words_of
from chatkeep.database.pool import HotPool, waited_seconds
from chatkeep.database.pooler import Pooling
from chatkeep.database.session import not_given, not_in_force
from chatkeep.database.shares import TransactionShares
from chatkeep.database.sqlstates import UNKNOWN_DATABASE
from chatkeep.database.statement import Made, Statement
from chatkeep.database.stored_json import dump_json, parse_json
from chatkeep.errors import DatabaseUnavailable, PoolerExhausted, ReadOnlyDatabase

Answer = TypeVar("Answer")

# Most requests wait for a connection twice, for who is asking and for what they ask.
HOT_POOL_TIMEOUT_SECONDS = 1.25
# Transactions queue for each other's locks with a connection in their hands, so more patience is worth it: all that is
# left of these after the waits before, but as much as for a hot one in any case.
POOL_TIMEOUT_SECONDS = 2.5
# For somebody whose turn came when nearly all of that was over: a free connection takes no longer.
LAST_PATIENCE_SECONDS = 0.25
CLOSE_TIMEOUT_SECONDS = 5


class Database:
    """Connections to one database, opened when the service starts and closed when it stops."""

    def __init__(self, engine: AsyncEngine, pool: HotPool, connector: Connector, shares: TransactionShares) -> None:
        self._engine = engine
        self._shares = shares
        self._pool = pool
        self._connector = connector
        self._ending: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        pool_size: int = 16,
        server_settings: dict[str, str] | None = None,
        must_write: bool = False,
        durable: bool = False,
        named: str = "CHATKEEP_DATABASE_URL or --database-url",
    ) -> Self:
        """Open the pools: at most `pool_size` connections, half of them for hot statements.

        Args:
            server_settings: more of them, for the start of each connection.
            must_write: for as long as it is open, use no server that takes no changes: a standby, a read-only one.
            named: the settings to look at where it cannot be opened.
            durable: commit as the server does by default, but on disk before it is acknowledged in any case.

        Raises:
            DatabaseUnavailable: nothing answers at `url`, or it does not let us in; says why, and holds no secret.
            ConfigurationError: `url` is no address, or a pooler is in a mode that nobody can work with.
        """
        with _in_words(url, named):
            connector = await Connector.to(url, startup=server_settings, must_write=must_write, durable=durable)
        transactions = max(1, pool_size // 2)
        engine = connector.engine(
            pool_size=transactions,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            json_serializer=dump_json,
            json_deserializer=parse_json,
        )
        hot_size = max(1, pool_size - pool_size // 2)
        pool = HotPool(connector.hot, size=hot_size, timeout_seconds=HOT_POOL_TIMEOUT_SECONDS)
        look_before_use(engine, connector)
        event.listen(engine.sync_engine, "handle_error", partial(_expire, pool))
        database = cls(engine, pool, connector, TransactionShares(transactions))
        try:
            with _in_words(url, named):
                await database._ask()
        except BaseException as error:
            await database.close()
            if isinstance(error.__cause__, TimeoutError) and connector.pooling is not Pooling.DIRECT:
                raise PoolerExhausted from error
            raise
        return database

    @property
    def pooling(self) -> Pooling:
        """The pooler between us and the server, if any."""
        return self._connector.pooling

    @property
    def is_congested(self) -> bool:
        """Whether new turns wait for connections for so long that another one would wait in vain."""
        return self._pool.is_congested

    async def close(self) -> None:
        """Close both pools; a connection in use has a few seconds to come back."""
        try:
            await self._pool.close(timeout_seconds=CLOSE_TIMEOUT_SECONDS)
        except TimeoutError:
            self._pool.terminate()
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_TIMEOUT_SECONDS)
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a short transaction: committed when the block ends, rolled back when it raises.

        Raises:
            DatabaseUnavailable: the database does not answer or has no connection to give.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + _patience()
        with translate_errors():
            async with self._shares.share(deadline - clock()):
                connection = self._engine.connect()
                await _start(connection, self._ending, max(deadline - clock(), LAST_PATIENCE_SECONDS))
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

    async def read(self, query: Callable[[AsyncConnection], Awaitable[Answer]], *, timeout_seconds: float) -> Answer:
        """Run a query as `read_only` has it: see `Reads`, which may run it elsewhere."""
        async with self.read_only(timeout_seconds=timeout_seconds) as connection:
            return await query(connection)

    async def row(self, statement: Statement[Made], **values: object) -> Made | None:
        """Run a hot statement and return its first row."""
        try:
            found: Any = await self._pool.row(
                statement.sql, statement.arguments(values), timeout_seconds=statement.timeout_seconds
            )
        except TRANSLATED as error:
            raise_translation(error)
        return found if found is None or statement.row is None else statement.row(found)

    async def execute(self, statement: Statement[Any], **values: object) -> None:
        """Run a hot statement whose rows, if any, nobody needs."""
        await self.row(statement, **values)

    async def rows(self, statement: Statement[Made], **values: object) -> list[Made]:
        """Run a hot statement and return its rows."""
        try:
            found = await self._pool.rows(
                statement.sql, statement.arguments(values), timeout_seconds=statement.timeout_seconds
            )
        except TRANSLATED as error:
            raise_translation(error)
        return found if statement.row is None else list(map(statement.row, found))

    async def weed(self) -> None:
        """Close the connections that are of no use any more, before anybody is given one of them.

        Raises:
            ReadOnlyDatabase: the server takes no changes any more; no connection to it is left.
            DatabaseUnavailable: it does not answer.
        """
        try:
            with translate_errors():
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                    await self._pool.weed(self._connector.check)
        except ReadOnlyDatabase:
            self._pool.expire()
            raise

    async def settings_not_in_force(self) -> dict[str, tuple[str, str]]:
        """Return those settings that this service made and that do not hold: what it wanted, and what there is.

        A pooler may have dropped them.
        """
        hot, cold = self._connector.hot_settings, self._connector.cold_settings
        with translate_errors():
            async with self._pool.acquire() as connection:
                lost = await not_in_force(connection, hot)
        async with self.transaction() as transaction:
            raw: Any = await transaction.get_raw_connection()
            lost |= await not_in_force(raw.driver_connection, cold)
        return lost

    async def options_not_in_force(self) -> list[str]:
        """Return the settings among the address's `options` that a pooler has dropped, by name."""
        if not (names := self._connector.option_names):
            return []
        async with self.transaction() as transaction:
            raw: Any = await transaction.get_raw_connection()
            return await not_given(raw.driver_connection, names)

    async def ping(self) -> None:
        """Ask the database for nothing.

        Raises:
            DatabaseUnavailable: it does not answer within a few seconds.
        """
        with translate_errors():
            await self._ask()

    async def _ask(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            await self._pool.row("SELECT 1", ())


@contextmanager
def _in_words(url: str, named: str) -> Iterator[None]:
    """Say of a connection that cannot be opened where it leads, and why. The address is shown without a secret."""
    try:
        yield
    except TRANSLATED as error:
        if ends_all_connections(error):
            raise ReadOnlyDatabase from error
        raise DatabaseUnavailable(
            f"Cannot use the database at {shown_url(url)}: {words_of(error)}. {_advice(url, named, error)}"
        ) from error


def _advice(url: str, named: str, error: BaseException) -> str:
    if sqlstate_of(error) == UNKNOWN_DATABASE:
        name = shlex.quote(DatabaseAddress.parse(url).database)
        return (
            f"Create it there with `createdb {name}` and bring it to this version with `chatkeep db upgrade`, or check "
            f"{named}."
        )
    return f"Check {named}, and that the server is up."


def _expire(pool: HotPool, context: ExceptionContext) -> None:
    if ends_all_connections(context.original_exception):
        pool.expire()


def _patience() -> float:
    """Return for how many seconds the running task is to wait for a transaction's connection, at most."""
    return max(POOL_TIMEOUT_SECONDS - waited_seconds.get(), HOT_POOL_TIMEOUT_SECONDS)


async def _start(connection: AsyncConnection, ending: "set[asyncio.Task[None]]", patience: float) -> None:
    """Take a connection from the engine's pool, or give up in time.

    A connection that does not answer is closed with some patience: in a task of its own, since its caller has
    waited long enough. So is one that came just as its caller was cancelled, which nobody else would give back.

    Args:
        ending: where such tasks are until they are done.
        patience: for how many seconds to wait.
    """
    starting = asyncio.ensure_future(connection.start())
    try:
        await asyncio.wait({starting}, timeout=patience)
    except BaseException:
        _end_later(starting, connection, ending)
        raise
    if not starting.done():
        _end_later(starting, connection, ending)
        raise TimeoutError
    starting.result()


def _end_later(
    starting: "asyncio.Future[AsyncConnection]", connection: AsyncConnection, ending: "set[asyncio.Task[None]]"
) -> None:
    starting.cancel()
    task = asyncio.ensure_future(_end(starting, connection))
    ending.add(task)
    task.add_done_callback(ending.discard)


async def _end(starting: "asyncio.Future[AsyncConnection]", connection: AsyncConnection) -> None:
    await asyncio.wait({starting})
    if not starting.cancelled() and starting.exception() is None:
        await connection.close()
