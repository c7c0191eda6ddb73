"""No list reads a table from end to end, and nothing that happens on every request costs more as tables grow.

On a table of 200,000 turns: the plans for these values, and those that prepared statements settle on.
"""

import importlib
import json
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import chatkeep
from chatkeep.accounts import queries as accounts_queries
from chatkeep.accounts import session_queries, token_queries
from chatkeep.accounts.file_queries import check_files_of
from chatkeep.admin import history_queries as admin_queries
from chatkeep.admin import user_queries
from chatkeep.admin.active_turns import running_page
from chatkeep.admin.history_queries import HistoryFilters
from chatkeep.admin.user_queries import UserFilters
from chatkeep.chat.files import queries as file_queries
from chatkeep.chat.history import conversations as chat_queries
from chatkeep.chat.search.search import NEXT_TURNS
from chatkeep.database.database import Database
from chatkeep.database.statement import Statement
from chatkeep.database.tables import turns
from chatkeep.ids import new_id
from chatkeep.retention import queries
from chatkeep.sessions.store import SessionLimits
from chatkeep.transfer import import_queries
from tests.admin.bulk_data import Filled, fill
from tests.admin.hot_statements import HOT, NOW, PAGE, arguments_of
from tests.admin.plans import Plan, measured_for_any, measured_plan, settled_plan
from tests.support.urls import driver_url, parsed_url

TURNS = 200_000
LARGE = {
    *("turns", "turn_entries", "reasoning_entries", "turn_search", "reasoning_search", "conversations"),
    "imported_conversations",
    *("login_sessions", "access_tokens", "reply_fragments"),
    *("files", "file_pieces", "turn_files", "api_turns"),
}
# Entries of the release before, until they are made anew: an administrator's common word is in most of them.
OLDER = {"turn_search", "reasoning_search"}
USERS = {"users", "user_activity"}


@pytest.fixture(scope="module")
async def filled(shared_database_url: str) -> Filled:
    return await fill(shared_database_url, TURNS)


