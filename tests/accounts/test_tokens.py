import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chatkeep.app.maintenance import cleanup
from chatkeep.config import ACCESS_TOKEN_MAX_SECONDS, MAX_ACCESS_TOKENS
from tests.accounts.client import AUTH, change, code_of, new_token, rows, status_of_me, value
from tests.accounts.clocks import MovableClock
from tests.support.running_service import RunningService, running


async def test_a_token_is_shown_once_and_kept_as_a_digest(service: RunningService) -> None:
    person = await service.person()
    answer = await person.client.post(f"{AUTH}/tokens", json={"name": "laptop 💻"})
    assert answer.status_code == 201
    made = answer.json()
    token = made.pop("token")
    assert token.startswith("ck_")
    assert len(token) == len("ck_") + 43  # 256 bits
    listed = await person.client.get(f"{AUTH}/tokens")
    assert listed.json() == {"items": [made], "next_cursor": None}
    kept = await rows(
        service.database, "SELECT t::text FROM access_tokens t WHERE user_id = cast(:id AS uuid)", id=person.id
    )
    assert len(kept) == 1
    assert token not in str(kept)
    assert token.encode().hex() not in str(kept)


@pytest.mark.parametrize(
    ("name", "code"), [("a\x00b", "invalid_text"), ("\ud800", "invalid_text"), ("", "invalid_request")]
)
async def test_a_name_that_cannot_be_kept_is_refused(service: RunningService, name: str, code: str) -> None:
    person, headers = await service.person(), {"Content-Type": "application/json"}
    answer = await person.client.post(f"{AUTH}/tokens", content=json.dumps({"name": name}), headers=headers)
    assert code_of(answer) == (422, code)


