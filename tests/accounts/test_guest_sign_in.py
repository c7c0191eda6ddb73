"""A guest registers or signs in: what they said is the account's, whatever happens at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from chatkeep.accounts import guest_queries
from chatkeep.accounts.guests import lock_guest, move_guest
from chatkeep.chat.search import indexer
from chatkeep.chat.search.indexer import index_pending
from chatkeep.database.tables import metadata
from chatkeep.errors import DatabaseUnavailable
from chatkeep.sessions import digest_of
from tests.accounts.client import AUTH, code_of, log_in, rows, session_of, status_of_me, value
from tests.accounts.guests import CONVERSATIONS, guest, same_browser, the_conversations
from tests.accounts.test_lock_order import held
from tests.chat.generation.test_stream import following
from tests.support.events import streaming
from tests.support.models import HeldModel
from tests.support.patience import patience
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.support.settled import settle
from tests.transfer.formats.test_chatgpt import numbered
from tests.transfer.upload_client import imported


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    with patience():
        async with running(shared_database_url, allow_guests=True) as service:
            yield service


async def left_of(service: RunningService, guest: Person) -> dict[str, int]:
    """Return in which tables there are rows of the guest, and how many."""
    found = {"users": await value(service.database, "SELECT count(*) FROM users WHERE id = :id", id=UUID(guest.id))}
    for table in (*guest_queries.MOVED, *guest_queries.ENDED):
        query = f"SELECT count(*) FROM {table.name} WHERE user_id = :id"
        found[table.name] = await value(service.database, query, id=UUID(guest.id))
    return {name: count for name, count in found.items() if count}


async def counters(service: RunningService, person: Person) -> tuple[int, int]:
    query = "SELECT conversation_count, turn_count FROM user_activity WHERE user_id = :id"
    ((conversations, turns),) = await rows(service.database, query, id=UUID(person.id))
    return conversations, turns


async def everything(client: Any) -> list[Any]:
    """Return the caller's conversations, and the turns of each."""
    found = await the_conversations(client)
    return [(each, (await client.get(f"{CONVERSATIONS}/{each['id']}/turns")).json()["items"]) for each in found]


def test_every_table_with_a_user_id_is_moved_or_ends_with_the_guest() -> None:
    with_user = {table.name for table in metadata.tables.values() if "user_id" in table.c}
    moved, ended = ({table.name for table in tables} for tables in (guest_queries.MOVED, guest_queries.ENDED))
    assert moved | ended == with_user, "say in guest_queries what becomes of a guest's rows"
    assert not moved & ended
    order = [table.name for table in guest_queries.MOVED]
    for table in guest_queries.MOVED:
        parents = {key.column.table.name for key in table.foreign_keys} & moved - {table.name}
        assert all(order.index(parent) < order.index(table.name) for parent in parents)


async def test_registering_keeps_the_user_and_the_conversations(service: RunningService) -> None:
    person = await guest(service)
    before, thief = await everything(person.client), same_browser(service, person)
    body = {"username": f"was-{person.username}", "password": PASSWORD, "email": "g@example.org"}
    answer = await person.client.post(f"{AUTH}/register", json=body)
    assert answer.status_code == 201
    user = answer.json()
    assert (user["id"], user["is_guest"], user["username"], user["email"]) == (
        person.id,
        False,
        body["username"],
        "g@example.org",
    )
    assert (await person.client.get(f"{AUTH}/me")).json() == user
    assert await everything(person.client) == before
    assert (await thief.get(f"{AUTH}/me")).status_code == 401, "the id that the guest had is not the account's"
    signed_in = await log_in(service.client(), body["username"])
    assert signed_in.json()["id"] == person.id
    listed = (await (await service.administrator()).client.get("/api/v1/admin/users?q=g@example.org")).json()["items"]
    assert [(each["id"], each["turn_count"]) for each in listed] == [(person.id, 1)]
    assert (await person.client.post(f"{AUTH}/tokens", json={"name": "laptop"})).status_code == 201


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "admin"}, (409, "username_taken")),
        ({"password": "short"}, (422, "weak_password")),
        ({"username": "with space"}, (422, "invalid_request")),
    ],
)
async def test_a_registration_that_fails_leaves_the_guest_as_it_was(
    service: RunningService, changes: dict[str, str], code: tuple[int, str]
) -> None:
    person = await guest(service)
    before = await everything(person.client)
    body = {"username": f"was-{person.username}", "password": PASSWORD} | changes
    assert code_of(await person.client.post(f"{AUTH}/register", json=body)) == code
    assert (await person.client.get(f"{AUTH}/me")).json()["is_guest"]
    assert await everything(person.client) == before


