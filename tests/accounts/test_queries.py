"""Every statement of accounts and sessions is served by an index, by PostgreSQL's own word."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event

from chatkeep import accounts
from chatkeep.accounts.attempt_queries import sweep_attempts
from chatkeep.accounts.session_queries import sweep_sessions
from chatkeep.accounts.token_queries import sweep_tokens
from chatkeep.clock import utc_now
from chatkeep.database.statement import Statement
from tests.accounts.client import AUTH, NEW_PASSWORD, another_browser, change, new_token
from tests.admin.plans import plan_for_any
from tests.support.running_service import PASSWORD, RunningService
from tests.support.urls import driver_url

# Empty again within seconds, and read as a whole: an index would cost each turn more than it saves anyone.
READ_AS_A_WHOLE = {"statistics_notes"}
HOT = {
    name: statement
    for found in pkgutil.iter_modules(accounts.__path__, "chatkeep.accounts.")
    for name, statement in vars(importlib.import_module(found.name)).items()
    if isinstance(statement, Statement)
}


@contextmanager
def noted_statements(service: RunningService) -> Iterator[dict[str, Any]]:
    """Collect each kind of statement that goes through SQLAlchemy, with some of its parameters."""
    engine, noted = service.database._engine.sync_engine, {}

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        noted[statement] = parameters

    event.listen(engine, "before_cursor_execute", note)
    yield noted
    event.remove(engine, "before_cursor_execute", note)


async def test_every_statement_of_a_whole_life_is_served_by_an_index(service: RunningService) -> None:
    with noted_statements(service) as noted:
        await _live(service)
    assert len(noted) > 30
    scans = {statement: await _scanned(service, statement, parameters) for statement, parameters in noted.items()}
    assert {statement: tables for statement, tables in scans.items() if tables - READ_AS_A_WHOLE} == {}


@pytest.mark.parametrize("name", HOT)
async def test_every_hot_statement_is_served_by_an_index(
    service: RunningService, shared_database_url: str, name: str
) -> None:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    try:
        await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        plan = await plan_for_any(connection, HOT[name].sql)
    finally:
        await connection.close()
    assert _scans(plan) == set()


async def _live(service: RunningService) -> None:
    """Do everything that an account can do or have done to it."""
    administrator, person = await service.administrator(), await service.person()
    await another_browser(service, person, remember=True)
    await new_token(person)
    await new_token(person)
    for path in ("sessions", "tokens"):
        page = (await person.client.get(f"{AUTH}/{path}", params={"limit": 1})).json()
        await person.client.get(f"{AUTH}/{path}", params={"cursor": page["next_cursor"]})
        await person.client.delete(f"{AUTH}/{path}/{page['items'][0]['id']}")
    await person.client.patch(f"{AUTH}/me", json={"display_name": "x"})
    users = f"/api/v1/admin/users/{person.id}"
    await administrator.client.patch(users, json={"role": "admin"})
    await person.client.get(f"{AUTH}/me")
    await administrator.client.patch(users, json={"role": "user"})
    await administrator.client.patch(users, json={"disabled": True})
    await administrator.client.patch(users, json={"disabled": False})
    client = await another_browser(service, person)
    await client.post(f"{AUTH}/tokens", json={"name": "x"})
    await client.post(f"{AUTH}/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD})
    await client.delete(f"{AUTH}/sessions")
    await client.request("DELETE", f"{AUTH}/me", json={"password": NEW_PASSWORD})
    await administrator.client.post(f"{AUTH}/logout")
    async with service.database.transaction() as connection:
        await sweep_sessions(connection, utc_now(), service.app.state.accounts.limits)
        await sweep_attempts(connection, utc_now())
        await sweep_tokens(connection, utc_now())


async def _scanned(service: RunningService, statement: str, parameters: Any) -> set[str]:
    async with service.database.transaction() as connection:
        await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", tuple(parameters))
        plan = found.scalar_one()
    return _scans(plan if isinstance(plan, list) else json.loads(plan))


def _scans(plan: Any) -> set[str]:
    """Return the tables that a plan reads from end to end."""
    if isinstance(plan, list):
        return set().union(*map(_scans, plan))
    if not isinstance(plan, dict):
        return set()
    own = {plan["Relation Name"]} if plan.get("Node Type") == "Seq Scan" else set()
    return own.union(*map(_scans, plan.values()))


async def test_a_name_is_not_given_twice_even_by_the_database(service: RunningService) -> None:
    person = await service.person()
    with pytest.raises(Exception, match="uq_users_username_key"):
        await change(
            service.database,
            "INSERT INTO users (id, username, username_key, created_at)"
            " SELECT :id, username, username_key, created_at FROM users WHERE id = :same",
            id=UUID(int=1),
            same=UUID(person.id),
        )
