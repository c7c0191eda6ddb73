"""Connections for hot statements: bounded, handed on in order, and never given on while an answer may still come."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chatkeep.database.pool import CONGESTED_SECONDS, MAX_WAITING_TURNS, Connection, HotPool
from chatkeep.database.priority import MAX_PASSED_OVER, Priority, with_priority
from tests.support.urls import driver_url

SLOW = "SELECT pg_sleep(0.3), pg_backend_pid() AS pid"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[HotPool]:
    async def connect() -> Connection:
        return await asyncpg.connect(driver_url(database_url))

    pool = HotPool(connect, size=2, timeout_seconds=5)
    yield pool
    await pool.close(timeout_seconds=5)


@asynccontextmanager
async def pool_of(url: str, size: int) -> AsyncIterator[HotPool]:
    async def connect() -> Connection:
        return await asyncpg.connect(driver_url(url))

    pool = HotPool(connect, size=size, timeout_seconds=20)
    yield pool
    await pool.close(timeout_seconds=5)


async def pid_of(pool: HotPool, sql: str = "SELECT pg_backend_pid() AS pid") -> int:
    pid: int = (await pool.row(sql, ()))["pid"]
    return pid


async def test_no_more_connections_than_allowed_and_none_opened_twice(pool: HotPool) -> None:
    pids = await asyncio.gather(*(pid_of(pool) for _ in range(20)))
    assert len(set(pids)) == 2
    assert {await pid_of(pool) for _ in range(5)} <= set(pids)


async def test_a_statement_that_the_database_refuses_costs_no_connection(pool: HotPool) -> None:
    pid = await pid_of(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await pool.rows("SELECT 1 / 0", ())
    assert await pid_of(pool) == pid


async def test_a_cancelled_statement_is_answered_to_nobody_else(pool: HotPool) -> None:
    task = asyncio.create_task(pid_of(pool, SLOW))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await asyncio.gather(*(pool.row(f"SELECT {n} AS n", ()) for n in range(10)))
    assert [row["n"] for row in found] == list(range(10))


async def test_who_waits_is_served_in_order_and_may_go_away(pool: HotPool) -> None:
    order: list[int] = []

    async def wait(number: int) -> None:
        async with pool.acquire():
            order.append(number)
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(wait(number)) for number in range(6)]
    await asyncio.sleep(0.02)
    gone = next(task for number, task in enumerate(tasks) if number not in order)
    gone.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    left = [number for number, task in enumerate(tasks) if task is not gone]
    assert sorted(order) == left
    assert [number for number in order if number in left[2:]] == left[2:]
    assert len(set(await asyncio.gather(*(pid_of(pool) for _ in range(8))))) <= 2


async def test_waiting_ends_in_time_and_takes_nothing_along(database_url: str) -> None:
    async def connect() -> Connection:
        return await asyncpg.connect(driver_url(database_url))

    pool = HotPool(connect, size=1, timeout_seconds=1.5)
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            await pid_of(pool)
    assert await pid_of(pool)
    await pool.close(timeout_seconds=5)


async def test_a_connection_that_cannot_be_opened_leaves_room_for_the_next(database_url: str) -> None:
    tries = 0

    async def connect() -> Connection:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.05)
        if tries == 1:
            raise ConnectionRefusedError
        return await asyncpg.connect(driver_url(database_url))

    pool = HotPool(connect, size=1, timeout_seconds=5)
    first, second = await asyncio.gather(pid_of(pool), pid_of(pool), return_exceptions=True)
    assert isinstance(first, ConnectionRefusedError)
    assert isinstance(second, int)
    await pool.close(timeout_seconds=5)


async def test_a_closed_pool_gives_nothing_and_waits_for_what_is_used(pool: HotPool) -> None:
    under_way = asyncio.create_task(pid_of(pool, SLOW))
    await asyncio.sleep(0.1)
    await pool.close(timeout_seconds=5)
    assert under_way.done()
    assert under_way.result() > 0
    with pytest.raises(asyncpg.InterfaceError):
        await pid_of(pool)


async def test_a_statement_that_takes_too_long_is_given_up_and_costs_nobody_else(pool: HotPool) -> None:
    """As on a database that stands still: whoever asks gets an answer, and the pool stays whole."""
    slow = await asyncio.gather(*(pool.row(SLOW, (), timeout_seconds=0.05) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in slow] == [TimeoutError, TimeoutError]
    assert len(set(await asyncio.gather(*(pid_of(pool, SLOW) for _ in range(4))))) == 2


class Waiters:
    """Tasks that wait for connections, and the order in which they got one."""

    def __init__(self, pool: HotPool) -> None:
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._pool = pool

    async def add(self, name: str, at: Priority, *, seconds: float = 0.0) -> None:
        with with_priority(at):
            self.tasks.append(asyncio.create_task(self._wait(name, seconds)))
        await asyncio.sleep(0)

    async def _wait(self, name: str, seconds: float) -> None:
        async with self._pool.acquire():
            self.order.append(name)
            await asyncio.sleep(seconds)


async def test_reads_go_before_turns_that_end_and_those_before_new_ones(database_url: str) -> None:
    async with pool_of(database_url, 1) as pool:
        waiters = Waiters(pool)
        async with pool.acquire():
            for name, at in (
                ("new 1", Priority.NEW_TURN),
                ("new 2", Priority.NEW_TURN),
                ("end", Priority.FINISH_TURN),
                ("read 1", Priority.READ),
                ("read 2", Priority.READ),
            ):
                await waiters.add(name, at)
        await asyncio.gather(*waiters.tasks)
    assert waiters.order == ["read 1", "read 2", "end", "new 1", "new 2"]


async def test_a_flood_of_reads_does_not_keep_turns_waiting_for_ever(database_url: str) -> None:
    async with pool_of(database_url, 1) as pool:
        waiters = Waiters(pool)
        async with pool.acquire():
            await waiters.add("new", Priority.NEW_TURN)
            await waiters.add("end", Priority.FINISH_TURN)
            for _ in range(3 * MAX_PASSED_OVER):
                await waiters.add("read", Priority.READ)
        await asyncio.gather(*waiters.tasks)
    assert waiters.order.index("end") == MAX_PASSED_OVER
    assert waiters.order.index("new") == MAX_PASSED_OVER + 1


async def test_turns_leave_a_connection_for_reads(database_url: str) -> None:
    async with pool_of(database_url, 4) as pool:
        turns = Waiters(pool)
        for number in range(8):
            await turns.add(f"new {number}", Priority.NEW_TURN, seconds=0.5)
        async with asyncio.timeout(5):
            while len(turns.order) < 3:
                await asyncio.sleep(0.01)
        assert await pid_of(pool) > 0
        assert len(turns.order) == 3, "a read waited for a turn"
        await asyncio.gather(*turns.tasks)
        assert sorted(turns.order) == [f"new {number}" for number in range(8)]


async def test_new_turns_wait_in_a_queue_with_an_end(database_url: str) -> None:
    async with pool_of(database_url, 1) as pool:
        waiters = Waiters(pool)
        async with pool.acquire():
            for _ in range(MAX_WAITING_TURNS):
                await waiters.add("new", Priority.NEW_TURN)
            with with_priority(Priority.NEW_TURN), pytest.raises(TimeoutError, match="too many new turns"):
                await pid_of(pool)
            await asyncio.sleep(CONGESTED_SECONDS + 0.1)
            assert pool.is_congested
        await asyncio.gather(*waiters.tasks)
        assert not pool.is_congested


async def test_those_who_give_up_take_nothing_along(database_url: str) -> None:
    """Whatever is given to whom, and in whatever order they go: every connection can be had in the end."""
    async with pool_of(database_url, 4) as pool:
        chance = random.Random(5)
        waiters = Waiters(pool)
        for number in range(400):
            await waiters.add(str(number), chance.choice(list(Priority)), seconds=chance.random() / 100)
            if chance.random() < 0.4:
                chance.choice(waiters.tasks).cancel()
            if chance.random() < 0.02:
                pool.expire()
            await asyncio.sleep(chance.random() / 200)
        await asyncio.gather(*waiters.tasks, return_exceptions=True)
        with with_priority(Priority.NEW_TURN):
            assert len(set(await asyncio.gather(*(pid_of(pool, SLOW) for _ in range(3))))) == 3
        assert len(set(await asyncio.gather(*(pid_of(pool, SLOW) for _ in range(4))))) == 4
