import asyncio
import json
from typing import Any

import pytest
from passlib.context import CryptContext

from tests.accounts.client import (
    AUTH,
    another_browser,
    change,
    code_of,
    log_in,
    rows,
    session_of,
    set_cookies,
    status_of_me,
    value,
)
from tests.support.running_service import PASSWORD, RunningService, running

FIRST_KEY = "the first key of these tests 0123456789"
SECOND_KEY = "the second key of these tests 9876543210"


async def test_signing_in_answers_with_the_user(service: RunningService) -> None:
    person = await service.person()
    answer = await log_in(service.client(), person.username)
    assert answer.status_code == 200
    assert answer.json() == (await person.client.get(f"{AUTH}/me")).json()
    assert answer.headers["cache-control"] == "no-store"


async def test_the_cookie_ends_with_the_browser_and_is_out_of_reach_of_scripts(service: RunningService) -> None:
    person = await service.person()
    cookie = set_cookies(await log_in(service.client(), person.username))["sid"]
    assert cookie.attributes == {"path": "/", "httponly": "", "samesite": "Lax"}


async def test_the_cookie_is_for_https_alone_by_default(database_url: str) -> None:
    async with running(database_url, cookie_secure=True) as service:
        answer = await service.client().post(f"{AUTH}/register", json={"username": "safe", "password": PASSWORD})
        for cookie in set_cookies(answer).values():
            assert {"secure", "httponly", "path", "samesite"} <= cookie.attributes.keys()
            assert "domain" not in cookie.attributes


async def test_remember_keeps_the_cookie_as_long_as_the_session_can_last(service: RunningService) -> None:
    person = await service.person()
    cookie = set_cookies(await log_in(service.client(), person.username, remember=True))["sid"]
    assert cookie.attributes["max-age"] == str(service.app.state.settings.session_max_seconds)
    cookie = set_cookies(await log_in(service.client(), person.username, remember=False))["sid"]
    assert "max-age" not in cookie.attributes


async def test_nothing_stays_behind_on_a_browser_that_is_not_to_remember(service: RunningService) -> None:
    person, browser = await service.person(), service.client()
    answer = await log_in(browser, person.username)
    assert all("max-age" not in cookie.attributes for cookie in set_cookies(answer).values())
    mark = browser.cookies["sid_device"]
    again = set_cookies(await log_in(browser, person.username, remember=True))
    assert again["sid_device"].value == mark
    assert "max-age" in again["sid_device"].attributes
    assert "sid_device" not in set_cookies(await log_in(browser, person.username))


async def test_remember_takes_true_or_false_alone(service: RunningService) -> None:
    person = await service.person()
    assert code_of(await log_in(service.client(), person.username, remember="yes")) == (422, "invalid_request")


async def test_the_database_holds_a_digest_and_not_the_secret(service: RunningService) -> None:
    person = await service.person()
    secret = session_of(person.client).partition(".")[0]
    assert len(secret) == 43  # 256 bits
    kept = await rows(
        service.database, "SELECT s::text FROM login_sessions s WHERE user_id = cast(:id AS uuid)", id=person.id
    )
    assert len(kept) == 1
    assert secret not in str(kept)
    assert secret.encode().hex() not in str(kept)


