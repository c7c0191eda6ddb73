"""Users as administrators see and change them, in force at once."""

import asyncio
import random
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from chatkeep.ids import new_id
from tests.chat.search.reference import Word, ends_of, plain
from tests.http.test_bodies import code_of
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, Person, RunningService, running
from tests.support.settled import settle
from tests.support.urls import driver_url

USERS = "/api/v1/admin/users"


@pytest.fixture(scope="module")
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


async def whole(administrator: Person, limit: int = 200, **filters: Any) -> list[dict[str, Any]]:
    """Return all users that fit, read `limit` at a time."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await administrator.client.get(USERS, params={"limit": limit, **filters, **cursor})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return items
        cursor = {"cursor": answer.json()["next_cursor"]}


async def listed(administrator: Person, person: Person) -> dict[str, Any]:
    (found,) = [each for each in await whole(administrator, q=person.username) if each["id"] == person.id]
    return found


async def change(administrator: Person, person: Person, **changes: object) -> dict[str, Any]:
    answer = await administrator.client.patch(f"{USERS}/{person.id}", json=changes)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


# The list


async def test_a_user_is_listed_with_what_they_have(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    first, second = await person.conversation(), await person.conversation()
    for _ in range(3):
        await person.say(first, "Hello")
    await person.say(second, "Hello")
    me = (await person.client.get("/api/v1/auth/me")).json()
    found = await listed(administrator, person)
    assert found == me | {
        "disabled": False,
        "legal_hold": False,
        "conversation_count": 2,
        "turn_count": 4,
        "last_seen_at": found["last_seen_at"],
    }
    seen = datetime.fromisoformat(found["last_seen_at"])
    assert datetime.now(UTC) - seen < timedelta(minutes=2)
    await person.client.delete(f"/api/v1/conversations/{first}")
    found = await listed(administrator, person)
    assert (found["conversation_count"], found["turn_count"]) == (1, 1)


async def test_a_user_who_comes_back_is_seen(
    service: RunningService, administrator: Person, shared_database_url: str
) -> None:
    person = await service.person()
    connection = await asyncpg.connect(driver_url(shared_database_url))
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    await connection.execute("UPDATE user_activity SET last_seen_at = $1 WHERE user_id = $2", long_ago, person.id)
    await connection.execute("UPDATE login_sessions SET last_seen_at = $1 WHERE user_id = $2", long_ago, person.id)
    await connection.close()
    assert datetime.fromisoformat((await listed(administrator, person))["last_seen_at"]) == long_ago
    await person.client.get("/api/v1/auth/me")
    assert datetime.fromisoformat((await listed(administrator, person))["last_seen_at"]) > long_ago


async def test_nothing_secret_is_listed(service: RunningService, administrator: Person) -> None:
    await service.person()
    answer = await administrator.client.get(USERS)
    for word in ("password", "$argon2", "digest", "name_pairs", "username_key", "token"):
        assert word not in answer.text


async def test_the_newest_come_first(service: RunningService, administrator: Person) -> None:
    people = [await service.person() for _ in range(3)]
    found = [each["id"] for each in await whole(administrator)]
    assert found[:3] == [person.id for person in reversed(people)]
    assert found == sorted(found, reverse=True)


# Parts of names


@dataclass(frozen=True)
class Named:
    """Somebody with names."""

    id: str
    username: str
    email: str | None
    display_name: str | None
    role: str
    disabled: bool


SYLLABLES = ["an", "NA", "Éli", "ω", "Ж", "あい", "ｱｲ", "漢字", "x_y", "50%", "a.b", "o'", "ＡＢ", "-", "1"]


@pytest.fixture(scope="module")
async def named(service: RunningService, administrator: Person) -> list[Named]:
    """Users with names of every kind, newest first."""
    chance = random.Random(3)
    made: list[Named] = []
    for number in range(30):
        username = "".join(chance.choices(SYLLABLES, k=3)) + f"~{number}"
        email = f"{'.'.join(chance.choices(['Ann', 'bob', 'Éva', 'x'], k=2))}{number}@Example.ORG"
        display_name = " ".join(chance.choices([*SYLLABLES, "Mörike", "ΣΑΣ"], k=3))
        role = chance.choice(["user", "user", "admin"])
        disabled = chance.random() < 0.3
        client = service.client()
        body = {"username": username, "password": PASSWORD, "email": email}
        answer = await client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        has = chance.random()
        if has < 0.7:
            answer = await client.patch("/api/v1/auth/me", json={"display_name": display_name})
        if has < 0.2:
            answer = await client.patch("/api/v1/auth/me", json={"email": None})
        me = answer.json()
        await change(administrator, Person(client, me["id"], username), role=role, disabled=disabled)
        made.append(Named(me["id"], username, me["email"], me["display_name"], role, disabled))
    return made[::-1]


def fits(user: Named, part: str) -> bool:
    word = Word(plain(" ".join(part.split())), is_phrase=False)
    names = [plain(text) for text in (user.username, user.email, user.display_name) if text is not None]
    return any(ends_of(name, word, start) is not None for name in names for start in range(len(name)))


def some_part(chance: random.Random, user: Named) -> str:
    text = chance.choice([text for text in (user.username, user.email, user.display_name) if text])
    start = chance.randrange(len(text))
    part = text[start : start + chance.randint(1, 5)]
    return chance.choice([part, part.upper(), part.lower(), unicodedata.normalize("NFKC", part)])


async def found_ids(administrator: Person, among: list[Named], limit: int = 200, **filters: Any) -> list[str]:
    known = {user.id for user in among}
    return [each["id"] for each in await whole(administrator, limit, **filters) if each["id"] in known]


PARTS = [
    *(
        "an",
        "AN",
        "ａｎ",
        "éli",
        "ÉLI",
        "e\u0301li",
        "Ω",
        "ж",
        "あい",
        "アイ",
        "ｱｲ",
        "漢",
        "字",
        "ab",
        "mörike",
        "MÖRIKE",
    ),
    *("%", "_", "x_y", "xzy", "50%", "\\", "'", ".", "@", " ", "-", "1", "~1", "~29"),
    *("example.org", "EXAMPLE", "no such name", "a b"),
]


@pytest.mark.parametrize("part", PARTS)
async def test_users_are_found_by_part_of_a_name(administrator: Person, named: list[Named], part: str) -> None:
    assert await found_ids(administrator, named, q=part) == [user.id for user in named if fits(user, part)]


@pytest.mark.parametrize("seed", range(8))
async def test_filters_of_users_together_must_all_fit(administrator: Person, named: list[Named], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        filters: dict[str, Any] = {}
        wanted = named
        if chance.random() < 0.8:
            filters["q"] = part = some_part(chance, chance.choice(named))
            wanted = [user for user in wanted if fits(user, part)]
        if chance.random() < 0.6:
            filters["role"] = role = chance.choice(["user", "admin"])
            wanted = [user for user in wanted if user.role == role]
        if chance.random() < 0.6:
            filters["disabled"] = disabled = chance.choice([True, False])
            wanted = [user for user in wanted if user.disabled == disabled]
        limit = chance.choice([1, 3, 200])
        assert await found_ids(administrator, named, limit, **filters) == [user.id for user in wanted], filters


async def test_an_empty_part_of_a_name_is_no_filter(administrator: Person) -> None:
    assert await whole(administrator, q="") == await whole(administrator)


@pytest.mark.parametrize("params", [{"role": "root"}, {"role": ""}, {"disabled": "1"}, {"disabled": "maybe"}])
async def test_a_filter_that_cannot_be_is_an_invalid_request(administrator: Person, params: dict[str, str]) -> None:
    assert code_of(await administrator.client.get(USERS, params=params), 422) == "invalid_request"


# Changes


async def test_a_new_administrator_is_one_on_the_next_request(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    assert code_of(await person.client.get(USERS), 403) == "forbidden"
    assert (await change(administrator, person, role="admin"))["role"] == "admin"
    before = person.client.cookies["sid"]
    assert (await person.client.get(USERS)).status_code == 200
    assert person.client.cookies["sid"] != before  # a session from before is not good for the rights after
    assert (await change(administrator, person, role="user"))["role"] == "user"
    assert code_of(await person.client.get(USERS), 403) == "forbidden"


async def test_whoever_is_disabled_is_out_on_the_next_request(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    token = await person.token()
    bearer = service.client(headers={"Authorization": f"Bearer {token}"})
    assert (await bearer.get("/api/v1/auth/me")).status_code == 200
    assert (await change(administrator, person, disabled=True))["disabled"] is True
    for client in (person.client, bearer):
        assert code_of(await client.get("/api/v1/auth/me"), 401) == "not_authenticated"
        assert code_of(await client.post("/api/v1/conversations", json={}), 401) == "not_authenticated"
    body = {"username": person.username, "password": PASSWORD}
    assert code_of(await service.client().post("/api/v1/auth/login", json=body), 401) == "invalid_credentials"
    await change(administrator, person, disabled=False)
    assert (await person.client.get("/api/v1/auth/me")).status_code == 401  # that session has ended
    assert (await service.client().post("/api/v1/auth/login", json=body)).status_code == 200


async def test_what_is_not_said_stays_as_it_is(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    before = await listed(administrator, person)
    for changes in ({}, {"role": None}, {"disabled": None, "role": "user"}, {"disabled": False}):
        assert await change(administrator, person, **changes) == before
    assert (await person.client.get("/api/v1/auth/me")).status_code == 200


@pytest.mark.parametrize(
    "body", [{"role": "root"}, {"disabled": "yes"}, {"disabled": 1}, {"username": "x"}, {"email": "a@b"}]
)
async def test_nothing_else_of_a_user_can_be_changed(
    service: RunningService, administrator: Person, body: dict[str, object]
) -> None:
    person = await service.person()
    answer = await administrator.client.patch(f"{USERS}/{person.id}", json=body)
    assert code_of(answer, 422) == "invalid_request"


async def test_a_user_is_signed_out_everywhere(service: RunningService, administrator: Person) -> None:
    person, other = await service.person(), await service.person()
    second = service.client()
    body = {"username": person.username, "password": PASSWORD}
    await second.post("/api/v1/auth/login", json=body)
    token = await person.token()
    program = service.client(headers={"Authorization": f"Bearer {token}"})
    assert (await program.get("/api/v1/auth/me")).status_code == 200
    answer = await administrator.client.post(f"{USERS}/{person.id}/sessions/revoke")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await program.get("/api/v1/auth/me")).status_code == 401
    for client in (person.client, second):
        assert (await client.get("/api/v1/auth/me")).status_code == 401
    assert (await other.client.get("/api/v1/auth/me")).status_code == 200
    assert (await second.post("/api/v1/auth/login", json=body)).status_code == 200


# The last administrator, in services of their own


async def test_the_last_administrator_stays_one(database_url: str) -> None:
    async with running(database_url) as service:
        only = await service.administrator()
        path = f"{USERS}/{only.id}"
        for answer in (
            await only.client.patch(path, json={"role": "user"}),
            await only.client.patch(path, json={"disabled": True}),
            await only.client.delete(path),
            await only.client.request("DELETE", "/api/v1/auth/me", json={"password": ADMIN_PASSWORD}),
        ):
            assert code_of(answer, 409) == "last_administrator"
        second = await service.person()
        await change(only, second, role="admin")
        await change(only, second, disabled=True)  # who cannot sign in does not count
        assert code_of(await only.client.delete(path), 409) == "last_administrator"
        await change(only, second, disabled=False)
        await second.client.post("/api/v1/auth/login", json={"username": second.username, "password": PASSWORD})
        assert (await second.client.patch(path, json={"role": "user"})).status_code == 200
        assert code_of(await only.client.get(USERS), 403) == "forbidden"


async def test_two_administrators_cannot_remove_each_other_at_once(database_url: str) -> None:
    async with running(database_url) as service:
        first, second = await service.administrator(), await service.person()
        for _ in range(5):
            await change(first, second, role="admin")
            answers = await asyncio.gather(
                first.client.patch(f"{USERS}/{second.id}", json={"role": "user"}),
                second.client.patch(f"{USERS}/{first.id}", json={"role": "user"}),
            )
            assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
            if answers[0].status_code != 200:
                first, second = second, first


# Deleting


async def rows_of(database_url: str, user_id: str) -> dict[str, int]:
    """Return how many rows each table has of a user."""
    connection = await asyncpg.connect(driver_url(database_url))
    columns = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'user_id'"
    )
    counts = {
        name: await connection.fetchval(f'SELECT count(*) FROM "{name}" WHERE user_id = $1', user_id)
        for (name,) in columns
    }
    counts["users"] = await connection.fetchval("SELECT count(*) FROM users WHERE id = $1", user_id)
    await connection.close()
    return counts


async def test_of_a_deleted_user_nothing_is_left(
    service: RunningService, administrator: Person, shared_database_url: str
) -> None:
    person, other = await service.person(), await service.person()
    for each in (person, other):
        conversation_id = await each.conversation(metadata={"a": 1})
        await each.say(conversation_id, "Hello")
        await each.client.post("/api/v1/auth/tokens", json={"name": "x"})
    await settle(service.chat.turn_store)
    before = await rows_of(shared_database_url, person.id)
    untouched = await rows_of(shared_database_url, other.id)
    assert before["users"] == before["turns"] == before["conversations"] == before["access_tokens"] == 1
    answer = await administrator.client.delete(f"{USERS}/{person.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert set((await rows_of(shared_database_url, person.id)).values()) == {0}
    assert await rows_of(shared_database_url, other.id) == untouched
    assert code_of(await person.client.get("/api/v1/auth/me"), 401) == "not_authenticated"
    history = await administrator.client.get("/api/v1/admin/history", params={"user_id": person.id})
    assert history.json()["items"] == []
    assert code_of(await administrator.client.delete(f"{USERS}/{person.id}"), 404) == "not_found"
    body = {"username": person.username, "password": PASSWORD}
    assert code_of(await service.client().post("/api/v1/auth/login", json=body), 401) == "invalid_credentials"
    assert (await service.client().post("/api/v1/auth/register", json=body)).status_code == 201  # the name is free


async def test_a_user_can_be_deleted_while_they_talk(
    service: RunningService, administrator: Person, shared_database_url: str
) -> None:
    people = [await service.person() for _ in range(4)]

    async def talk(person: Person) -> None:
        conversation_id = await person.conversation()
        for _ in range(200):
            path = f"/api/v1/conversations/{conversation_id}/turns"
            answer = await person.client.post(path, json={"content": secrets.token_hex(), "stream": False})
            if answer.status_code in (401, 404):
                return
            assert answer.status_code in (201, 409), answer.text

    talks = [asyncio.create_task(talk(person)) for person in people]
    await asyncio.sleep(0.3)
    for person in people:
        assert (await administrator.client.delete(f"{USERS}/{person.id}")).status_code == 204
    await asyncio.gather(*talks)
    for person in people:
        assert set((await rows_of(shared_database_url, person.id)).values()) == {0}


@pytest.mark.parametrize("user_id", [str(new_id()), "00000000-0000-0000-0000-000000000000"], ids=["new", "zero"])
async def test_a_missing_user_is_not_found(administrator: Person, user_id: str) -> None:
    path = f"{USERS}/{user_id}"
    for answer in (
        await administrator.client.patch(path, json={"disabled": True}),
        await administrator.client.patch(path, json={}),
        await administrator.client.delete(path),
        await administrator.client.post(f"{path}/sessions/revoke"),
    ):
        assert code_of(answer, 404) == "not_found"
