"""Rounds take turns, and count what each side costs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.databases import bare_connection
from bench.measurements import Bar, Effort, Figure, Sides
from bench.postgres import PostgresServer
from bench.rounds import Side, interleaved


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[PostgresServer]:
    async with bare_connection(database_url) as connection:
        yield await PostgresServer.of(connection)


async def test_sides_take_turns_and_the_first_round_does_not_count(server: PostgresServer) -> None:
    order: list[str] = []

    def side(name: str) -> Side:
        async def work(task: int, number: int) -> None:
            order.append(name)

        return Side(name, work)

    rounds = await interleaved("x", [side("a"), side("b")], server, Effort(2), tasks=1, times=2)
    assert order == [*"aabb", *"bbaa", *"aabb"]
    assert {name: len(of) for name, of in rounds.of.items()} == {"a": 2, "b": 2}
    assert [len(each.latencies) for each in rounds.of["a"]] == [2, 2]


async def test_tasks_work_at_once_and_what_is_left_for_later_takes_no_time(server: PostgresServer) -> None:
    at_once = asyncio.Barrier(4)

    async def work(task: int, number: int) -> None:
        await at_once.wait()

    async def settle() -> None:
        await server.connection.execute("SELECT pg_sleep(0.3)")

    rounds = await interleaved("x", [Side("a", work, settle=settle)], server, Effort(1), tasks=4, times=8)
    assert rounds.of["a"][0].seconds < 0.3


async def test_the_log_and_the_processor_of_postgresql_are_counted(server: PostgresServer) -> None:
    await server.connection.execute("CREATE TABLE kept (text text); ALTER TABLE kept ALTER text SET STORAGE EXTERNAL")

    async def write(task: int, number: int) -> None:
        await server.connection.execute("INSERT INTO kept VALUES (repeat('x', 100000))")

    async def read(task: int, number: int) -> float:
        return 7.0

    rounds = await interleaved("x", [Side("w", write), Side("r", read)], server, Effort(1), tasks=1, times=20)
    written, nothing = rounds.of["w"][0], rounds.of["r"][0]
    assert 100_000 < written.wal_bytes < 400_000
    assert nothing.wal_bytes < 10_000
    assert nothing.p50 == nothing.p99 == 7.0
    assert written.postgres is not None
    assert 0 < written.postgres < 0.5


async def test_hot_updates_are_told_from_others(server: PostgresServer, database_url: str) -> None:
    await server.connection.execute(
        "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, free int, found int) WITH (fillfactor = 10);"
        "CREATE INDEX ON s.t (found); INSERT INTO s.t SELECT n, 0, 0 FROM generate_series(1, 8) AS n"
    )
    before = await server.updates("s")
    async with bare_connection(database_url) as other:
        await other.execute("UPDATE s.t SET free = 1")
    between = await server.updates("s")
    assert between.share_since(before) == 1.0
    async with bare_connection(database_url) as other:
        await other.execute("UPDATE s.t SET found = 1")
    after = await server.updates("s")
    assert after.share_since(between) == 0.0
    assert after.share_since(after) is None


def test_a_median_is_of_ratios_and_bars_hold_in_their_direction() -> None:
    figure = Sides([(2.0, 1.0), (9.0, 3.0), (4.0, 1.0)]).ratio("x", Bar(3.0))
    assert (figure.value, figure.verdict, figure.bare) == (3.0, "met", 1e6)
    assert Bar(0.8, 0.7, at_least=True).verdict(0.8) == "met"
    assert Bar(0.8, 0.7, at_least=True).verdict(0.75) == "progress"
    assert Bar(0.8, 0.7, at_least=True).verdict(0.6) == "missed"
    assert Bar(1.3, 1.6).verdict(1.6) == "progress"
    assert Bar(1.3).verdict(1.31) == "missed"
    assert Figure("x", 5).verdict is None
