"""The order of locks: transactions that meet on the same rows wait in a line and never in a circle.

Each test holds the first row itself until all who want it stand in line, so that the meeting is no matter of luck.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx2

from chatkeep.accounts.owed_tries import OwedTries
from chatkeep.accounts.queries import ADMINISTRATORS_LOCK
from chatkeep.accounts.throttling import Counter, counters_for, forgive_attempt, limit_attempts
from chatkeep.clock import utc_now
from tests.accounts.client import AUTH, change, value
from tests.support.running_service import PASSWORD, Person, RunningService
from tests.support.urls import driver_url

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Line:
    """Those who wait for a row that is held."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._tasks: list[asyncio.Task[Any]] = []

    async def join(self, call: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin a call and come back when it waits for a row."""
        task = asyncio.create_task(call)
        self._tasks.append(task)
        async with asyncio.timeout(10):
            while await value(self._service.database, WAITING) < len(self._tasks):
                assert not task.done(), "it does not wait"
                await asyncio.sleep(0.01)
        return task


@asynccontextmanager
async def held(service: RunningService, url: str, query: str, *values: object) -> AsyncIterator[Line]:
    """Hold the row that a query locks until the block ends."""
    connection = await asyncpg.connect(driver_url(url))
    try:
        transaction = connection.transaction()
        await transaction.start()
        assert await connection.fetch(query, *values)
        yield Line(service)
        await transaction.commit()
    finally:
        await connection.close()


async def delete_me(person: Person) -> httpx2.Response:
    return await person.client.request("DELETE", f"{AUTH}/me", json={"password": PASSWORD})


async def test_two_administrators_who_leave_at_once_both_leave(
    service: RunningService, shared_database_url: str
) -> None:
    leaving = [await service.person() for _ in range(2)]
    for person in leaving:
        await change(service.database, "UPDATE users SET role = 'admin' WHERE id = :id", id=UUID(person.id))
    lock = "SELECT pg_advisory_xact_lock($1)"
    async with held(service, shared_database_url, lock, ADMINISTRATORS_LOCK) as line:
        answers = [await line.join(delete_me(person)) for person in leaving]
    assert [(await answer).status_code for answer in answers] == [204, 204]


async def test_nobody_waits_for_an_administrator_but_who_takes_one_away(
    service: RunningService, shared_database_url: str
) -> None:
    lock = "SELECT pg_advisory_xact_lock($1)"
    person, conversation = await service.person(), "/api/v1/conversations"
    async with held(service, shared_database_url, lock, ADMINISTRATORS_LOCK), asyncio.timeout(5):
        administrator = await service.administrator()
        assert (await administrator.client.post(conversation, json={})).status_code == 201
        assert (await delete_me(person)).status_code == 204


async def test_a_conversation_that_is_begun_amid_a_deletion_goes_with_the_account(
    service: RunningService, shared_database_url: str
) -> None:
    person = await service.person()
    lock = "SELECT 1 FROM user_activity WHERE user_id = $1 FOR UPDATE"
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        begun = await line.join(person.client.post("/api/v1/conversations", json={"title": "late"}))
        deleted = await line.join(delete_me(person))
    assert (await begun).status_code == 201
    assert (await deleted).status_code == 204
    assert await value(service.database, "SELECT count(*) FROM conversations WHERE title = 'late'") == 0


async def test_a_turn_that_is_taken_amid_a_deletion_goes_with_the_account(
    service: RunningService, shared_database_url: str
) -> None:
    person = await service.person()
    conversation = await person.conversation()
    lock = "SELECT 1 FROM user_activity WHERE user_id = $1 FOR UPDATE"
    hello = {"content": "a last word", "stream": False}
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        taken = await line.join(person.client.post(f"/api/v1/conversations/{conversation}/turns", json=hello))
        deleted = await line.join(delete_me(person))
    # 401: the turn ended with its account, and the answer would be a stranger's.
    assert (await taken).status_code in (201, 401, 404)
    assert (await deleted).status_code == 204
    assert await value(service.database, "SELECT count(*) FROM turns WHERE prompt = 'a last word'") == 0


async def test_a_session_that_is_seen_amid_a_deletion_does_not_stand_in_its_way(
    service: RunningService, shared_database_url: str
) -> None:
    person = await service.person()
    statement = "UPDATE login_sessions SET last_seen_at = last_seen_at - interval '1 hour' WHERE user_id = :id"
    await change(service.database, statement, id=UUID(person.id))
    lock = "SELECT 1 FROM user_activity WHERE user_id = $1 FOR UPDATE"
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        seen = await line.join(person.client.get(f"{AUTH}/me"))
        other = Person(service.client(cookies=dict(person.client.cookies)), person.id, person.username)
        deleted = await line.join(delete_me(other))
    assert (await seen).status_code == 200
    assert (await deleted).status_code == 204


async def test_a_chat_does_not_wait_for_a_sign_in(service: RunningService, shared_database_url: str) -> None:
    """Conversations share the key of their user's row with whoever keeps the rest of it."""
    person = await service.person()
    lock = "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE"
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        body = {"username": person.username, "password": PASSWORD}
        signing_in = await line.join(service.client().post(f"{AUTH}/login", json=body))
        async with asyncio.timeout(5):
            await person.say(await person.conversation(), "meanwhile")
    assert (await signing_in).status_code == 200


async def test_one_users_queue_for_their_own_row_keeps_nobody_from_signing_in(
    service: RunningService, shared_database_url: str
) -> None:
    busy, other = await service.person(), await service.person()
    lock = "SELECT 1 FROM users WHERE id = $1 FOR UPDATE"
    async with held(service, shared_database_url, lock, UUID(busy.id)):
        changes = [
            asyncio.create_task(busy.client.patch(f"{AUTH}/me", json={"display_name": f"{number}"}))
            for number in range(40)
        ]
        await asyncio.sleep(0.3)
        body = {"username": other.username, "password": PASSWORD}
        async with asyncio.timeout(2):
            assert (await service.client().post(f"{AUTH}/login", json=body)).status_code == 200
    assert {(await each).status_code for each in changes} <= {200, 503}


async def test_counting_a_try_and_forgiving_one_lock_in_one_order(
    service: RunningService, shared_database_url: str
) -> None:
    counters = _counters_out_of_order()
    last, first = counters[0].bucket, counters[1].bucket
    async with limit_attempts(service.database, OwedTries(), counters, utc_now()):
        pass

    async def count() -> None:
        async with limit_attempts(service.database, OwedTries(), counters, utc_now()):
            pass

    async def forgive() -> None:
        async with service.database.transaction() as connection:
            await forgive_attempt(connection, counters)

    assert first < last
    lock = "SELECT 1 FROM login_attempts WHERE bucket = $1 FOR UPDATE"
    async with held(service, shared_database_url, lock, first) as line:
        counted, forgiven = await line.join(count()), await line.join(forgive())
    await asyncio.gather(counted, forgiven)


def _counters_out_of_order() -> list[Counter]:
    """Return counters of which the second has to be locked before the first."""
    candidates = (counters_for("somebody", f"203.0.113.{number}", None) for number in range(100))
    return next(counters[:2] for counters in candidates if counters[1].bucket < counters[0].bucket)
