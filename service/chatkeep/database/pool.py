"""Connections for hot statements: each runs one auto-committed statement at a time, and carries nothing to the next.

asyncpg's own pool costs twice what such a statement does: it wraps and unwraps each connection, resets it, and makes
a task of giving it back. Here a connection comes back as it is, or not at all: one whose statement
ended in any other way than the database's answer or refusal is closed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from chatkeep.database.driver_errors import ends_all_connections, ends_connection
from chatkeep.database.priority import Priority, WaitQueue, priority

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


# How long the running task, a request's as a rule, has waited for connections of any pool so far.
waited_seconds: ContextVar[float] = ContextVar("waited_seconds", default=0.0)

# New turns that wait for a connection; more of them would only be refused a second later.
MAX_WAITING_TURNS = 256
# Where the first of them has waited for so long, another one would wait in vain.
CONGESTED_SECONDS = 0.5


class HotPool:
    """At most `size` connections, opened when wanted and kept.

    Three quarters of them at most work for turns: where turns come faster than they can be kept, a list finds a
    connection, and the server has time for it.

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
        # Of the taken ones and those that are being opened, how many work for turns.
        self._for_turns: set[Connection] = set()
        self._opening_for_turns = 0
        self._max_for_turns = size - size // 4
        # Each gets a connection from hand to hand, or None for room to open one: nobody comes in between.
        self._waiting: WaitQueue[Connection | None] = WaitQueue()
        self._closed = False

    @property
    def is_congested(self) -> bool:
        """Whether a new turn would wait for a connection in vain."""
        return self._waiting.longest_wait(Priority.NEW_TURN) > CONGESTED_SECONDS

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
        self._release(connection)
        return found

    async def rows(self, sql: str, arguments: Sequence[object], *, timeout_seconds: float | None = None) -> list[Any]:
        """Run a statement and return its rows. Errors: as `row`."""
        connection = self._take_free() or await self._take()
        try:
            found = await connection.fetch(sql, *arguments, timeout=timeout_seconds)
        except BaseException as error:
            self._give_back_after(connection, error)
            raise
        self._release(connection)
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
        self._release(connection)

    async def close(self, *, timeout_seconds: float) -> None:
        """Close every connection; one that is in use has `timeout_seconds` to come back."""
        self._closed = True
        while self._tell_next(may_take=lambda _: True):
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
                    self._release(connection)

    def terminate(self) -> None:
        """Close every connection at once, also those in use."""
        for connection in (*self._free, *self._taken):
            connection.terminate()

    def _take_free(self) -> Connection | None:
        if not self._free or not self._may_take(priority.get()):
            return None
        while self._free and not self._closed:
            connection = self._free.pop()
            if not connection.is_closed():
                self._note_taken(connection, priority.get())
                return connection
        return None

    def _may_take(self, at: Priority) -> bool:
        return at is Priority.READ or len(self._for_turns) + self._opening_for_turns < self._max_for_turns

    def _note_taken(self, connection: Connection, at: Priority) -> None:
        self._taken.add(connection)
        if at is not Priority.READ:
            self._for_turns.add(connection)

    async def _take(self) -> Connection:
        at = priority.get()
        if at is Priority.NEW_TURN and self._waiting.count(at) >= MAX_WAITING_TURNS:
            raise TimeoutError("too many new turns wait for a connection")
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while not self._closed:
                    if connection := self._take_free():
                        return connection
                    if self._may_take(at) and len(self._taken) + len(self._free) + self._opening < self._size:
                        return await self._open(at)
                    if connection := await self._given(at):
                        return connection
        finally:
            waited_seconds.set(waited_seconds.get() + clock() - began)
        raise asyncpg.InterfaceError("the pool is closed")

    async def _open(self, at: Priority) -> Connection:
        self._note_opening(at, 1)
        try:
            connection = await self._connect()
        except BaseException:
            self._note_opening(at, -1)
            self._tell_next()  # there is room for another try
            raise
        self._note_opening(at, -1)
        self._note_taken(connection, at)
        return connection

    def _note_opening(self, at: Priority, change: int) -> None:
        self._opening += change
        if at is not Priority.READ:
            self._opening_for_turns += change

    async def _given(self, at: Priority) -> Connection | None:
        """Wait for somebody's connection; None where there is room to open one."""
        waiting = self._waiting.join(at)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled():
                self._hand_on(waiting.result())  # it came too late
            raise

    def _release(self, connection: Connection) -> None:
        if connection in self._expired:
            self._expired.discard(connection)
            connection.terminate()
        if connection.is_closed():
            self._taken.discard(connection)
            self._for_turns.discard(connection)
            self._tell_next()
        else:
            self._hand_on(connection)

    def _hand_on(self, connection: Connection | None) -> None:
        if connection is not None:
            self._for_turns.discard(connection)
        if not self._tell_next(connection) and connection is not None:
            self._taken.discard(connection)
            self._free.append(connection)

    def _give_back_after(self, connection: Connection, error: BaseException) -> None:
        if not isinstance(error, asyncpg.PostgresError) or ends_connection(error):
            # Cancelled, shut down, or out of step with the server: an answer may still come, which is nobody's.
            connection.terminate()
            if ends_all_connections(error):
                self.expire()
        self._release(connection)

    def _tell_next(
        self, connection: Connection | None = None, *, may_take: Callable[[Priority], bool] | None = None
    ) -> bool:
        found = self._waiting.next(may_take or self._may_take)
        if found is None:
            return False
        at, waiting = found
        if connection is not None:
            self._note_taken(connection, at)
        waiting.set_result(connection)
        return True
