import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest

from chatkeep.app.maintenance import cleanup
from chatkeep.config import ACCESS_TOKEN_MAX_SECONDS, MAX_ACCESS_TOKENS
from chatkeep.database.database import Database
from tests.accounts.client import AUTH, NEW_PASSWORD, change, code_of, new_token, rows, status_of_me, value
from tests.accounts.clocks import MovableClock
from tests.support.running_service import PASSWORD, RunningService, running


def bearer(service: RunningService, token: str) -> httpx2.AsyncClient:
    return service.client(headers={"Authorization": f"Bearer {token}"})


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


async def test_a_token_chats_unless_it_is_made_for_more(service: RunningService) -> None:
    person = await service.person()
    made = (await person.client.post(f"{AUTH}/tokens", json={"name": "x"})).json()
    assert made["scopes"] == ["chat"]
    wide = {"name": "x", "scopes": ["account", "read", "read", "chat"]}
    assert (await person.client.post(f"{AUTH}/tokens", json=wide)).json()["scopes"] == ["chat", "read", "account"]
    listed = (await person.client.get(f"{AUTH}/tokens")).json()["items"]
    assert [each["scopes"] for each in listed] == [["chat", "read", "account"], ["chat"]]
    client = bearer(service, made["token"])
    conversation = (await client.post("/api/v1/conversations", json={})).json()
    # It reads what it works in, and nothing that it would have to look for.
    assert (await client.get(f"/api/v1/conversations/{conversation['id']}/turns")).status_code == 200
    answer = await client.get("/api/v1/conversations")
    assert code_of(answer) == (403, "insufficient_scope")
    assert answer.json()["scope"] == "read"
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read"'


@pytest.mark.parametrize("scopes", [[], ["everything"], "chat", [1], None])
async def test_scopes_that_are_none_are_refused(service: RunningService, scopes: object) -> None:
    person = await service.person()
    answer = await person.client.post(f"{AUTH}/tokens", json={"name": "x", "scopes": scopes})
    assert code_of(answer) == (422, "invalid_request")
    assert (await person.client.get(f"{AUTH}/tokens")).json()["items"] == []


