"""Connections for hot statements: each runs one auto-committed statement at a time, and carries nothing to the next.

asyncpg's own pool costs twice what such a statement does: it wraps and unwraps each connection, resets it, and makes
a task of giving it back. Whoever takes one here gives it back as it is, or not at all: what ended in any other way
than the database's answer or refusal is closed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from service.database.failures import ends_all_connections, ends_connection

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


# How long the running task, a request's as a rule, has waited for connections of any pool so far.
waited_seconds: ContextVar[float] = ContextVar("waited_seconds", default=0.0)


class HotPool:
    """At most `size` connections, opened when wanted and kept.

    Args:
        timeout_seconds: how long to wait for one while all are taken.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int, timeout_seconds: float) -> None:
        self._connect = connect
        self._size = size
        self._timeout_seconds = timeout_seconds
        self._free: list[Connection] = []
        self._taken: set[Connection] = set()
        # Of these, which nobody is to be given any more.
        self._expired: set[Connection] = set()
        self._opening = 0
        # Each gets a connection from hand to hand, or None for room to open one: nobody comes in between.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    async def row(self, sql: str, arguments: Sequence[object], *, timeout_seconds: float | None = None) -> Any:
        """Run a statement and return its first row, or None.

        Raises:
            TimeoutError: no connection, or no answer; whether the statement was carried out is not known.
        """
        connection = self._take_free() or await self._take()
        try:
            found = await connection.fetchrow(sql, *arguments, timeout=timeout_seconds)
        except BaseException as error:
            self._give_back_after(connection, error)
            raise
        self._give_back(connection)
        return found

    async def rows(self, sql: str, arguments: Sequence[object], *, timeout_seconds: float | None = None) -> list[Any]:
        """Run a statement and return its rows. Errors: as `row`."""
        connection = self._take_free() or await self._take()
        try:
            found = await connection.fetch(sql, *arguments, timeout=timeout_seconds)
        except BaseException as error:
            self._give_back_after(connection, error)
            raise
        self._give_back(connection)
        return found

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lend a connection; it must come back without a transaction and without settings of its own."""
        connection = self._take_free() or await self._take()
        try:
            yield connection
        except BaseException as error:
            self._give_back_after(connection, error)
            raise
        self._give_back(connection)

    async def close(self, *, timeout_seconds: float) -> None:
        """Close every connection; whoever still uses one has `timeout_seconds` to give it back."""
        self._closed = True
        while self._tell_next():
            pass
        async with asyncio.timeout(timeout_seconds):
            while self._taken or self._opening:  # noqa: ASYNC110  only here does anyone wait for the last
                await asyncio.sleep(0.01)
            while self._free:
                await self._free.pop().close()

    def expire(self) -> None:
        """Give nobody a connection that is open now: the free ones are closed, the others when they come back."""
        self._expired |= self._taken
        while self._free:
            self._free.pop().terminate()

    async def weed(self, check: Callable[[Connection], Awaitable[None]]) -> None:
        """Close the free connections for which `check` raises, and forget those that the server has closed.

        Raises:
            Exception: as `check` does; the rest was not looked at.
        """
        for connection in tuple(self._free):
            if connection in self._free:  # nobody has taken it in the meantime
                self._free.remove(connection)
                self._taken.add(connection)
                try:
                    await check(connection)
                except BaseException:
                    connection.terminate()
                    raise
                finally:
                    self._give_back(connection)

    def terminate(self) -> None:
        """Close every connection at once, whoever uses it."""
        for connection in (*self._free, *self._taken):
            connection.terminate()

    def _take_free(self) -> Connection | None:
        while self._free and not self._closed:
            connection = self._free.pop()
            if not connection.is_closed():
                self._taken.add(connection)
                return connection
        return None

    async def _take(self) -> Connection:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while not self._closed:
                    if len(self._taken) + self._opening < self._size:
                        return await self._open()
                    if connection := await self._given():
                        return connection
        finally:
            waited_seconds.set(waited_seconds.get() + clock() - began)
        raise asyncpg.InterfaceError("the pool is closed")

    async def _open(self) -> Connection:
        self._opening += 1
        try:
            connection = await self._connect()
            self._taken.add(connection)
        except BaseException:
            self._tell_next()  # there is room for another try
            raise
        finally:
            self._opening -= 1
        return connection

    async def _given(self) -> Connection | None:
        """Wait for somebody's connection; None where there is room to open one."""
        waiting: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled():
                self._hand_on(waiting.result())  # it came too late
            raise

    def _give_back(self, connection: Connection) -> None:
        if connection in self._expired:
            self._expired.discard(connection)
            connection.terminate()
        if connection.is_closed():
            self._taken.discard(connection)
            self._tell_next()
        else:
            self._hand_on(connection)

    def _hand_on(self, connection: Connection | None) -> None:
        if not self._tell_next(connection) and connection is not None:
            self._taken.discard(connection)
            self._free.append(connection)

    def _give_back_after(self, connection: Connection, error: BaseException) -> None:
        if not isinstance(error, asyncpg.PostgresError) or ends_connection(error):
            # Cancelled, shut down, or out of step with the server: an answer may still come, which is nobody's.
            connection.terminate()
            if ends_all_connections(error):
                self.expire()
        self._give_back(connection)

    def _tell_next(self, connection: Connection | None = None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False