async def test_an_unknown_name_and_a_wrong_password_are_one_answer_after_the_same_work(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, nobody = await service.person(), "nobody-of-that-name"
    guest = await service.person()
    await change(service.database, "UPDATE users SET password_hash = NULL WHERE id = cast(:id AS uuid)", id=guest.id)
    verified: list[str] = []
    verify = CryptContext.verify

    def counted(context: Any, secret: Any, password_hash: Any, *args: Any, **named: Any) -> Any:
        verified.append(str(password_hash).rpartition("$")[0].rpartition("$")[0])
        return verify(context, secret, password_hash, *args, **named)

    monkeypatch.setattr(CryptContext, "verify", counted)
    answers, work = [], []
    for name in (person.username, nobody, guest.username, "no such name, nor could there be"):
        verified.clear()
        answers.append(await log_in(service.client(), name, "a wrong password"))
        work.append(list(verified))
    assert len({answer.content for answer in answers}) == 1
    assert code_of(answers[0]) == (401, "invalid_credentials")
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert work == [["$argon2id$v=19$m=19456,t=2,p=1"]] * 4


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
@pytest.mark.parametrize("field", ["username", "password"])
async def test_text_that_cannot_be_kept_is_invalid_text(service: RunningService, field: str, text: str) -> None:
    body = json.dumps({"username": "nobody", "password": PASSWORD} | {field: text})
    answer = await service.client().post(f"{AUTH}/login", content=body, headers={"Content-Type": "application/json"})
    assert code_of(answer) == (422, "invalid_text")


async def test_each_sign_in_has_a_session_of_its_own(service: RunningService) -> None:
    person = await service.person()
    sessions = {session_of(person.client)}
    for _ in range(3):
        sessions.add(session_of(await another_browser(service, person)))
    assert len(sessions) == 4
    for cookie in sessions:
        assert await status_of_me(service, cookie=cookie) == 200


async def test_signing_in_again_gives_a_new_id_and_ends_the_session_before(service: RunningService) -> None:
    person = await service.person()
    old = session_of(person.client)
    assert (await log_in(person.client, person.username)).status_code == 200
    assert session_of(person.client) != old
    assert await status_of_me(service, cookie=old) == 401


async def test_a_planted_cookie_is_worth_nothing(service: RunningService) -> None:
    attacker, victim = await service.person(), await service.person()
    planted = session_of(attacker.client)
    browser = service.client(cookies={"sid": planted})
    answer = await log_in(browser, victim.username)
    given = set_cookies(answer)["sid"].value
    assert given != planted
    # The attacker's copy is signed in as nobody, neither as the victim nor as before.
    assert await status_of_me(service, cookie=planted) == 401
    assert (await service.client().get(f"{AUTH}/me", headers={"Cookie": f"sid={given}"})).json()["id"] == victim.id


async def test_a_refused_sign_in_leaves_the_session_as_it_was(service: RunningService) -> None:
    person = await service.person()
    answer = await log_in(person.client, person.username, "a wrong password")
    assert answer.status_code == 401
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200


async def test_signing_out_kills_every_copy_of_the_cookie(service: RunningService) -> None:
    person = await service.person()
    other, copy = await another_browser(service, person), session_of(person.client)
    answer = await person.client.post(f"{AUTH}/logout")
    assert answer.status_code == 204
    assert set_cookies(answer)["sid"].attributes["max-age"] == "0"
    assert await status_of_me(service, cookie=copy) == 401
    assert (await other.get(f"{AUTH}/me")).status_code == 200
    assert (
        await value(
            service.database, "SELECT count(*) FROM login_sessions WHERE user_id = cast(:id AS uuid)", id=person.id
        )
        == 1
    )


async def test_signing_out_without_a_session_is_no_error(service: RunningService) -> None:
    answer = await service.client().post(f"{AUTH}/logout")
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    person = await service.person()
    ended = session_of(person.client)
    await person.client.post(f"{AUTH}/logout")
    answer = await service.client(cookies={"sid": ended}).post(f"{AUTH}/logout")
    assert answer.status_code == 204
    assert set_cookies(answer)["sid"].attributes["max-age"] == "0"
    # Not one of ours: another application of the host may need it.
    answer = await service.client(cookies={"sid": "garbage"}).post(f"{AUTH}/logout")
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers


async def test_a_disabled_user_cannot_sign_in_and_learns_no_more_than_a_stranger(service: RunningService) -> None:
    person = await service.person()
    wrong = await log_in(service.client(), person.username, "a wrong password")
    await change(service.database, "UPDATE users SET disabled = true WHERE id = cast(:id AS uuid)", id=person.id)
    answer = await log_in(service.client(), person.username)
    assert code_of(answer) == (401, "invalid_credentials")
    assert answer.content == wrong.content
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401


async def test_nobody_signed_in_is_not_authenticated(service: RunningService) -> None:
    calls = [
        ("GET", "me", None),
        ("PATCH", "me", {}),
        ("DELETE", "me", {"password": PASSWORD}),
        ("POST", "password", {"current_password": PASSWORD, "new_password": PASSWORD}),
        ("GET", "sessions", None),
        ("DELETE", "sessions", None),
        ("DELETE", "sessions/01890a5d-ac96-774b-bcce-b302099a8057", None),
        ("GET", "tokens", None),
        ("POST", "tokens", {"name": "x"}),
        ("DELETE", "tokens/01890a5d-ac96-774b-bcce-b302099a8057", None),
    ]
    for method, path, body in calls:
        answer = await service.client().request(method, f"{AUTH}/{path}", json=body)
        assert code_of(answer) == (401, "not_authenticated"), (method, path)
        assert "set-cookie" not in answer.headers


GARBAGE = [
    b"",
    b"sid",
    b"sid=",
    b"sid=abc",
    b"sid=a.b",
    b"sid=a.b.c",
    b"sid=.",
    b"sid=..",
    b'sid="',
    b'sid="a.b"',
    b'sid="\\101\\',
    b"sid=\xe9\xff\x80.\xfe",
    b"sid=%00.%FF",
    b"sid=" + b"x" * 8192,
    b"sid=" + b"." * 8192,
    b"sid=a.b; sid=c.d; sid",
    b"; ; =; ==;sid=;;",
    b"sid=a.b; sid_device=a.b; sid_device=\xff",
    b"sid_device=" + b"y" * 8192,
    b"sid=" + "日本".encode(),
    b"sid={}; sid=[]; sid=null",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_in_the_cookie_is_never_an_error(service: RunningService, garbage: bytes) -> None:
    person = await service.person()
    client, headers = service.client(), [(b"Cookie", garbage)]
    assert (await client.get("/healthz", headers=headers)).status_code == 200
    assert code_of(await client.get(f"{AUTH}/me", headers=headers)) == (401, "not_authenticated")
    assert (await client.post(f"{AUTH}/logout", headers=headers)).status_code == 204
    answer = await client.post(
        f"{AUTH}/login", json={"username": person.username, "password": PASSWORD}, headers=headers
    )
    assert answer.status_code == 200
    # Under a name of its own where the garbage may be another application's.
    (session,) = (each.value for name, each in set_cookies(answer).items() if "device" not in name)
    assert await status_of_me(service, cookie=session) == 200


async def test_a_cookie_changed_in_any_character_is_nobodys(service: RunningService) -> None:
    person = await service.person()
    cookie = session_of(person.client)
    for place in range(0, len(cookie) - 1, 7):
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert await status_of_me(service, cookie=changed) == 401


async def test_a_visitor_with_nothing_to_keep_gets_no_row_and_no_cookie(service: RunningService) -> None:
    count = "SELECT count(*) FROM login_sessions"
    before = await value(service.database, count)
    for path in ("/healthz", f"{AUTH}/me", "/api/v1/openapi.json", "/nowhere"):
        for headers in ({}, {"Cookie": "sid=made.up"}):
            answer = await service.client().get(path, headers=headers)
            assert "set-cookie" not in answer.headers
    assert await value(service.database, count) == before


async def test_a_key_can_be_retired_slowly(database_url: str) -> None:
    async with running(database_url, secret_key=FIRST_KEY) as service:
        person = await service.person("rotating")
        old = session_of(person.client)
    async with running(database_url, secret_key=f"{FIRST_KEY},{SECOND_KEY}") as service:
        assert await status_of_me(service, cookie=old) == 200
        client = service.client()
        await log_in(client, "rotating")
        new = session_of(client)
    async with running(database_url, secret_key=SECOND_KEY) as service:
        assert await status_of_me(service, cookie=old) == 401
        assert await status_of_me(service, cookie=new) == 200


LEGACY = {
    "bcrypt": CryptContext(["bcrypt"], bcrypt__rounds=4),
    "pbkdf2": CryptContext(["pbkdf2_sha256"], pbkdf2_sha256__rounds=1000),
    "scrypt": CryptContext(["scrypt"], scrypt__rounds=8),
    "weak argon2": CryptContext(["argon2"], argon2__type="ID", argon2__memory_cost=1024, argon2__time_cost=1),
}


@pytest.mark.parametrize("kind", LEGACY)
async def test_hashes_from_elsewhere_sign_in_and_are_brought_up_to_date(service: RunningService, kind: str) -> None:
    person = await service.person()
    await _set_hash(service, person.id, LEGACY[kind].hash(PASSWORD))
    kept = await _hash_of(service, person.id)
    assert (await log_in(service.client(), person.username, "a wrong password")).status_code == 401
    assert await _hash_of(service, person.id) == kept
    assert (await log_in(service.client(), person.username)).status_code == 200
    upgraded = await _hash_of(service, person.id)
    assert upgraded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await log_in(service.client(), person.username)).status_code == 200
    assert await _hash_of(service, person.id) == upgraded


async def test_many_sign_ins_at_once_on_a_hash_from_elsewhere_all_work(service: RunningService) -> None:
    person = await service.person()
    for _ in range(3):
        await _set_hash(service, person.id, LEGACY["pbkdf2"].hash(PASSWORD))
        answers = await asyncio.gather(*(log_in(service.client(), person.username) for _ in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.parametrize("damaged", ["", "$argon2id$v=19$m=19456,t=2,p=1", "$2b$12$short", "$scrypt$=n", "plain", "é"])
async def test_a_damaged_hash_fits_no_password(service: RunningService, damaged: str) -> None:
    person = await service.person()
    await _set_hash(service, person.id, damaged)
    for password in (PASSWORD, damaged or "x"):
        answer = await log_in(service.client(), person.username, password)
        assert code_of(answer) == (401, "invalid_credentials")


async def _set_hash(service: RunningService, user_id: str, password_hash: str) -> None:
    statement = "UPDATE users SET password_hash = :hash WHERE id = cast(:id AS uuid)"
    await change(service.database, statement, hash=password_hash, id=user_id)


async def _hash_of(service: RunningService, user_id: str) -> str:
    query = "SELECT password_hash FROM users WHERE id = cast(:id AS uuid)"
    return str(await value(service.database, query, id=user_id))
