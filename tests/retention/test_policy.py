"""A conversation past its retention goes as a whole; everything else stays, whoever is doing something with it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from chatkeep.accounts.queries import insert_user, update_user
from chatkeep.app.maintenance import retain
from chatkeep.audit.trail import AuditTrail, Origin
from chatkeep.chat.history import conversations as queries
from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.clock import utc_now
from chatkeep.config import KeptRole
from chatkeep.database.database import Database
from chatkeep.database.tables import conversations, reply_fragments, turns, user_activity
from chatkeep.errors import Busy, NotFound
from chatkeep.ids import new_id
from chatkeep.retention import policy
from chatkeep.retention import queries as retention_queries
from chatkeep.retention.policy import Removed, count_due, delete_old, rules
from chatkeep.retention.queries import take_turns
from tests.accounts.guests import guest
from tests.audit.audit_fixtures import SECRET
from tests.http.test_bodies import code_of
from tests.support.replicas import ReplicaStore
from tests.support.running_service import PASSWORD, RunningService, running

POLICY: dict[KeptRole, int] = {"user": 30, "guest": 7}


@dataclass
class Place:
    """A database with users and conversations of some age."""

    database: Database
    log: ReplicaStore
    trail: AuditTrail

    async def user(self, role: str = "user", *, is_guest: bool = False, **changes: object) -> UUID:
        name = f"user-{new_id()}"
        async with self.database.transaction() as connection:
            user = await insert_user(
                connection,
                username=name,
                username_key=name,
                password_hash=None,
                now=utc_now(),
                role=role,
                is_guest=is_guest,
            )
            assert user is not None
            if changes:
                await update_user(connection, user.id, changes)
        return user.id

    async def conversation(self, user_id: UUID, *, days: float, turns: int = 2) -> UUID:
        conversation_id = new_id()
        values = {"user_id": user_id, "conversation_id": conversation_id, "params": {}, "extra": {}, "now": utc_now()}
        await self.database.row(queries.CREATE_CONVERSATION, **values)
        for _ in range(turns):
            begun = await self.log.begin(user_id, NewTurn(conversation_id, "?"), context_tokens=1000)
            await self.log.end(begun, Outcome("complete", "Yes."))
        await self.age(conversation_id, days)
        return conversation_id

    async def age(self, conversation_id: UUID, days: float) -> None:
        async with self.database.transaction() as connection:
            last = {"last_turn_at": utc_now() - timedelta(days=days)}
            await connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(**last))

    async def run(self, **options: Any) -> Removed:
        return await delete_old(self.database, self.trail.by(Origin("operator")), rules(POLICY, utc_now()), **options)

    async def left(self) -> set[UUID]:
        async with self.database.transaction() as connection:
            return set((await connection.scalars(select(conversations.c.id))).all())

    async def count(self, table: Any) -> int:
        async with self.database.transaction() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0

    async def counters(self, user_id: UUID) -> tuple[int, int]:
        c = user_activity.c
        async with self.database.transaction() as connection:
            query = select(c.conversation_count, c.turn_count).where(c.user_id == user_id)
            row = (await connection.execute(query)).one()
        return row.conversation_count, row.turn_count


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    database = await Database.connect(database_url)
    log = ReplicaStore(database, lease_seconds=60)
    await log.replica.renew_lease()
    yield Place(database, log, await AuditTrail.open(database, [SECRET]))
    await database.close()


async def test_each_role_has_its_own_age_and_one_that_is_not_named_keeps_everything(place: Place) -> None:
    users = {
        "user": await place.user(),
        "guest": await place.user(is_guest=True),
        "admin": await place.user("admin"),
        "held": await place.user(legal_hold=True),
    }
    ages = (1, 6.9, 7.1, 29.9, 30.1, 400)
    made = {(name, days): await place.conversation(each, days=days) for name, each in users.items() for days in ages}
    gone = {key for key in made if key in {("user", 30.1), ("user", 400)} or (key[0] == "guest" and key[1] > 7)}
    wanted = Removed(conversations=len(gone), turns=2 * len(gone))
    assert await count_due(place.database, rules(POLICY, utc_now())) == wanted
    assert await place.left() == set(made.values())
    assert await place.run() == wanted
    assert await place.left() == {made[key] for key in made.keys() - gone}
    assert await place.counters(users["user"]) == (4, 8)
    assert await place.count(turns) == 2 * (len(made) - len(gone))
    assert await place.run() == Removed()


async def test_many_conversations_go_in_several_batches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERS_AT_ONCE", "CONVERSATIONS_AT_ONCE", "TURNS_AT_ONCE"):
        monkeypatch.setattr(policy, name, 2)
    users = [await place.user() for _ in range(5)]
    for user_id in users:
        for turns_each in (0, 1, 3, 1, 0):
            await place.conversation(user_id, days=31, turns=turns_each)
    probe_connection: list[int] = []
    assert await place.run(progress=probe_connection.append) == Removed(25, 25)
    assert sum(probe_connection) == 25
    assert max(probe_connection) <= 2
    assert (await place.left(), await place.count(turns)) == (set(), 0)


async def test_what_dies_in_between_leaves_whole_conversations_and_the_next_run_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "CONVERSATIONS_AT_ONCE", 1)
    user_id = await place.user()
    for _ in range(4):
        await place.conversation(user_id, days=31, turns=3)

    def die(_many: int) -> None:
        raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        await place.run(progress=die)
    assert (len(await place.left()), await place.count(turns)) == (3, 9)
    assert await place.counters(user_id) == (3, 9)
    assert await place.run() == Removed(3, 9)
    assert await place.counters(user_id) == (0, 0)


async def test_a_batch_that_dies_before_its_commit_has_deleted_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = await place.user()
    await place.conversation(user_id, days=31)
    delete_due = retention_queries.delete_due

    async def delete_and_die(*arguments: Any) -> Any:
        await delete_due(*arguments)
        raise RuntimeError("died")

    monkeypatch.setattr(policy, "delete_due", delete_and_die)
    with pytest.raises(RuntimeError, match="died"):
        await place.run()
    assert (len(await place.left()), await place.count(turns), await place.counters(user_id)) == (1, 2, (1, 2))


async def test_a_reply_that_is_being_generated_is_left_alone(place: Place) -> None:
    user_id = await place.user()
    conversation_id = await place.conversation(user_id, days=31)
    begun = await place.log.begin(user_id, NewTurn(conversation_id, "?"), context_tokens=1000)
    await place.age(conversation_id, 31)
    assert await place.run() == Removed()
    assert await place.log.end(begun, Outcome("complete", "Yes.")) is not None
    assert await place.run() == Removed(1, 3)
    assert await place.count(reply_fragments) == 0


async def test_a_turn_or_a_hold_that_comes_first_saves_the_conversation(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await place.user(), await place.user()]
    made = [await place.conversation(user_id, days=31) for user_id in users]
    delete_due = retention_queries.delete_due

    async def after_others(connection: Any, rule: Any, user_id: UUID, ids: Any) -> Any:
        if user_id == users[0]:
            await place.log.begin(user_id, NewTurn(made[0], "Still there?"), context_tokens=1000)
        else:
            async with place.database.transaction() as other:
                await update_user(other, user_id, {"legal_hold": True})
        return await delete_due(connection, rule, user_id, ids)

    monkeypatch.setattr(policy, "delete_due", after_others)
    assert await place.run() == Removed()
    assert await place.left() == set(made)


async def test_turns_and_retention_at_once_leave_no_turn_without_its_conversation(place: Place) -> None:
    user_id = await place.user()
    made = [await place.conversation(user_id, days=31) for _ in range(12)]

    async def go_on(conversation_id: UUID) -> bool:
        try:
            await place.log.begin(user_id, NewTurn(conversation_id, "?"), context_tokens=1000)
        except NotFound:
            return False
        return True

    running = asyncio.create_task(place.run())
    went_on = await asyncio.gather(*(go_on(each) for each in made))
    removed = await running
    assert removed.conversations + sum(went_on) == 12
    assert await place.counters(user_id) == (sum(went_on), 3 * sum(went_on))


async def test_one_process_at_a_time_deletes_and_who_is_asked_waits(place: Place) -> None:
    await place.conversation(await place.user(), days=31)
    async with place.database.transaction() as connection:
        assert await take_turns(connection, wait=False)
        with pytest.raises(Busy):
            await place.run(wait=False)
        await retain(place.database, place.trail, POLICY)  # the schedule leaves it to the other
        waiting = asyncio.create_task(place.run())
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting == Removed(1, 2)


async def test_a_running_service_deletes_by_itself_again_and_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.app.app.RETENTION_SECONDS", 0.05)
    async with running(database_url, retention_days={"user": 1}) as service:
        person = await service.person()
        for _ in range(2):
            path = f"/api/v1/conversations/{await person.conversation()}"
            assert (await person.client.get(path)).status_code == 200
            await make_old(service)
            async with asyncio.timeout(30):
                while (await person.client.get(path)).status_code != 404:
                    await asyncio.sleep(0.05)


async def test_nobody_else_has_to_wait_for_a_batch(place: Place) -> None:
    await place.conversation(await place.user(), days=31)
    other = await place.user()
    conversation_id = await place.conversation(other, days=31)
    async with place.database.transaction() as connection:
        (rule,) = rules({"user": 30}, utc_now())
        async with place.database.transaction() as unrelated:
            assert await retention_queries.delete_due(unrelated, rule, other, [conversation_id]) == [2]
            # Another user's turn, and reading all of the table, while the batch is not committed.
            await connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            await connection.execute(select(func.count()).select_from(turns))
            await place.conversation(await place.user(), days=1)


# Over HTTP


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[RunningService]:
    # The schedule of this one has nothing to do with the role that is tested.
    async with running(database_url, allow_guests=True, retention_days={"user": 1}) as service:
        yield service


async def make_old(service: RunningService) -> None:
    async with service.database.transaction() as connection:
        await connection.execute(update(conversations).values(last_turn_at=utc_now() - timedelta(days=2)))


async def test_an_administrator_runs_it_dry_and_then_for_good(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    conversation_id = await person.conversation()
    await person.say(conversation_id, "Hello")
    await make_old(service)
    path = "/api/v1/admin/retention/run"
    counted = {"deleted_turns": 1, "deleted_conversations": 1}
    for flag in ("true", "false"):
        answer = await administrator.client.post(path, params={"dry_run": flag})
        assert answer.json() == counted | {"dry_run": flag == "true"}
    assert (await person.client.get(f"/api/v1/conversations/{conversation_id}")).status_code == 404
    assert (await administrator.client.post(path)).json()["deleted_conversations"] == 0


async def test_what_is_under_hold_can_be_deleted_by_nobody_until_the_hold_ends(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    conversation_id = await person.conversation()
    user, conversation = f"/api/v1/admin/users/{person.id}", f"/api/v1/conversations/{conversation_id}"
    me = {"password": PASSWORD}
    held = await administrator.client.patch(user, json={"legal_hold": True})
    assert held.json()["legal_hold"] is True
    await make_old(service)
    answers = [
        await person.client.delete(conversation),
        await person.client.request("DELETE", "/api/v1/auth/me", json=me),
        await administrator.client.delete(user),
    ]
    assert [code_of(answer, 409) for answer in answers] == ["legal_hold"] * 3
    await administrator.client.post("/api/v1/admin/retention/run")
    assert (await person.client.get(conversation)).status_code == 200
    await administrator.client.patch(user, json={"legal_hold": False})
    assert (await person.client.delete(conversation)).status_code == 204
    assert (await administrator.client.delete(user)).status_code == 204


async def test_a_guests_hold_goes_along_to_the_account(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    somebody = await guest(service)
    await administrator.client.patch(f"/api/v1/admin/users/{somebody.id}", json={"legal_hold": True})
    body = {"username": person.username, "password": PASSWORD}
    assert (await somebody.client.post("/api/v1/auth/login", json=body)).status_code == 200
    users = (await administrator.client.get("/api/v1/admin/users", params={"q": person.username})).json()["items"]
    assert [(each["id"], each["legal_hold"], each["turn_count"]) for each in users] == [(person.id, True, 1)]
