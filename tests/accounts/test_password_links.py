"""Links that set a password: they work once and for a day, are kept as digests, and end what was signed in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from chatkeep.accounts.password_links import LINK_LIFETIME
from chatkeep.accounts.throttling import LINKS_FROM_ONE_PLACE
from tests.accounts.client import change, log_in, rows
from tests.support.running_service import PASSWORD, Person, RunningService

NEW_PASSWORD = "three quiet kettles"
LINK = "/api/v1/auth/link"


@pytest.fixture
async def administrator(service: RunningService) -> AsyncIterator[Person]:
    yield await service.administrator()
    await change(service.database, "DELETE FROM login_attempts")


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def secret_in(answer: httpx2.Response) -> str:
    address, _, secret = answer.json()["link"].partition("#")
    assert address.endswith("/set-password")
    return secret


async def reset(administrator: Person, person: Person) -> str:
    answer = await administrator.client.post(f"/api/v1/admin/users/{person.id}/reset")
    assert answer.status_code == 200, answer.text
    return secret_in(answer)


async def use(service: RunningService, secret: str, password: str = NEW_PASSWORD) -> httpx2.Response:
    return await service.client().post(f"{LINK}/password", json={"token": secret, "password": password})


async def test_an_invited_user_sets_a_password_and_is_signed_in(service: RunningService, administrator: Person) -> None:
    body = {"username": "Invited", "email": "invited@example.org", "role": "admin"}
    reason = {"X-Audit-Reason": "new colleague"}
    answer = await administrator.client.post("/api/v1/admin/users", json=body, headers=reason)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {name: made[name] for name in body} == body
    assert (await log_in(service.client(), "Invited")).status_code == 401
    secret = secret_in(answer)
    shown = await service.client().post(LINK, json={"token": secret})
    assert (shown.status_code, shown.json()["username"], shown.json()["kind"]) == (200, "Invited", "invitation")
    visitor = service.client()
    used = await visitor.post(f"{LINK}/password", json={"token": secret, "password": NEW_PASSWORD})
    assert used.status_code == 200, used.text
    assert (await visitor.get("/api/v1/auth/me")).json()["username"] == "Invited"
    assert (await log_in(service.client(), "Invited", NEW_PASSWORD)).status_code == 200
    query = {"subject_id": made["id"]}
    events = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"]
    found = [(each["action"], each["reason"], each["details"]) for each in events if "sign" not in each["action"]]
    assert found == [
        ("password_changed", None, {"by_link": True}),
        ("password_link_created", "new colleague", {"kind": "invitation"}),
        ("account_created", "new colleague", {"role": "admin"}),
    ]


async def test_a_name_that_is_taken_is_refused_and_nothing_is_made(
    service: RunningService, administrator: Person
) -> None:
    person = await service.person()
    answer = await administrator.client.post("/api/v1/admin/users", json={"username": person.username.upper()})
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
    assert await rows(service.database, "SELECT * FROM password_links") == []


async def test_a_reset_ends_every_session_and_token_once_it_is_used(
    service: RunningService, administrator: Person, person: Person
) -> None:
    token = (await person.client.post("/api/v1/auth/tokens", json={"name": "x"})).json()["token"]
    bearer = service.client(headers={"Authorization": f"Bearer {token}"})
    secret = await reset(administrator, person)
    assert (await log_in(service.client(), person.username)).status_code == 200
    assert (await person.client.get("/api/v1/auth/me")).status_code == 200
    assert (await use(service, secret)).status_code == 200
    for client in (person.client, bearer):
        assert (await client.get("/api/v1/auth/me")).status_code == 401
    assert (await log_in(service.client(), person.username)).status_code == 401
    assert (await log_in(service.client(), person.username, NEW_PASSWORD)).status_code == 200


async def test_a_link_works_once_also_for_two_at_once(
    service: RunningService, administrator: Person, person: Person
) -> None:
    secret = await reset(administrator, person)
    answers = await asyncio.gather(use(service, secret), use(service, secret, "four loud kettles"))
    assert sorted(each.status_code for each in answers) == [200, 409]
    again = await use(service, secret)
    assert (again.status_code, again.json()["code"]) == (409, "link_ended")
    assert (await service.client().post(LINK, json={"token": secret})).status_code == 409


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE password_links SET expires_at = now() - interval '1 second'",
        "UPDATE users SET disabled = true WHERE id = (SELECT user_id FROM password_links)",
    ],
)
async def test_a_link_that_is_too_old_or_of_a_disabled_user_is_one_that_never_was(
    service: RunningService, administrator: Person, person: Person, end: str
) -> None:
    await change(service.database, "DELETE FROM password_links")
    secret = await reset(administrator, person)
    await change(service.database, end)
    answers = [await use(service, each) for each in (secret, "x" * 43)]
    problems = [{name: each.json()[name] for name in ("status", "code", "detail")} for each in answers]
    assert problems[0] == problems[1]
    assert problems[0]["code"] == "link_ended"


async def test_a_newer_link_and_a_changed_password_end_a_link(
    service: RunningService, administrator: Person, person: Person
) -> None:
    first, second = await reset(administrator, person), await reset(administrator, person)
    assert (await use(service, first)).status_code == 409
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await person.client.post("/api/v1/auth/password", json=body)).status_code == 204
    assert (await use(service, second)).status_code == 409


async def test_a_weak_password_leaves_the_link(service: RunningService, administrator: Person, person: Person) -> None:
    secret = await reset(administrator, person)
    weak = await use(service, secret, "password")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert (await use(service, secret)).status_code == 200


async def test_only_a_digest_is_kept_and_the_link_ends_after_a_day(
    service: RunningService, administrator: Person, person: Person
) -> None:
    secret = await reset(administrator, person)
    ((kept, lasts),) = await rows(
        service.database,
        "SELECT password_links::text || convert_from(digest, 'LATIN1'), expires_at - created_at FROM password_links "
        f"WHERE user_id = '{person.id}'",
    )
    assert secret not in kept
    assert lasts == LINK_LIFETIME == timedelta(days=1)
    details = (await administrator.client.get(f"/api/v1/admin/users/{person.id}")).json()
    assert details["password_link"]["kind"] == "reset"
    assert secret not in str(details)


async def test_guesses_are_limited(service: RunningService, administrator: Person, person: Person) -> None:
    secret = await reset(administrator, person)
    await change(service.database, "DELETE FROM login_attempts")
    tries = [await service.client().post(LINK, json={"token": "x"}) for _ in range(LINKS_FROM_ONE_PLACE.attempts)]
    assert {each.status_code for each in tries} == {409}
    refused = await use(service, secret)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert (await log_in(service.client(), person.username)).status_code == 200


async def test_guests_get_no_link(service: RunningService, administrator: Person, person: Person) -> None:
    await change(service.database, f"UPDATE users SET is_guest = true WHERE id = '{person.id}'")
    answer = await administrator.client.post(f"/api/v1/admin/users/{person.id}/reset")
    assert (answer.status_code, answer.json()["code"]) == (409, "is_guest")