async def found(client: Any, q: str) -> list[str]:
    """Return the ids of the turns that the caller's search finds."""
    answer = await client.get("/api/v1/search", params={"q": q})
    assert answer.status_code == 200, answer.text
    return [item["turn_id"] for item in answer.json()["items"]]


async def test_what_a_guest_said_is_found_in_the_account_and_no_longer_under_the_guest(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody, person = await guest(service), await service.person()
    turn = (await somebody.say(await somebody.conversation(), "玉露を一杯ください"))["id"]
    assert await found(somebody.client, "玉露") == [turn]
    old = same_browser(service, somebody)
    assert (await log_in(somebody.client, person.username)).status_code == 200
    assert await found(somebody.client, "玉露") == [turn]
    assert (await old.get("/api/v1/search", params={"q": "玉露"})).status_code == 401
    indexed = "SELECT count(*) FROM turn_entries WHERE user_id = :id"
    # What moved before it had its entry is found all the same, and gets it from whoever looks next.
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    await index_pending(service.database)
    await settle(service.chat.turn_store)
    assert await value(service.database, indexed, id=UUID(somebody.id)) == 0
    assert await value(service.database, indexed, id=UUID(person.id)) >= 2
    administrator = await service.administrator()
    for user, prompts in ((somebody, 0), (person, 1)):
        params = {"q": "玉露", "user_id": user.id}
        answer = await administrator.client.get("/api/v1/admin/history", params=params)
        assert len(answer.json()["items"]) == prompts


async def test_two_registrations_at_once_make_one_account_of_the_guest(service: RunningService) -> None:
    person = await guest(service)
    names = [f"{each}-{person.username}" for each in "ab"]
    tabs = [same_browser(service, person) for _ in names]
    answers = await asyncio.gather(
        *(
            tab.post(f"{AUTH}/register", json={"username": name, "password": PASSWORD})
            for tab, name in zip(tabs, names, strict=True)
        )
    )
    assert [answer.status_code for answer in answers] == [201, 201]
    assert sorted(answer.json()["id"] == person.id for answer in answers) == [False, True]
    assert sorted([len(await the_conversations(tab)) for tab in tabs]) == [0, 1]


async def test_signing_in_moves_everything_and_the_guest_is_gone(service: RunningService) -> None:
    account, person = await service.person(), await guest(service)
    await account.say(await account.conversation(title="the account's"), "Hello")
    conversation = (await the_conversations(person.client))[0]["id"]
    turn = (await person.turns(conversation))[0]["id"]
    path = f"{CONVERSATIONS}/{conversation}/turns/{turn}"
    key = {"Idempotency-Key": "guest-key"}
    said = await person.client.post(f"{path}/edit", json={"content": "Other", "stream": False}, headers=key)
    await person.client.put(f"{path}/feedback", json={"rating": -1, "comment": "no"})
    assert (
        await person.client.patch(f"{CONVERSATIONS}/{conversation}", json={"metadata": {"a": 1}})
    ).status_code == 200
    before, thief = await everything(person.client), session_of(person.client)
    assert (await log_in(person.client, account.username)).json()["id"] == account.id
    after = await everything(person.client)
    assert [each for each in after if each[0]["title"] == "from a guest"] == before
    assert (await person.client.get(path)).json()["feedback"] == {"rating": -1, "comment": "no"}
    assert await everything(account.client) == after
    assert await counters(service, account) == (2, 3)
    assert await left_of(service, person) == {}
    assert await status_of_me(service, cookie=thief) == 401
    retried = await person.client.post(f"{path}/edit", json={"content": "Other", "stream": False}, headers=key)
    assert retried.json()["id"] == said.json()["id"], "an idempotency key is moved, too"
    goes_on = await person.client.post(f"{CONVERSATIONS}/{conversation}/turns", json={"content": "?", "stream": False})
    assert goes_on.status_code == 201


async def test_a_wrong_password_moves_nothing(service: RunningService) -> None:
    account, person = await service.person(), await guest(service)
    before = await everything(person.client)
    assert code_of(await log_in(person.client, account.username, "not the password")) == (401, "invalid_credentials")
    assert await everything(person.client) == before
    assert await the_conversations(account.client) == []


async def test_an_accounts_session_moves_nothing(service: RunningService) -> None:
    one, other = await service.person(), await service.person()
    await one.conversation()
    browser = same_browser(service, one)
    assert (await log_in(browser, other.username)).status_code == 200
    assert await the_conversations(browser) == []
    assert len(await the_conversations((await service_login(service, one)).client)) == 1


async def service_login(service: RunningService, person: Person) -> Person:
    client = service.client()
    assert (await log_in(client, person.username)).status_code == 200
    return Person(client, person.id, person.username)


async def test_of_two_sign_ins_at_once_one_gets_the_guest(service: RunningService) -> None:
    person, accounts = await guest(service), [await service.person() for _ in range(2)]
    tabs = [same_browser(service, person) for _ in range(4)]
    answers = await asyncio.gather(*(log_in(tab, accounts[n % 2].username) for n, tab in enumerate(tabs)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted([len(await the_conversations(each.client)) for each in accounts]) == [0, 1]
    assert await left_of(service, person) == {}


async def test_several_guests_sign_in_to_one_account_at_once(service: RunningService) -> None:
    guests, account = [await guest(service) for _ in range(4)], await service.person()
    answers = await asyncio.gather(*(log_in(each.client, account.username) for each in guests))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(await the_conversations(account.client)) == 4
    assert await counters(service, account) == (4, 4)


async def test_a_process_that_dies_amid_the_move_has_moved_nothing(service: RunningService) -> None:
    account, person = await service.person(), await guest(service)
    before, accounts = await everything(person.client), service.app.state.accounts
    secret = accounts.cookie.at("/").read(session_of(person.client))

    async def move_and_die() -> None:
        async with service.database.transaction() as connection:
            digest, now = digest_of(secret), accounts.clock()
            found = await lock_guest(connection, digest, now=now, limits=accounts.limits)
            assert found is not None
            await move_guest(connection, found, UUID(account.id))
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        await move_and_die()
    assert await everything(person.client) == before
    assert await the_conversations(account.client) == []
    assert await counters(service, account) == (0, 0)
    assert (await log_in(person.client, account.username)).status_code == 200
    assert await everything(account.client) == before


async def test_what_is_begun_amid_the_move_is_moved_or_refused(
    service: RunningService, shared_database_url: str
) -> None:
    """A request before the move in the line for the counters is moved; one that comes after is told."""
    account, person = await service.person(), await guest(service)
    lock = "SELECT 1 FROM user_activity WHERE user_id = $1 FOR UPDATE"
    late = same_browser(service, person)
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        early = await line.join(late.post(CONVERSATIONS, json={"title": "early"}))
        signing_in = await line.join(log_in(person.client, account.username))
        too_late = asyncio.create_task(late.post(CONVERSATIONS, json={"title": "too late"}))
    assert (await early).status_code == 201
    assert (await signing_in).status_code == 200
    titles = {each["title"] for each in await the_conversations(account.client)}
    # The third either saw no session any more, as a new guest, or found its user gone, or came before the second.
    assert (await too_late).status_code in (201, 401)
    assert titles in ({"from a guest", "early"}, {"from a guest", "early", "too late"})
    assert await left_of(service, person) == {}


async def test_a_turn_that_is_taken_amid_the_move_is_moved(service: RunningService, shared_database_url: str) -> None:
    account, person = await service.person(), await guest(service)
    conversation = (await the_conversations(person.client))[0]["id"]
    lock = "SELECT 1 FROM user_activity WHERE user_id = $1 FOR UPDATE"
    late = same_browser(service, person)
    async with held(service, shared_database_url, lock, UUID(person.id)) as line:
        body = {"content": "in between", "stream": False}
        taken = await line.join(late.post(f"{CONVERSATIONS}/{conversation}/turns", json=body))
        signing_in = await line.join(log_in(person.client, account.username))
    assert (await signing_in).status_code == 200
    assert (await taken).status_code == 201
    turns = await account.turns(conversation)
    assert [(turn["prompt"]["content"], turn["status"]) for turn in turns][:1] == [("in between", "complete")]
    assert await counters(service, account) == (1, 2)


async def test_a_reply_goes_on_while_its_guest_signs_in(database_url: str) -> None:
    """On its process, which learns of it from the next flush, and for whoever follows it from another one."""
    model = HeldModel("Hello", None, " world")
    async with running(database_url, model=model, allow_guests=True) as service, running(database_url) as elsewhere:
        account, client = await service.person(), service.client()
        conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
        person = Person(client, "", "")
        copy = Person(same_browser(service, person), "", "")
        async with streaming(copy, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            assert (await anext(events)).data == {"text": "Hello"}
            assert (await log_in(client, account.username)).status_code == 200
            path = f"{CONVERSATIONS}/{conversation}/turns/{turn}"
            assert (await client.get(path)).json()["status"] == "streaming"
            fragment = "SELECT user_id, text FROM reply_fragments"
            async with asyncio.timeout(10):
                while await rows(service.database, fragment) != [(UUID(account.id), "Hello")]:
                    await asyncio.sleep(0.02)
            # The stream is the guest's, whose session has ended: whoever else has its cookie reads no further.
            with suppress(httpx2.HTTPError):
                assert [event async for event in events] == []
        other = elsewhere.client(cookies=dict(client.cookies))
        follower = asyncio.create_task(other.get(f"{path}/events"))
        async with following(person, conversation, turn, last_event_id=len("Hello")) as events:
            assert (await anext(events)).data["id"] == turn
            model.go_on()
            rest = [event async for event in events]
        assert rest[0].data == {"text": " world"}
        assert rest[-1].data["reply"]["content"] == "Hello world"
        assert rest[-1].data["status"] == "complete"
        kept = (await client.get(path)).json()
        assert (kept["status"], kept["reply"]["content"]) == ("complete", "Hello world")
        assert '"status":"complete"' in (await follower).text
        assert await value(service.database, "SELECT count(*) FROM reply_fragments") == 0
        assert (
            await client.post(f"{path[: path.rindex('/')]}", json={"content": "?", "stream": False})
        ).status_code == 201


async def test_a_reply_that_ends_before_the_next_flush_is_kept_with_the_account(database_url: str) -> None:
    model = HeldModel("Hello", None, " world")
    async with running(database_url, model=model, allow_guests=True, flush_interval_ms=10_000) as service:
        account, client = await service.person(), service.client()
        conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
        copy = Person(same_browser(service, Person(client, "", "")), "", "")
        async with streaming(copy, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            assert (await log_in(client, account.username)).status_code == 200
        async with following(Person(client, "", ""), conversation, turn) as events:
            model.go_on()
            assert [event async for event in events][-1].data["status"] == "complete"
        (turn,) = (await client.get(f"{CONVERSATIONS}/{conversation}/turns")).json()["items"]
        assert (turn["status"], turn["reply"]["content"]) == ("complete", "Hello world")


async def test_the_account_stops_a_reply_that_was_moved(database_url: str) -> None:
    async with (
        running(database_url, model=HeldModel("Hello", None), allow_guests=True) as service,
        running(database_url) as elsewhere,
    ):
        account, client = await service.person(), service.client()
        conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
        copy = Person(same_browser(service, Person(client, "", "")), "", "")
        async with streaming(copy, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            assert (await log_in(client, account.username)).status_code == 200
        other = elsewhere.client(cookies=dict(client.cookies))
        assert (await other.post(f"{CONVERSATIONS}/{conversation}/turns/{turn}/stop")).status_code == 202
        # The guest's own stream ends with the guest's session, a second later: the account follows by itself.
        async with following(Person(client, "", ""), conversation, turn) as events:
            assert [event async for event in events][-1].data["status"] == "stopped"


async def test_what_a_guest_imported_is_imported_in_the_account(service: RunningService) -> None:
    account, person = await service.person(), await guest(service)
    await imported(account, numbered(1))
    assert (await imported(person, numbered(1, 2)))["imported"] == 2
    body = {"username": account.username, "password": PASSWORD}
    assert (await person.client.post(f"{AUTH}/login", json=body)).status_code == 200
    report = await imported(account, numbered(1, 2, 3))
    assert (report["imported"], report["skipped"]) == (1, 2)
    assert await left_of(service, person) == {}