@pytest.fixture(scope="module")
async def connection(shared_database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def hot(filled: Filled, shared_database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of those that hot statements run on."""
    database = await Database.connect(shared_database_url, pool_size=2)
    async with database._pool.acquire() as connection:
        yield connection
    await database.close()


# Hot statements.

# What is in proportion to something that is meant: a
# path that has branches is followed turn by turn, and what is being answered has a fragment for every flush.
VISITS = {
    "chat.history.path_queries.ANCESTOR": TURNS // 10,
    "chat.history.path_queries.LEAF": TURNS // 4,
    "transfer.export_queries.FILE_IDS": TURNS // 4,
    "transfer.export_queries.PATH_IDS": TURNS // 4,
    "chat.history.fragments.DELETE_ORPHAN_FRAGMENTS": 10_000,
}
MAX_VISITS = 2500
# What is being answered now, and nothing else, has fragments.
MAY_READ_WHOLE = {"chat.history.fragments.DELETE_ORPHAN_FRAGMENTS": {"reply_fragments"}}


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_statement_goes_by_indexes(
    filled: Filled,
    connection: "asyncpg.Connection[asyncpg.Record]",
    hot: "asyncpg.Connection[asyncpg.Record]",
    name: str,
) -> None:
    sql, arguments = HOT[name].sql, arguments_of(name, filled)
    # For these values, and as the service runs it.
    for plan in (await measured_plan(connection, sql, arguments), await measured_for_any(hot, sql, arguments)):
        whole = plan.tables_read_whole() & (LARGE | USERS)
        assert whole <= MAY_READ_WHOLE.get(name, set()), json.dumps(plan.root, indent=1)
        assert plan.rows_visited() <= VISITS.get(name, MAX_VISITS), json.dumps(plan.root, indent=1)


def test_every_hot_statement_is_held_to_its_plan() -> None:
    known = {id(each) for each in HOT.values()}
    missing = set()
    for found in pkgutil.walk_packages(chatkeep.__path__, "chatkeep."):
        if found.name.endswith("__main__") or found.name.startswith("chatkeep.sessions"):
            continue  # a session's row is found by its digest or id; the library knows no other table
        try:
            module = importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            assert error.name == "chatstream"  # an extra of its own  # noqa: PT017
            continue
        missing |= {
            f"{found.name}.{name}"
            for name, each in vars(module).items()
            if isinstance(each, Statement) and id(each) not in known
        }
    assert not missing


# What goes through SQLAlchemy: run as it is, and asked for again.

Run = Callable[[AsyncConnection, Filled], Awaitable[object]]


def history(after: bool = False, **filters: Any) -> Run:
    def run(connection: AsyncConnection, filled: Filled) -> Awaitable[object]:
        known: dict[Any, Any] = {"USER": filled.user_id, "LONG": filled.conversation_id}
        chosen = {name: known.get(value, value) for name, value in filters.items()}
        last = filled.middle_id if after else None
        return admin_queries.history_page(connection, HistoryFilters(**chosen), after=last, limit=PAGE)

    return run


def users(after: bool = False, **filters: Any) -> Run:
    def run(connection: AsyncConnection, filled: Filled) -> Awaitable[object]:
        last = filled.user_id if after else None
        return user_queries.users_page(connection, UserFilters(**filters), after=last, limit=PAGE)

    return run


LIMITS = SessionLimits(14 * 86400, 90 * 86400)
BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
MIDDLE = BEGINNING + timedelta(seconds=5 * TURNS)
END = BEGINNING + timedelta(seconds=10 * TURNS)


@dataclass(frozen=True)
class Case:
    run: Run
    most_visits: int = 1000


# Of users there are few enough to sort.
ALL_USERS = TURNS // 100 + 100
# Conversations of half a day before the newest one; and of longer ago than there are any.
OLD = queries.Rule("user", NOW - timedelta(hours=12))
VERY_OLD = queries.Rule("user", NOW - timedelta(days=365))
# A walk's turns and their entries, and the turns again to tell where it ended.
WALKED = 4 * NEXT_TURNS
# Of the release before, collected by several steps of a plan.
OLDER_ENTRIES = TURNS // 2
SOURCES = [("chatgpt", f"talk-{number}") for number in range(200)]
CASES = {
    "history": Case(history()),
    "history, next page": Case(history(after=True)),
    "history of a user": Case(history(user_id="USER")),
    "history of a user, next page": Case(history(user_id="USER", after=True)),
    "history of a conversation": Case(history(conversation_id="LONG")),
    "history of a conversation, next page": Case(history(conversation_id="LONG", after=True)),
    "history of a model": Case(history(model="first")),
    "history of a rare model": Case(history(model="rare")),
    "history of no model": Case(history(model="none such")),
    "history of complete turns": Case(history(status="complete")),
    # There are 200 of them: to read and to sort them all is cheaper than to read 51 in order.
    "history of failed turns": Case(history(status="failed"), most_visits=1500),
    "history of failed turns, next page": Case(history(status="failed", after=True), most_visits=1500),
    # The texts and the items of fifty turns are put together from the fragments of each.
    "history of streaming turns": Case(history(status="streaming"), most_visits=30_000),
    "history of liked turns": Case(history(rating=1)),
    "history of disliked turns": Case(history(rating=-1)),
    "history from a time": Case(history(since=MIDDLE)),
    "history to a time": Case(history(until=MIDDLE)),
    "history to the beginning": Case(history(until=BEGINNING + timedelta(seconds=5))),
    "history from the end": Case(history(since=END + timedelta(days=1))),
    "history of an hour": Case(history(since=MIDDLE, until=MIDDLE + timedelta(hours=1))),
    "failed turns of an hour": Case(history(status="failed", since=MIDDLE, until=MIDDLE + timedelta(hours=1))),
    "failed turns of a user": Case(history(status="failed", user_id="USER")),
    "failed turns of a conversation": Case(history(status="failed", conversation_id="LONG")),
    "disliked turns of a model": Case(history(rating=-1, model="first")),
    "a rare model of a user": Case(history(model="rare", user_id="USER")),
    "everything at once": Case(
        history(
            user_id="USER",
            conversation_id="LONG",
            model="first",
            status="complete",
            rating=1,
            since=BEGINNING,
            until=END,
        ),
        most_visits=5000,
    ),
    "history by a common word": Case(history(q="answer"), most_visits=WALKED + OLDER_ENTRIES),
    "history by a common word, next page": Case(history(after=True, q="answer"), most_visits=WALKED + OLDER_ENTRIES),
    "history by a rare word": Case(history(q="77"), most_visits=WALKED),
    "history by a common and a rare word": Case(history(q="answer 77"), most_visits=WALKED),
    "history by no word": Case(history(q="zzzz"), most_visits=WALKED),
    "history by one character": Case(history(q="茶"), most_visits=WALKED),
    "a user's history by a common word": Case(history(q="answer", user_id="USER"), most_visits=WALKED),
    "failed turns by a common word": Case(history(q="answer", status="failed"), most_visits=WALKED + OLDER_ENTRIES),
    "a user's history by a rare word": Case(history(q="77", user_id="USER"), most_visits=WALKED),
    "a rare model's turns by a rare word": Case(history(q="77", model="rare"), most_visits=WALKED),
    "an hour's turns by a rare word": Case(
        history(q="77", since=MIDDLE, until=MIDDLE + timedelta(hours=1)), most_visits=WALKED
    ),
    "history by a common word of reasoning": Case(history(q="answer in:reasoning"), most_visits=WALKED),
    "history by a rare word of reasoning": Case(history(q="77 in:reasoning"), most_visits=WALKED),
    "history by no word of reasoning": Case(history(q="zzzz in:reasoning"), most_visits=WALKED),
    "a user's history by a rare word of reasoning": Case(
        history(q="77 in:reasoning", user_id="USER"), most_visits=WALKED
    ),
    "failed turns by a common word of reasoning": Case(
        history(q="answer in:reasoning", status="failed"), most_visits=WALKED
    ),
    "what is being answered": Case(lambda connection, _: running_page(connection, after=None, limit=PAGE)),
    "what is being answered, next page": Case(
        lambda connection, filled: running_page(connection, after=filled.middle_id, limit=PAGE)
    ),
    "users": Case(users()),
    "users, next page": Case(users(after=True)),
    "users of a role": Case(users(role="admin"), most_visits=ALL_USERS),
    "users who may not sign in": Case(users(disabled=True), most_visits=ALL_USERS),
    "users who may sign in": Case(users(disabled=False)),
    "users by part of a name": Case(users(q="name-77"), most_visits=3 * ALL_USERS),
    "users by one character": Case(users(q="7"), most_visits=2 * ALL_USERS),
    "users by no name": Case(users(q="zzzz")),
    "a user": Case(lambda connection, filled: user_queries.user_with_counts(connection, filled.user_id)),
    "a user by name": Case(lambda connection, filled: user_queries.user_id_by_name(connection, "Name-77")),
    "a conversation": Case(
        lambda connection, filled: admin_queries.conversation_by_id(connection, filled.conversation_id)
    ),
    "sessions of a user": Case(
        lambda connection, filled: session_queries.sessions_of(
            connection, filled.user_id, now=NOW, limits=LIMITS, after=None, limit=PAGE
        )
    ),
    "tokens of a user": Case(
        lambda connection, filled: token_queries.tokens_of(connection, filled.user_id, after=None, limit=PAGE)
    ),
    "ending the sessions of a user": Case(
        lambda connection, filled: session_queries.end_sessions_of(connection, filled.user_id)
    ),
    "deleting a conversation": Case(
        lambda connection, filled: chat_queries.delete_conversation(connection, filled.user_id, new_id())
    ),
    "users, and who has something old": Case(
        lambda connection, filled: queries.users_page(connection, OLD, after=None, limit=200)
    ),
    "users, and who has something very old": Case(
        lambda connection, filled: queries.users_page(connection, VERY_OLD, after=None, limit=200)
    ),
    "a user's old conversations": Case(
        lambda connection, filled: queries.due_conversations(connection, OLD, filled.user_id, after=None, limit=200)
    ),
    "what an import finds here, by where it is from": Case(
        lambda connection, filled: import_queries.known_sources(connection, filled.user_id, SOURCES)
    ),
    "what an import finds here, by id": Case(
        lambda connection, filled: import_queries.own_conversations(
            connection, filled.user_id, [filled.conversation_id, *(new_id() for _ in SOURCES)]
        )
    ),
    "a user's file by its bytes": Case(
        lambda connection, filled: file_queries.take_again(connection, filled.user_id, b"\0" * 32, NOW, "tea.png")
    ),
    "files that are due": Case(lambda connection, _: file_queries.due_files(connection, NOW, limit=100)),
    "deleting a file": Case(
        lambda connection, filled: file_queries.delete_unreferenced(connection, filled.user_id, new_id())
    ),
    "files of one old conversation": Case(
        lambda connection, filled: check_files_of(connection, filled.user_id, turns.c.conversation_id == new_id())
    ),
    "files of old conversations": Case(
        lambda connection, filled: check_files_of(
            connection, filled.user_id, turns.c.conversation_id.in_([new_id() for _ in range(20)])
        )
    ),
    "deleting a user": Case(lambda connection, filled: accounts_queries.delete_user(connection, new_id())),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_list_goes_by_indexes(
    shared_database_url: str, filled: Filled, connection: "asyncpg.Connection[asyncpg.Record]", name: str
) -> None:
    case = CASES[name]
    for sql, arguments in await statements_of(shared_database_url, case.run, filled):
        measured = await measured_plan(connection, sql, arguments)
        settled = await settled_plan(connection, sql, arguments)
        for plan in (measured, settled):
            assert not (plan.tables_read_whole() & LARGE) - OLDER, json.dumps(plan.root, indent=1)
        assert measured.rows_visited() <= case.most_visits, told(measured)


async def statements_of(url: str, run: Run, filled: Filled) -> Sequence[tuple[str, list[object]]]:
    """Run a query and return what was sent for it; what it changed is undone."""
    sent: list[tuple[str, list[object]]] = []
    engine = create_async_engine(parsed_url(url))

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, sql: str, arguments: Any, _context: Any, many: bool) -> None:
        sent.extend((sql, list(each)) for each in (arguments if many else [arguments]))

    try:
        async with engine.connect() as connection:
            await run(connection, filled)
            await connection.rollback()
    finally:
        await engine.dispose()
    assert sent
    return sent


def told(plan: Plan) -> str:
    return f"{plan.rows_visited()} rows in {plan.milliseconds} ms: {json.dumps(plan.root, indent=1)}"