async def test_a_token_signs_in_without_a_cookie(service: RunningService) -> None:
    person = await service.person()
    token = await new_token(person)
    client = service.client(headers={"Authorization": f"bearer  {token}"})
    answer = await client.get(f"{AUTH}/me")
    assert answer.json()["id"] == person.id
    assert "set-cookie" not in answer.headers
    conversation = await client.post("/api/v1/conversations", json={})
    assert conversation.status_code == 201
    sessions = (await client.get(f"{AUTH}/sessions")).json()["items"]
    assert [item["current"] for item in sessions] == [False]


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer",
        b"Bearer x",
        b"Bearer ck_",
        b"Bearer ck_" + b"A" * 43,
        b"Bearer ck_\xe9",
        b"Bearer " + b"x" * 8000,
    ],
)
async def test_a_wrong_token_is_nobody_even_beside_a_good_cookie(service: RunningService, authorization: bytes) -> None:
    person = await service.person()
    answer = await person.client.get(f"{AUTH}/me", headers=[(b"Authorization", authorization)])
    assert code_of(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_another_scheme_is_somebody_elses_business(service: RunningService) -> None:
    """A proxy that asks for a password of its own leaves its header in place."""
    person = await service.person()
    headers = {"Authorization": "Basic dXNlcjpwYXNz"}
    assert (await person.client.get(f"{AUTH}/me", headers=headers)).json()["id"] == person.id
    assert (await service.client().get(f"{AUTH}/me", headers=headers)).status_code == 401


async def test_a_token_ends_when_it_is_deleted_and_only_by_its_owner(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    token = await new_token(person)
    ((token_id, *_),) = await rows(
        service.database, "SELECT id::text FROM access_tokens WHERE user_id = cast(:id AS uuid)", id=person.id
    )
    missing = await stranger.client.delete(f"{AUTH}/tokens/01890a5d-ac96-774b-bcce-b302099a8057")
    others = await stranger.client.delete(f"{AUTH}/tokens/{token_id}")
    assert code_of(others) == (404, "not_found")
    assert others.content == missing.content
    assert await status_of_me(service, token=token) == 200
    assert (await person.client.delete(f"{AUTH}/tokens/{token_id}")).status_code == 204
    assert await status_of_me(service, token=token) == 401


async def test_a_token_ends_when_it_was_said_to(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    ends_at = clock() + timedelta(hours=1)
    token, lasting = await new_token(person, expires_at=ends_at.isoformat()), await new_token(person)
    clock.advance(3599)
    assert await status_of_me(service, token=token) == 200
    clock.advance(1)
    assert await status_of_me(service, token=token) == 401
    await cleanup(service.app.state.accounts)
    assert await status_of_me(service, token=lasting) == 200
    assert len((await person.client.get(f"{AUTH}/tokens")).json()["items"]) == 1


@pytest.mark.parametrize(
    "expires_at",
    [
        "2020-01-01T00:00:00Z",
        "2099-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "tomorrow",
        4102444800,
        "9999-12-31T23:59:59Z",
        "2099-06-01T00:00:00+09:00",
    ],
)
async def test_an_end_that_cannot_be_is_refused(service: RunningService, expires_at: object) -> None:
    person = await service.person()
    answer = await person.client.post(f"{AUTH}/tokens", json={"name": "x", "expires_at": expires_at})
    assert code_of(answer) == (422, "invalid_request")
    assert (await person.client.get(f"{AUTH}/tokens")).json()["items"] == []


@pytest.mark.parametrize("seconds", [1, 3600, ACCESS_TOKEN_MAX_SECONDS])
async def test_any_other_end_is_taken(service: RunningService, clock: MovableClock, seconds: int) -> None:
    person, end = await service.person(), clock() + timedelta(seconds=seconds)
    for zone in (UTC, timezone(timedelta(hours=9))):
        expires_at = end.astimezone(zone).isoformat()
        assert await status_of_me(service, token=await new_token(person, expires_at=expires_at)) == 200


async def test_a_token_without_an_end_ends_as_late_as_one_may(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    latest = clock() + timedelta(seconds=ACCESS_TOKEN_MAX_SECONDS)
    for body in ({"name": "left out"}, {"name": "null", "expires_at": None}):
        made = (await person.client.post(f"{AUTH}/tokens", json=body)).json()
        assert datetime.fromisoformat(made["expires_at"]) == latest
    later = (latest + timedelta(seconds=1)).isoformat()
    answer = await person.client.post(f"{AUTH}/tokens", json={"name": "later", "expires_at": later})
    assert code_of(answer) == (422, "invalid_request")
    assert f"{latest:%Y-%m-%d}" in answer.json()["detail"]


async def test_a_token_from_before_keeps_that_it_never_ends(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    token = await new_token(person)
    never = "UPDATE access_tokens SET expires_at = NULL WHERE user_id = cast(:id AS uuid)"
    await change(service.database, never, id=person.id)
    clock.advance(2 * ACCESS_TOKEN_MAX_SECONDS)
    await cleanup(service.app.state.accounts)
    assert await status_of_me(service, token=token) == 200


async def test_an_account_has_only_so_many_tokens_however_many_are_asked_for_at_once(
    service: RunningService, clock: MovableClock
) -> None:
    person, other = await service.person(), await service.person()
    answers = await asyncio.gather(
        *(person.client.post(f"{AUTH}/tokens", json={"name": str(n)}) for n in range(MAX_ACCESS_TOKENS + 10))
    )
    assert sorted(each.status_code for each in answers) == [201] * MAX_ACCESS_TOKENS + [409] * 10
    refused = next(each for each in answers if each.status_code == 409)
    assert code_of(refused) == (409, "too_many_tokens")
    assert str(MAX_ACCESS_TOKENS) in refused.json()["detail"]
    await new_token(other)
    made = next(each.json() for each in answers if each.status_code == 201)
    assert (await person.client.delete(f"{AUTH}/tokens/{made['id']}")).status_code == 204
    await new_token(person, expires_at=(clock() + timedelta(hours=1)).isoformat())
    assert code_of(await person.client.post(f"{AUTH}/tokens", json={"name": "x"})) == (409, "too_many_tokens")
    clock.advance(3600)  # one that has ended makes room, swept away or not
    await new_token(person)


async def test_both_bounds_are_settings(database_url: str) -> None:
    async with running(database_url, max_access_tokens=1, access_token_max_seconds=3600) as service:
        person = await service.person()
        late = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        answer = await person.client.post(f"{AUTH}/tokens", json={"name": "x", "expires_at": late})
        assert code_of(answer) == (422, "invalid_request")
        await new_token(person)
        assert code_of(await person.client.post(f"{AUTH}/tokens", json={"name": "x"})) == (409, "too_many_tokens")


async def test_use_is_written_at_most_once_a_minute(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    token = await new_token(person)
    used = "SELECT last_used_at FROM access_tokens WHERE user_id = cast(:id AS uuid)"
    assert await value(service.database, used, id=person.id) is None
    await asyncio.gather(*(status_of_me(service, token=token) for _ in range(5)))
    first = clock()
    assert await value(service.database, used, id=person.id) == first
    clock.advance(59)
    await status_of_me(service, token=token)
    assert await value(service.database, used, id=person.id) == first
    clock.advance(1)
    await status_of_me(service, token=token)
    assert await value(service.database, used, id=person.id) == clock()


async def test_tokens_are_listed_in_pages_newest_first(service: RunningService) -> None:
    person = await service.person()
    for number in range(5):
        await new_token(person, name=f"number {number}")
    first = (await person.client.get(f"{AUTH}/tokens", params={"limit": 3})).json()
    rest = (await person.client.get(f"{AUTH}/tokens", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    names = [item["name"] for item in first["items"] + rest["items"]]
    assert names == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    assert rest["next_cursor"] is None


async def test_a_disabled_users_token_is_nobodys_until_the_user_is_back(service: RunningService) -> None:
    person = await service.person()
    token = await new_token(person)
    await change(service.database, "UPDATE users SET disabled = true WHERE id = cast(:id AS uuid)", id=person.id)
    assert await status_of_me(service, token=token) == 401
    await change(service.database, "UPDATE users SET disabled = false WHERE id = cast(:id AS uuid)", id=person.id)
    assert await status_of_me(service, token=token) == 200
