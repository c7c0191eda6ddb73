"""Guests: who becomes one, who does not, and what they may not do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from chatkeep.accounts import throttling
from chatkeep.errors import ConfigurationError
from tests.accounts.client import AUTH, code_of, rows, session_of, set_cookies, status_of_me, value
from tests.accounts.guests import CONVERSATIONS, guest, same_browser, the_conversations
from tests.support.patience import patience
from tests.support.running_service import RunningService, running, settings_for

GUESTS = "SELECT count(*) FROM users WHERE is_guest"


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    with patience():
        async with running(shared_database_url, allow_guests=True) as service:
            yield service


async def test_without_the_setting_nobody_is_a_guest(database_url: str) -> None:
    async with running(database_url) as service:
        answer = await service.client().post(CONVERSATIONS, json={})
        assert code_of(answer) == (401, "not_authenticated")
        assert "set-cookie" not in answer.headers
        assert await value(service.database, GUESTS) == 0


async def test_a_browser_without_an_account_chats_at_once(service: RunningService) -> None:
    client = service.client()
    begun = await client.post(CONVERSATIONS, json={})
    assert begun.status_code == 201
    cookies = set_cookies(begun)
    assert cookies.keys() == {"sid"}, "the mark of a known browser is for passwords, which a guest has none of"
    assert {"httponly", "samesite", "path", "max-age"} <= cookies["sid"].attributes.keys()
    me = (await client.get(f"{AUTH}/me")).json()
    assert (me["is_guest"], me["role"], me["email"]) == (True, "user", None)
    stored = await rows(service.database, "SELECT password_hash, is_guest FROM users WHERE id = :id", id=UUID(me["id"]))
    assert [tuple(row) for row in stored] == [(None, True)]
    turn = await client.post(f"{CONVERSATIONS}/{begun.json()['id']}/turns", json={"content": "Hi", "stream": False})
    assert turn.json()["status"] == "complete"
    again = await client.post(CONVERSATIONS, json={})
    assert "set-cookie" not in again.headers
    assert len(await the_conversations(client)) == 2


async def test_who_has_nothing_to_keep_gets_no_row_and_no_cookie(service: RunningService) -> None:
    before = await value(service.database, GUESTS)
    someones = (await guest(service)).client
    path = f"{CONVERSATIONS}/{(await the_conversations(someones))[0]['id']}"
    client = service.client()
    answers = [
        await client.get(f"{AUTH}/me"),
        await client.get(CONVERSATIONS),
        await client.get(path),
        await client.post(f"{path}/turns", json={"content": "Hi"}),
        await client.patch(path, json={"title": "mine"}),
        await client.delete(path),
        await client.post(f"{AUTH}/tokens", json={"name": "x"}),
    ]
    assert [code_of(answer) for answer in answers] == [(401, "not_authenticated")] * 7
    wrong = await client.post(CONVERSATIONS, json={"titel": "x"})
    assert code_of(wrong) == (422, "invalid_request")
    assert not any("set-cookie" in answer.headers for answer in [*answers, wrong])
    assert await value(service.database, GUESTS) == before + 1


@pytest.mark.parametrize("token", ["ck_wrong", "x"])
async def test_a_program_whose_token_is_wrong_does_not_become_a_guest(service: RunningService, token: str) -> None:
    answer = await service.client(headers={"Authorization": f"Bearer {token}"}).post(CONVERSATIONS, json={})
    assert code_of(answer) == (401, "not_authenticated")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}])
async def test_another_sites_page_makes_no_guests_of_its_visitors(
    service: RunningService, headers: dict[str, str]
) -> None:
    answer = await service.client(headers=headers).post(CONVERSATIONS, json={})
    assert code_of(answer) == (403, "cross_site_request")
    token = headers | {"Authorization": "Bearer ck_wrong"}
    assert (await service.client(headers=token).post(CONVERSATIONS, json={})).status_code == 401


async def test_a_program_that_keeps_no_cookie_makes_only_so_many_guests(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "GUESTS_FROM_ONE_PLACE", throttling.Limit(4, timedelta(hours=1)))
    async with running(database_url, allow_guests=True, trusted_proxies="127.0.0.1") as service:
        here, there = ({"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2"))
        old = await service.client(headers=here).post(CONVERSATIONS, json={})
        makers = [service.client(headers=here) for _ in range(6)]
        answers = await asyncio.gather(*(maker.post(CONVERSATIONS, json={}) for maker in makers))
        refused = [answer for answer in answers if answer.status_code != 201]
        assert [code_of(answer) for answer in refused] == [(429, "too_many_attempts")] * 3
        assert all(int(answer.headers["retry-after"]) > 0 and "set-cookie" not in answer.headers for answer in refused)
        assert await value(service.database, GUESTS) == 4
        assert (await service.client(headers=there).post(CONVERSATIONS, json={})).status_code == 201
        known = service.client(headers=here, cookies={"sid": set_cookies(old)["sid"].value})
        assert (await known.post(CONVERSATIONS, json={})).status_code == 201, "who is here already goes on"


async def test_guests_see_nothing_of_each_other(service: RunningService) -> None:
    one, other = await guest(service), await guest(service)
    theirs = (await the_conversations(one.client))[0]["id"]
    assert (await other.client.get(f"{CONVERSATIONS}/{theirs}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("tokens", {"name": "laptop"}, "Register first"),
        ("password", {"current_password": "", "new_password": "another of those long ones"}, "Register to get one"),
    ],
)
async def test_what_takes_an_account_says_so(service: RunningService, path: str, body: object, says: str) -> None:
    answer = await (await guest(service)).client.post(f"{AUTH}/{path}", json=body)
    assert code_of(answer) == (403, "guest_not_allowed")
    assert says in answer.json()["detail"]


async def test_nobody_signs_in_as_a_guest(service: RunningService) -> None:
    name = (await guest(service)).username
    for password in ("", "x", "None"):
        answer = await service.client().post(f"{AUTH}/login", json={"username": name, "password": password})
        assert code_of(answer) == (401, "invalid_credentials")


async def test_a_guest_deletes_themselves_without_a_password(service: RunningService) -> None:
    person = await guest(service)
    thief = same_browser(service, person)
    answer = await person.client.request("DELETE", f"{AUTH}/me", json={})
    assert answer.status_code == 204
    assert (await thief.get(f"{AUTH}/me")).status_code == 401
    for table in (
        "users WHERE id",
        "turns WHERE user_id",
        "conversations WHERE user_id",
        "login_sessions WHERE user_id",
    ):
        assert await value(service.database, f"SELECT count(*) FROM {table} = :id", id=UUID(person.id)) == 0


async def test_an_account_is_still_asked_for_its_password(service: RunningService) -> None:
    person = await service.person()
    answer = await person.client.request("DELETE", f"{AUTH}/me", json={})
    assert code_of(answer) == (401, "invalid_credentials")


async def test_signing_out_ends_a_guests_session(service: RunningService) -> None:
    person = await guest(service)
    cookie = session_of(person.client)
    assert (await person.client.post(f"{AUTH}/logout")).status_code == 204
    assert await status_of_me(service, cookie=cookie) == 401
    assert (await person.client.post(CONVERSATIONS, json={})).status_code == 201, "as another guest"
    assert len(await the_conversations(person.client)) == 1


async def test_administrators_see_who_is_a_guest_and_cannot_make_one_of_them(service: RunningService) -> None:
    person, administrator = await guest(service), await service.administrator()
    listed = (await administrator.client.get("/api/v1/admin/users", params={"q": person.username})).json()["items"]
    assert [(each["id"], each["is_guest"], each["turn_count"]) for each in listed] == [(person.id, True, 1)]
    path = f"/api/v1/admin/users/{person.id}"
    answer = await administrator.client.patch(path, json={"role": "admin"})
    assert code_of(answer) == (409, "is_guest")
    assert (await administrator.client.patch(path, json={"disabled": True})).status_code == 200
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401


def test_guests_are_not_kept_longer_than_anybody_can_open_them() -> None:
    settings_for("postgresql://h/d", session_idle_seconds=3600)
    with pytest.raises(ConfigurationError, match="CHATKEEP_GUEST_TTL_SECONDS is longer"):
        settings_for("postgresql://h/d", session_idle_seconds=3600, allow_guests=True)
