"""Twice the siblings are twice the work: for a page, for a turn and for a whole export."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from chatkeep.admin.history_queries import HistoryFilters, history_page
from chatkeep.chat.history import path_queries, queries
from chatkeep.database.database import Database
from chatkeep.database.pool import Connection
from chatkeep.database.statement import Row, Statement
from chatkeep.ids import new_id
from chatkeep.transfer import export_queries
from chatkeep.transfer.exporter import account_as_jsonl
from tests.admin.plans import Plan, measured_for_any, measured_plan
from tests.support.urls import driver_url, parsed_url

FEW, MANY = 1500, 3000
PAGE = 100
# A pass over the turns of one level: their entries in the index, the turns, and the turns as they are numbered.
PASS = 3
# Other people's, so that an index is worth its while.
OTHERS = 30_000
# Twice as much, and a little: one plan counts entries and rows apart, another together. The square is four times.
GROWTH = 2.5
USER = "INSERT INTO users (id, username, username_key, created_at, name_pairs) VALUES ($1, $2, $2, now(), '{}')"
CONVERSATION = """
INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at, head_turn_id)
VALUES ($1, $2, now(), now(), now(), $3)"""
# So many turns under one parent, and under each of them one.
TURNS = """
INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, created_at, completed_at)
SELECT $1, lpad(to_hex(n), 32, '0')::uuid, $2,
       CASE WHEN n > $3::int + 1 THEN lpad(to_hex(n - $3), 32, '0') WHEN n > 1 THEN lpad('1', 32, '0') END::uuid,
       CASE WHEN n > $3 + 1 THEN 2 WHEN n > 1 THEN 1 ELSE 0 END, 'complete', 'question', 'answer', now(), now()
FROM generate_series(1, 2 * $3 + 1) AS n"""


class Tree:
    """A user with one conversation: a root, its children, and a child of each."""

    def __init__(self, children: int) -> None:
        self.user_id, self.conversation_id = new_id(), new_id()
        self.children = [UUID(int=number) for number in range(2, children + 2)]
        self.head_id = UUID(int=2 * children + 1)

    async def fill(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute(USER, self.user_id, f"user-{self.user_id}")
        await connection.execute(CONVERSATION, self.user_id, self.conversation_id, self.head_id)
        await connection.execute(TURNS, self.user_id, self.conversation_id, len(self.children))


@pytest.fixture(scope="module")
async def trees(shared_database_url: str) -> tuple[Tree, Tree]:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    trees = Tree(FEW), Tree(MANY)
    for tree in (*trees, Tree(OTHERS // 2)):
        await tree.fill(connection)
    await connection.execute("VACUUM ANALYZE turns")
    await connection.close()
    return trees


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def hot(database: Database) -> AsyncIterator[Connection]:
    async with database._pool.acquire() as connection:
        yield connection


def statements(tree: Tree) -> dict[str, tuple[Statement[Any], dict[str, Any]]]:
    key: dict[str, Any] = {"user_id": tree.user_id, "conversation_id": tree.conversation_id}
    bound = {"max_bytes": 10**6}
    child, page = tree.children[-1], tree.children[:PAGE]
    return {
        "a turn": (queries.TURN, {**key, "turn_id": child}),
        "its siblings": (queries.SIBLINGS, {**key, "turn_id": child, "after_id": UUID(int=0), "limit": PAGE, **bound}),
        "its path": (path_queries.PATH_UP, {**key, "start_id": tree.head_id, "limit": PAGE, "direction": -1, **bound}),
        "an export's path": (
            export_queries.TURNS_BY_IDS,
            {"user_id": tree.user_id, "turn_ids": page, **bound},
        ),
    }


@pytest.mark.parametrize("name", ["a turn", "its siblings", "its path", "an export's path"])
async def test_a_read_passes_over_the_siblings_once(trees: tuple[Tree, Tree], hot: Connection, name: str) -> None:
    visits = []
    for tree in trees:
        statement, values = statements(tree)[name]
        plan = await measured_for_any(hot, statement.sql, statement.arguments(values))
        visits.append(plan.rows_visited())
        # A path passes over both wide levels of the tree; a page's rows are looked at a few times each.
        passes = 2 if name == "its path" else 1
        assert plan.rows_visited() < passes * PASS * len(tree.children) + 10 * PAGE
    assert visits[1] < GROWTH * visits[0]


@pytest.mark.parametrize("order", ["up", "down"])
async def test_a_page_of_a_path_reads_no_more_than_its_bound(
    trees: tuple[Tree, Tree], hot: Connection, order: str
) -> None:
    for tree in trees:
        key = {
            "user_id": tree.user_id,
            "conversation_id": tree.conversation_id,
            "max_rows": PAGE + 100,
            "max_bytes": 10**6,
        }
        statement, values = (
            (path_queries.TURNS_UP, {**key, "start_id": None, "limit": PAGE})
            if order == "up"
            else (path_queries.TURNS_BETWEEN, {**key, "first": 0, "last": 2})
        )
        plan = await measured_for_any(hot, statement.sql, statement.arguments(values))
        assert plan.rows_visited() < 4 * (PAGE + 100)


async def test_an_administrator_s_page_passes_over_the_siblings_once(
    trees: tuple[Tree, Tree], shared_database_url: str
) -> None:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    visits = []
    for tree in trees:
        sql, arguments = await asked(shared_database_url, tree)
        visits.append((await measured_plan(connection, sql, arguments)).rows_visited())
        assert visits[-1] < PASS * len(tree.children) + 10 * PAGE
    assert visits[1] < GROWTH * visits[0]
    await connection.close()


async def asked(url: str, tree: Tree) -> tuple[str, list[object]]:
    """Return the statement that an administrator's page of the tree's newest turns is."""
    seen: list[tuple[str, list[object]]] = []
    engine = create_async_engine(parsed_url(url))

    def note(_c: object, _cursor: object, sql: str, arguments: Any, *_: object) -> None:
        seen.append((sql, list(arguments)))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    async with engine.connect() as connection:
        await history_page(connection, HistoryFilters(user_id=tree.user_id), after=None, limit=PAGE)
    await engine.dispose()
    return seen[-1]


class Measured:
    """A database that counts what PostgreSQL visits for the rows that are asked for."""

    def __init__(self, hot: Connection) -> None:
        self._hot = hot
        self.plans: list[Plan] = []

    async def rows(self, statement: Statement[Any], **values: Any) -> Sequence[Any]:
        arguments = statement.arguments(values)
        self.plans.append(await measured_for_any(self._hot, statement.sql, arguments))
        found = cast("Sequence[Row]", await self._hot.fetch(statement.sql, *arguments))
        return found if statement.row is None else list(map(statement.row, found))


async def test_an_export_of_twice_the_siblings_is_twice_the_work(trees: tuple[Tree, Tree], hot: Connection) -> None:
    visits, blocks = [], []
    for tree in trees:
        measured = Measured(hot)
        async for _ in account_as_jsonl(cast("Database", measured), tree.user_id):
            pass
        visits.append(sum(plan.rows_visited() for plan in measured.plans))
        blocks.append(sum(plan.blocks_touched() for plan in measured.plans))
        assert max(plan.rows_visited() for plan in measured.plans) < PASS * len(tree.children) + 10 * PAGE
        # Each turn for its batch, for its size and for its text, and in the pass that counts.
        assert visits[-1] < (4 + PASS) * 2 * len(tree.children) + 1000
    assert visits[1] < GROWTH * visits[0]
    assert blocks[1] < GROWTH * blocks[0]
