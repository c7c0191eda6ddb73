import asyncio
from functools import partial

import httpx2
import pytest
from passlib.hash import pbkdf2_sha256

from chatkeep.accounts.sign_in import set_password
from chatkeep.errors import NotFound, WeakPassword
from tests.accounts.client import (
    AUTH,
    NEW_PASSWORD,
    another_browser,
    change,
    code_of,
    during,
    log_in,
    new_token,
    session_of,
    set_cookies,
    status_of_me,
    value,
)
from tests.support.running_service import PASSWORD, RunningService

SESSIONS = "SELECT count(*) FROM login_sessions WHERE user_id = cast(:id AS uuid)"
TOKENS = "SELECT count(*) FROM access_tokens WHERE user_id = cast(:id AS uuid)"


async def change_password(
    client: httpx2.AsyncClient, current: str = PASSWORD, new: str = NEW_PASSWORD
) -> httpx2.Response:
    return await client.post(f"{AUTH}/password", json={"current_password": current, "new_password": new})


async def test_a_changed_password_ends_every_other_session_and_every_token(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    other, token, old = await another_browser(service, person), await new_token(person), session_of(person.client)
    answer = await change_password(person.client)
    assert answer.status_code == 204
    assert session_of(person.client) != old
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    assert await status_of_me(service, cookie=old) == 401
    assert (await other.get(f"{AUTH}/me")).status_code == 401
    assert await status_of_me(service, token=token) == 401
    assert code_of(await log_in(service.client(), person.username)) == (401, "invalid_credentials")
    assert (await log_in(service.client(), person.username, NEW_PASSWORD)).status_code == 200
    assert (await stranger.client.get(f"{AUTH}/me")).status_code == 200


@pytest.mark.parametrize("remember", [True, False])
async def test_the_new_cookie_lasts_as_the_old_one_did(service: RunningService, remember: bool) -> None:
    person = await service.person()
    browser = await another_browser(service, person, remember=remember)
    assert ("max-age" in set_cookies(await change_password(browser))["sid"].attributes) == remember


async def test_a_token_may_change_the_password_and_ends_with_it(service: RunningService) -> None:
    person = await service.person()
    token = await new_token(person)
    answer = await change_password(service.client(headers={"Authorization": f"Bearer {token}"}))
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert await status_of_me(service, token=token) == 401
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401


@pytest.mark.parametrize(
    ("current", "new", "expected"),
    [
        ("a wrong password", NEW_PASSWORD, (401, "invalid_credentials")),
        ("", NEW_PASSWORD, (401, "invalid_credentials")),
        (PASSWORD, "short", (422, "weak_password")),
        (PASSWORD, "password123", (422, "weak_password")),
        (PASSWORD, "x" * 129, (422, "weak_password")),
        (PASSWORD, "nul\x00in the middle", (422, "invalid_text")),
        ("a wrong password", "short", (401, "invalid_credentials")),
    ],
)
async def test_a_refused_change_changes_nothing(
    service: RunningService, current: str, new: str, expected: tuple[int, str]
) -> None:
    person = await service.person()
    token = await new_token(person)
    answer = await change_password(person.client, current, new)
    assert code_of(answer) == expected
    assert "set-cookie" not in answer.headers
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    assert await status_of_me(service, token=token) == 200
    assert (await log_in(service.client(), person.username)).status_code == 200


async def test_a_legacy_hash_is_good_for_a_change(service: RunningService) -> None:
    person = await service.person()
    statement = "UPDATE users SET password_hash = :hash WHERE id = cast(:id AS uuid)"
    await change(service.database, statement, hash=pbkdf2_sha256.using(rounds=1000).hash(PASSWORD), id=person.id)
    answers = await asyncio.gather(change_password(person.client), log_in(service.client(), person.username))
    assert answers[0].status_code == 204
    assert (await log_in(service.client(), person.username, NEW_PASSWORD)).status_code == 200


async def test_a_sign_in_with_the_old_password_never_survives_the_change(service: RunningService) -> None:
    for _ in range(6):
        person = await service.person()
        clients = [service.client() for _ in range(4)]
        answer, others = await during(
            change_password(person.client), *(partial(log_in, client, person.username) for client in clients)
        )
        assert answer.status_code == 204
        assert {each.status_code for each in others} <= {200, 401}
        assert [(await client.get(f"{AUTH}/me")).status_code for client in clients] == [401] * 4
        assert await value(service.database, SESSIONS, id=person.id) == 1


async def test_no_token_is_made_past_the_change_by_a_request_under_way(service: RunningService) -> None:
    for _ in range(6):
        person = await service.person()
        thief = await another_browser(service, person)
        token = service.client(headers={"Authorization": f"Bearer {await new_token(person)}"})
        answer, others = await during(
            change_password(person.client),
            *([partial(maker.post, f"{AUTH}/tokens", json={"name": "thief's"}) for maker in (thief, token)] * 3),
        )
        assert answer.status_code == 204
        assert {each.status_code for each in others} <= {201, 401}
        assert 201 in {each.status_code for each in others}
        assert await value(service.database, TOKENS, id=person.id) == 0


async def test_no_session_is_renewed_past_the_change(service: RunningService) -> None:
    for _ in range(6):
        person = await service.person()
        thief = await another_browser(service, person)

        async def asked_to_renew() -> httpx2.Response:
            statement = "UPDATE login_sessions SET renew = true WHERE user_id = cast(:id AS uuid)"
            await change(service.database, statement, id=person.id)  # noqa: B023
            return await thief.get(f"{AUTH}/me")  # noqa: B023

        answer, others = await during(change_password(person.client), *[asked_to_renew] * 3)
        assert answer.status_code == 204
        assert {each.status_code for each in others} <= {200, 401}
        assert (await person.client.get(f"{AUTH}/me")).status_code == 200
        assert (await thief.get(f"{AUTH}/me")).status_code == 401


async def test_of_two_changes_at_once_one_wins(service: RunningService) -> None:
    person = await service.person()
    other = await another_browser(service, person)
    answers = await asyncio.gather(
        change_password(person.client, new="the first new password"),
        change_password(other, new="the second one of them"),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    works = [
        (await log_in(service.client(), person.username, password)).status_code
        for password in ("the first new password", "the second one of them")
    ]
    assert sorted(works) == [200, 401]


async def test_an_operator_sets_a_password_and_everything_ends(service: RunningService) -> None:
    person = await service.person()
    token = await new_token(person)
    accounts = service.app.state.accounts
    with pytest.raises(WeakPassword):
        await set_password(accounts.database, accounts.hasher, service.audit, person.username, "password")
    with pytest.raises(NotFound):
        await set_password(accounts.database, accounts.hasher, service.audit, "nobody-here", NEW_PASSWORD)
    await set_password(accounts.database, accounts.hasher, service.audit, person.username.upper(), NEW_PASSWORD)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401
    assert await status_of_me(service, token=token) == 401
    assert (await log_in(service.client(), person.username, NEW_PASSWORD)).status_code == 200
