"""Names that look like another's: refused to whoever registers, and left to whoever runs the service."""

import asyncio
from typing import Any

import httpx2
import pytest

from chatkeep.accounts.names import FILLED_AT_ONCE, fill_names
from chatkeep.app.maintenance import cleanup
from tests.accounts.client import AUTH, change, code_of, log_in, rows, value
from tests.accounts.guests import guest
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, RunningService, running

BY_CYRILLIC = str.maketrans({"a": "\u0430", "c": "\u0441", "e": "\u0435", "o": "\u043e", "p": "\u0440"})


async def register(client: httpx2.AsyncClient, username: str) -> httpx2.Response:
    return await client.post(f"{AUTH}/register", json={"username": username, "password": PASSWORD})


@pytest.mark.parametrize(
    ("first", "second"), [("peacock", "peacock".translate(BY_CYRILLIC)), ("vail", "vaiI"), ("cornet", "comet")]
)
async def test_a_name_that_looks_like_anothers_is_refused(service: RunningService, first: str, second: str) -> None:
    owner = await service.person(first)
    answer = await register(service.client(), second)
    assert code_of(answer) == (409, "username_taken")
    assert "looks like" in answer.json()["detail"]
    assert first not in answer.text
    # Signing in never goes by looks.
    assert (await log_in(service.client(), second)).status_code == 401
    assert (await log_in(service.client(), first)).json()["id"] == owner.id


async def test_the_one_that_came_first_may_be_the_odd_one(service: RunningService) -> None:
    await service.person("vaiI2")
    assert code_of(await register(service.client(), "vail2")) == (409, "username_taken")


@pytest.mark.parametrize("username", ["ko\u043eta", "Дима-dev", "tanaka太郎", "\u0440\u043e\u0440"])
async def test_mixed_scripts_that_look_like_nobody_are_taken(service: RunningService, username: str) -> None:
    assert (await register(service.client(), username)).status_code == 201


async def test_a_guest_cannot_become_a_lookalike_and_stays_who_they_are(database_url: str) -> None:
    async with running(database_url, allow_guests=True) as service:
        await service.person("orca")
        person = await guest(service)
        answer = await register(person.client, "orca".translate(BY_CYRILLIC))
        assert code_of(answer) == (409, "username_taken")
        assert (await person.client.get(f"{AUTH}/me")).json()["id"] == person.id
        assert (await register(person.client, "otter")).json()["id"] == person.id
        assert code_of(await register(service.client(), "otter".translate(BY_CYRILLIC))) == (409, "username_taken")


async def test_of_many_who_take_names_that_look_alike_at_once_one_gets_it(service: RunningService) -> None:
    names = ["cocoa", "cocoa".translate(BY_CYRILLIC), "c\u043ecoa", "coc\u043ea", "\u0441ocoa", "c0coa"]
    answers = await asyncio.gather(*(register(service.client(), name) for name in names))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * (len(names) - 1)]
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {(409, "username_taken")}


async def test_accounts_that_look_alike_already_go_on(service: RunningService) -> None:
    one, other = await service.person("twin-a"), await service.person("twin-b")
    await _make_older(service, one.id, "echo", other.id, "echo".translate(BY_CYRILLIC))
    await fill_names(service.database)
    for name, person in (("echo", one), ("echo".translate(BY_CYRILLIC), other)):
        assert (await log_in(service.client(), name)).json()["id"] == person.id
        assert (await person.client.patch(f"{AUTH}/me", json={"display_name": "Echo"})).status_code == 200
    assert code_of(await register(service.client(), "ech\u043e")) == (409, "username_taken")


async def test_accounts_of_an_earlier_version_are_filled_in_by_the_service(service: RunningService) -> None:
    person = await service.person()
    await change(service.database, "UPDATE users SET username = 'acacia', username_key = 'acacia' WHERE id = :id",
                 id=person.id)  # fmt: skip
    await change(service.database, "UPDATE users SET name_skeletons = NULL")
    await cleanup(service.app.state.accounts)
    assert await value(service.database, "SELECT count(*) FROM users WHERE name_skeletons IS NULL") == 0
    assert code_of(await register(service.client(), "acacia".translate(BY_CYRILLIC))) == (409, "username_taken")
    assert await fill_names(service.database) == 0


async def test_filling_in_waits_for_nobody_and_takes_the_rest_next_time(service: RunningService) -> None:
    person = await service.person()
    await change(service.database, "UPDATE users SET name_skeletons = NULL")
    async with service.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE users SET display_name = 'busy' WHERE id = '{person.id}'")
        async with asyncio.timeout(30):
            await fill_names(service.database)
        left = await rows(service.database, "SELECT id FROM users WHERE name_skeletons IS NULL")
        assert [str(row.id) for row in left] == [person.id]
    assert await fill_names(service.database) == 1


async def test_more_accounts_than_one_batch_has_are_all_filled_in(database_url: str) -> None:
    async with running(database_url) as service:
        await change(
            service.database,
            "INSERT INTO users (id, username, username_key, created_at) "
            "SELECT gen_random_uuid(), 'old-' || n, 'old-' || n, now() FROM generate_series(1, :count) n",
            count=2 * FILLED_AT_ONCE + 1,
        )
        filled = await asyncio.gather(*(fill_names(service.database) for _ in range(3)))
        assert sum(filled) <= 2 * FILLED_AT_ONCE + 1
        async with asyncio.timeout(60):  # the service itself may have some of them in hand
            while await value(service.database, "SELECT count(*) FROM users WHERE name_skeletons IS NULL"):
                await fill_names(service.database)


async def test_whom_a_server_in_front_names_gets_in_and_the_log_says_so(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database_url) as service:
        owner = await service.person("oboe")
    settings: dict[str, Any] = {
        "auth_user_header": "X-User",
        "auth_proxies": "127.0.0.1",
        "allow_registration": False,
        "log_level": "warning",
    }
    async with running(database_url, **settings) as service:
        client = service.client(headers=[(b"X-User", "oboe".translate(BY_CYRILLIC).encode())])
        answer = await client.get(f"{AUTH}/me")
        assert answer.status_code == 200
        (warning,) = (line for line in caplog.messages if "username_looks_like_another" in line)
        assert answer.json()["id"] in warning
        assert owner.id in warning


async def test_a_stranger_cannot_keep_the_first_administrator_away(database_url: str) -> None:
    async with running(database_url, admin_password=None) as service:
        await service.person("adrnin")
    async with running(database_url) as service:
        assert (await log_in(service.client(), "admin", ADMIN_PASSWORD)).status_code == 200


async def _make_older(service: RunningService, one: str, name: str, other: str, other_name: str) -> None:
    """Give two accounts names as they were possible before names were compared."""
    for user_id, username in ((one, name), (other, other_name)):
        await change(
            service.database,
            "UPDATE users SET username = :name, username_key = :name, name_skeletons = NULL WHERE id = :id",
            name=username,
            id=user_id,
        )
