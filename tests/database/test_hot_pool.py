"""Connections for hot statements: bounded, handed on in order, and never given on while an answer may still come."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.database.hot_pool import Connection, HotPool
from service.database.urls import driver_url

SLOW = "SELECT pg_sleep(0.3), pg_backend_pid() AS pid"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[HotPool]:
    async def connect() -> Connection:
        return await asyncpg.connect(driver_url(database_url))

    pool = HotPool(connect, size=2, timeout_seconds=5)
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