async def test_a_token_says_what_it_may_and_until_when(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    ends_at = clock() + timedelta(hours=1)
    client = bearer(service, await new_token(person, scopes=["import"], expires_at=ends_at.isoformat()))
    own = (await client.get(f"{AUTH}/token")).json()
    assert own["scopes"] == ["import"]
    assert datetime.fromisoformat(own["expires_at"]) == ends_at
    assert code_of(await person.client.get(f"{AUTH}/token")) == (404, "not_found")


async def test_only_an_administrator_makes_a_token_for_administration(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    body = {"name": "x", "scopes": ["admin"]}
    assert code_of(await person.client.post(f"{AUTH}/tokens", json=body)) == (403, "forbidden")
    token = (await administrator.client.post(f"{AUTH}/tokens", json=body)).json()["token"]
    assert (await bearer(service, token).get("/api/v1/admin/users")).status_code == 200


async def test_a_token_for_administration_is_worth_nothing_once_its_owner_is_no_administrator(
    service: RunningService,
) -> None:
    person, administrator = await service.person(), await service.administrator()
    path = f"/api/v1/admin/users/{person.id}"
    await administrator.client.patch(path, json={"role": "admin"})
    client = bearer(service, await person.token("admin"))
    assert (await client.get("/api/v1/admin/users")).status_code == 200
    await administrator.client.patch(path, json={"role": "user"})
    assert code_of(await client.get("/api/v1/admin/users")) == (403, "forbidden")


async def test_a_token_makes_none_that_may_do_more_than_itself(service: RunningService) -> None:
    administrator = await service.administrator()
    client = bearer(service, await administrator.token("account", "read"))
    for scopes, missing in ((["admin"], "admin"), (["read", "import", "chat"], "chat import"), (None, "chat")):
        answer = await client.post(f"{AUTH}/tokens", json={"name": "wider"} | ({"scopes": scopes} if scopes else {}))
        assert code_of(answer) == (403, "insufficient_scope")
        assert answer.json()["scope"] == missing
    narrower = await client.post(f"{AUTH}/tokens", json={"name": "narrower", "scopes": ["read"]})
    assert narrower.status_code == 201
    again = bearer(service, narrower.json()["token"])
    assert code_of(await again.post(f"{AUTH}/tokens", json={"name": "x", "scopes": ["read"]}))[0] == 403


async def test_a_token_makes_none_that_lasts_longer_than_itself(service: RunningService, clock: MovableClock) -> None:
    person, ends_at = await service.person(), clock() + timedelta(hours=1)
    client = bearer(service, await new_token(person, expires_at=ends_at.isoformat()))
    later = {"name": "x", "expires_at": (ends_at + timedelta(seconds=1)).isoformat()}
    assert code_of(await client.post(f"{AUTH}/tokens", json=later)) == (422, "invalid_request")
    made = (await client.post(f"{AUTH}/tokens", json={"name": "x"})).json()
    assert datetime.fromisoformat(made["expires_at"]) == ends_at


async def test_no_narrow_token_gets_itself_a_session(service: RunningService) -> None:
    """By its password's change, a renewed cookie or a page: a cookie would open everything."""
    person = await service.person()
    renew = "UPDATE login_sessions SET renew = true WHERE user_id = cast(:id AS uuid)"
    await change(service.database, renew, id=person.id)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    for scopes in (["chat"], ["read"], ["import"]):
        client = bearer(service, await new_token(person, scopes=scopes))
        answers = [
            await client.post(f"{AUTH}/password", json=body),
            await client.patch(f"{AUTH}/me", json={"email": "mine@example.org"}),
            await client.get("/"),
            await client.get("/account"),
            await client.get("/console"),
            await client.post("/clear_context"),
            await client.get("/v1/models"),
        ]
        assert [each.status_code for each in answers[:5]] == [403] * 5
        assert not any("set-cookie" in each.headers for each in answers)
    # One that may change the password gets no session by it, and ends.
    client = bearer(service, await new_token(person, scopes=["account"]))
    answer = await client.post(f"{AUTH}/password", json=body)
    assert (answer.status_code, "set-cookie" in answer.headers) == (204, False)
    assert (await client.get(f"{AUTH}/me")).status_code == 401


async def test_a_token_from_before_scopes_keeps_what_it_could_do(service: RunningService) -> None:
    administrator = await service.administrator()
    secret = "ck_made before scopes"
    # As a process of the release before makes one, which knows no such column.
    await change(
        service.database,
        "INSERT INTO access_tokens (digest, id, user_id, name, created_at)"
        " VALUES (sha256(cast(:secret AS bytea)), gen_random_uuid(), cast(:id AS uuid), 'old', now())",
        secret=secret.encode(),
        id=administrator.id,
    )
    client = bearer(service, secret)
    for path in ("/api/v1/auth/me", "/api/v1/conversations", "/api/v1/admin/users", "/v1/models", "/account"):
        assert (await client.get(path)).status_code == 200, path
    (old,) = [each for each in (await client.get(f"{AUTH}/tokens")).json()["items"] if each["name"] == "old"]
    assert old["scopes"] == ["chat", "read", "import", "account", "admin"]


async def test_a_scope_of_a_later_release_opens_nothing(service: RunningService) -> None:
    person = await service.person()
    token = await new_token(person, scopes=["read"])
    later = "UPDATE access_tokens SET scopes = '{read,teleport}' WHERE user_id = cast(:id AS uuid)"
    await change(service.database, later, id=person.id)
    client = bearer(service, token)
    assert (await client.get(f"{AUTH}/token")).json()["scopes"] == ["read"]
    assert (await client.get(f"{AUTH}/me")).status_code == 403


async def test_the_audit_trail_tells_what_a_token_may_do(service: RunningService, clock: MovableClock) -> None:
    person, administrator = await service.person(), await service.administrator()
    ends_at = clock() + timedelta(days=30)
    await new_token(person, scopes=["read", "chat"], expires_at=ends_at.isoformat())
    params = {"action": "token_created", "subject_id": person.id}
    (event,) = (await administrator.client.get("/api/v1/admin/audit", params=params)).json()["items"]
    assert event["details"]["scopes"] == ["chat", "read"]
    assert datetime.fromisoformat(event["details"]["expires_at"]) == ends_at


async def test_a_scope_costs_no_round_trip(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await service.person()
    client = bearer(service, await new_token(person, scopes=["read"]))
    await client.get("/api/v1/conversations")  # marks the token as used
    asked: list[str] = []

    def counted(name: str, given: Any) -> Any:
        def ask(*arguments: Any, **named: Any) -> Any:
            asked.append(name)
            return given(*arguments, **named)

        return ask

    for name in ("row", "rows", "execute", "transaction", "read_only"):
        monkeypatch.setattr(Database, name, counted(name, getattr(Database, name)))
    assert (await client.get(f"{AUTH}/token")).status_code == 200
    assert (await client.get(f"{AUTH}/me")).status_code == 403
    assert [each for each in asked if each != "rows"] == ["row", "row"]  # and what looks after open streams
