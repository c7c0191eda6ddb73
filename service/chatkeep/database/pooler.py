"""Whether a pooler is between us and the server, how it lends the server's connections, and what follows for ours.

A pooler in transaction mode lends a connection for one transaction: what was set on it or prepared on it belongs to
somebody else afterwards. So each statement is then in a transaction, which begins by telling the server all that it has
to know, and is prepared under no name.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import asyncpg

from chatkeep.database.pool import Connection
from chatkeep.database.session import Found, first_row, found_on, settings_sql
from chatkeep.errors import ConfigurationError, PoolerExhausted

if TYPE_CHECKING:
    _Base: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection

Opening = Callable[..., Awaitable[Connection]]

TRIES = 5
PROBE_TIMEOUT_SECONDS = 2.5

STATEMENT_MODE = (
    "The pooler before the database lends connections for single statements, and this service needs transactions. Set "
    "pool_mode = session (or transaction) for this database in PgBouncer."
)


class Pooling(Enum):
    """How the server's connections reach us. Of a pooler that we do not notice, nothing depends on it."""

    DIRECT = "no pooler"
    SESSION = "a pooler in session mode"
    TRANSACTION = "a pooler in transaction mode"


async def probe_connection(opening: Opening) -> tuple[Found, Pooling]:
    """Return the database's settings, and the pooler in between.

    Args:
        opening: opens a connection, with more arguments for `asyncpg.connect`.

    Raises:
        ConfigurationError: the pooler's mode is one that nobody can work with.
        PoolerExhausted: it has no second connection.
        OSError, asyncpg.PostgresError: nothing answers, or it refuses.
    """
    # Nothing is known of it yet: no statement has a name.
    connection = await opening(statement_cache_size=0)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            found = await found_on(connection)
        # A pooler makes up the number by which a client may cancel: it answers for many processes.
        if connection.get_server_pid() == found.pid:
            return found, Pooling.DIRECT
        return found, await _pooling_of(connection, opening)
    except asyncpg.PostgresError as error:
        if "statement pooling" in str(error):
            raise ConfigurationError(STATEMENT_MODE) from error
        raise
    finally:
        connection.terminate()


async def _pooling_of(first: Connection, opening: Opening) -> Pooling:
    second = await opening(statement_cache_size=0)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            return Pooling.TRANSACTION if await _share_a_process(first, second) else Pooling.SESSION
    except TimeoutError as error:
        raise PoolerExhausted from error
    finally:
        second.terminate()


async def _share_a_process(first: Connection, second: Connection) -> bool:
    """Whether one server process serves both, who are both connected.

    A pooler lends the connection that came back last, as a rule. Others may be quicker, so it is tried again.
    """
    seen: dict[Connection, set[int]] = {first: set(), second: set()}
    for _ in range(TRIES):
        # The second twice: a pooler that lends two connections in turn would otherwise lend each of us always the same.
        for each in (first, second, second):
            seen[each].add((await first_row(each, "SELECT pg_backend_pid() AS pid"))["pid"])
        if any(len(pids) > 1 for pids in seen.values()) or seen[first] & seen[second]:
            return True
    return False


class TransactionConnection(_Base):
    """A connection to a pooler in transaction mode: each transaction begins by telling the server what holds in it."""

    beginning: ClassVar[str]

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109  its base's
        if not arguments and query.startswith("BEGIN"):
            query = f"{query.rstrip(';')}; {self.beginning}"
        return await super().execute(query, *arguments, timeout=timeout)

    async def fetch(self, *statement: Any, timeout: float | None = None, **options: Any) -> Any:  # noqa: ASYNC109
        async with self._of_its_own(timeout):
            return await super().fetch(*statement, **options)

    async def fetchrow(self, *statement: Any, timeout: float | None = None, **options: Any) -> Any:  # noqa: ASYNC109
        async with self._of_its_own(timeout):
            return await super().fetchrow(*statement, **options)

    async def fetchval(self, *statement: Any, timeout: float | None = None, **options: Any) -> Any:  # noqa: ASYNC109
        async with self._of_its_own(timeout):
            return await super().fetchval(*statement, **options)

    @asynccontextmanager
    async def _of_its_own(self, timeout_seconds: float | None) -> AsyncIterator[None]:
        """Run the block in a transaction, a new one unless it is in one.

        Not asyncpg's own, which would roll back, and wait for it, where the server does not answer any more.
        """
        async with asyncio.timeout(timeout_seconds):
            if self.is_in_transaction():
                yield
                return
            try:
                await self.execute("BEGIN")
                yield
                await self.execute("COMMIT")
            except asyncpg.PostgresError:
                await self._roll_back()
                raise
            except BaseException:
                self.terminate()
                raise

    async def _roll_back(self) -> None:
        try:
            if not self.is_closed():
                await self.execute("ROLLBACK")
        except BaseException:
            self.terminate()
            raise


def connection_of_transactions(settings: Mapping[str, str], *, read_only_by_default: bool) -> type[Connection]:
    """Return the class of connections whose transactions begin with `settings`."""
    beginning = settings_sql(settings, for_the_transaction=True)
    # `default_…` decides before a transaction begins, so this one is told itself; before anything else is asked.
    mode = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" + (", READ WRITE" if read_only_by_default else "")
    return type("PooledConnection", (TransactionConnection,), {"beginning": f"{mode}; {beginning}"})
