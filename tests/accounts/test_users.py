import asyncio
from functools import partial
from uuid import UUID

import httpx2
import pytest

from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.users import create_first_administrator
from chatkeep.clock import utc_now
from chatkeep.errors import ConfigurationError
from tests.accounts.client import (
    AUTH,
    another_browser,
    change,
    code_of,
    during,
    log_in,
    new_token,
    rows,
    session_of,
    status_of_me,
    value,
)
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, Person, RunningService, running

ADMINISTRATORS = "SELECT count(*) FROM users WHERE role = 'admin' AND NOT disabled"


async def patch(asker: Person, user_id: str, **changes: object) -> httpx2.Response:
    return await asker.client.patch(f"/api/v1/admin/users/{user_id}", json=changes)


async def second_administrator(service: RunningService, first: Person) -> Person:
    person = await service.person()
    assert (await patch(first, person.id, role="admin")).status_code == 200
    return person


async def test_a_new_role_counts_from_the_next_request(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    assert code_of(await person.client.get("/api/v1/admin/users")) == (403, "forbidden")
    await patch(administrator, person.id, role="admin")
    token = await new_token(person, scopes=["admin"])
    assert (await person.client.get("/api/v1/admin/users")).status_code == 200
    await patch(administrator, person.id, role="user")
    assert code_of(await person.client.get("/api/v1/admin/users")) == (403, "forbidden")
    answer = await service.client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/admin/users")
    assert code_of(answer) == (403, "forbidden")


async def test_the_same_role_again_leaves_the_cookie_alone(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    assert (await patch(administrator, person.id, role="user", disabled=False)).status_code == 200
    answer = await person.client.get(f"{AUTH}/me")
    assert "set-cookie" not in answer.headers


async def test_a_disabled_user_is_out_on_the_next_request_everywhere(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    other, token = await another_browser(service, person), await new_token(person)
    assert (await patch(administrator, person.id, disabled=True)).status_code == 200
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401
    assert (await other.get("/api/v1/conversations")).status_code == 401
    assert await status_of_me(service, token=token) == 401
    assert code_of(await log_in(service.client(), person.username)) == (401, "invalid_credentials")
    # Back again, the user signs in again: the sessions of before do not come back.
    await patch(administrator, person.id, disabled=False)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401
    assert (await log_in(service.client(), person.username)).status_code == 200


async def test_a_sign_in_never_survives_being_disabled_meanwhile(service: RunningService) -> None:
    administrator = await service.administrator()
    for _ in range(6):
        person = await service.person()
        clients = [service.client() for _ in range(4)]

        async def disabled_amid() -> httpx2.Response:
            await asyncio.sleep(0.05)
            return await patch(administrator, person.id, disabled=True)  # noqa: B023

        sign_ins = [partial(log_in, client, person.username) for client in clients]
        answer, others = await during(disabled_amid(), *sign_ins)
        assert answer.status_code == 200
        assert {each.status_code for each in others} <= {200, 401}
        assert [(await client.get(f"{AUTH}/me")).status_code for client in clients] == [401] * 4
        count = "SELECT count(*) FROM login_sessions WHERE user_id = cast(:id AS uuid)"
        assert await value(service.database, count, id=person.id) == 0


async def test_revoking_signs_a_user_out_everywhere(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    other = await another_browser(service, person)
    answer = await administrator.client.post(f"/api/v1/admin/users/{person.id}/sessions/revoke")
    assert answer.status_code == 204
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401
    assert (await other.get(f"{AUTH}/me")).status_code == 401


@pytest.mark.parametrize("changes", [{"role": "user"}, {"disabled": True}, {"role": "user", "disabled": True}, None])
async def test_the_last_administrator_stays_one(service: RunningService, changes: dict[str, object] | None) -> None:
    administrator, person = await service.administrator(), await service.person()
    # One who is disabled lets nobody in.
    statement = "UPDATE users SET role = 'admin', disabled = true WHERE id = cast(:id AS uuid)"
    await change(service.database, statement, id=person.id)
    if changes is None:
        answer = await administrator.client.delete(f"/api/v1/admin/users/{administrator.id}")
    else:
        answer = await patch(administrator, administrator.id, **changes)
    assert code_of(answer) == (409, "last_administrator")
    assert (await administrator.client.get("/api/v1/admin/users")).status_code == 200


async def test_an_administrator_may_go_when_there_is_another(service: RunningService) -> None:
    first = await service.administrator()
    for leave in ("demote", "disable", "delete"):
        second = await second_administrator(service, first)
        if leave == "delete":
            answer = await second.client.request("DELETE", f"{AUTH}/me", json={"password": PASSWORD})
            assert answer.status_code == 204
        else:
            changes = {"role": "user"} if leave == "demote" else {"disabled": True}
            assert (await patch(second, second.id, **changes)).status_code == 200
    assert await value(service.database, ADMINISTRATORS) == 1


@pytest.mark.parametrize("how", ["demote", "disable", "delete"])
async def test_two_administrators_cannot_remove_each_other_at_once(service: RunningService, how: str) -> None:
    for _ in range(6):
        first = await _any_administrator(service)
        second = await second_administrator(service, first)
        await asyncio.gather(first.client.get(f"{AUTH}/me"), second.client.get(f"{AUTH}/me"))
        answers = await asyncio.gather(_remove(first, second, how), _remove(second, first, how))
        assert {answer.status_code for answer in answers} <= {200, 204, 401, 403, 404, 409}, [a.text for a in answers]
        assert sum(answer.status_code in (200, 204) for answer in answers) == 1
        assert await value(service.database, ADMINISTRATORS) == 1


async def test_administrators_who_all_leave_at_once_leave_one_behind(service: RunningService) -> None:
    for _ in range(4):
        first = await _any_administrator(service)
        leaving = [first, *[await second_administrator(service, first) for _ in range(3)]]
        answers = await asyncio.gather(
            *(person.client.request("DELETE", f"{AUTH}/me", json={"password": PASSWORD}) for person in leaving)
        )
        assert sorted(answer.status_code for answer in answers) == [204, 204, 204, 409]
        assert await value(service.database, ADMINISTRATORS) == 1


async def test_the_first_administrator_is_made_once_by_services_that_start_together(database_url: str) -> None:
    async with running(database_url, admin_password=None) as service:
        hasher = PasswordHasher(memory_kib=8, passes=1)
        made = await asyncio.gather(
            *(
                create_first_administrator(service.database, hasher, utc_now, service.audit, name, ADMIN_PASSWORD)
                for name in ("root", "root", "boss", "chief")
            )
        )
        hasher.close()
        assert sorted(made) == [False, False, False, True]
        assert await value(service.database, ADMINISTRATORS) == 1


async def test_the_first_administrator_needs_a_good_password_and_a_free_name(database_url: str) -> None:
    async with running(database_url, admin_password=None) as service:
        await service.person("somebody")
        hasher = PasswordHasher(memory_kib=8, passes=1)
        with pytest.raises(ConfigurationError, match="CHATKEEP_ADMIN_PASSWORD: "):
            await create_first_administrator(service.database, hasher, utc_now, service.audit, "admin", "password")
        with pytest.raises(ConfigurationError, match="CHATKEEP_ADMIN_USERNAME: "):
            await create_first_administrator(service.database, hasher, utc_now, service.audit, "a b", ADMIN_PASSWORD)
        with pytest.raises(ConfigurationError):
            await create_first_administrator(
                service.database, hasher, utc_now, service.audit, "SOMEBODY", ADMIN_PASSWORD
            )
        hasher.close()
        assert await value(service.database, ADMINISTRATORS) == 0


async def test_a_configured_password_does_not_change_an_administrator_who_is_there(database_url: str) -> None:
    async with running(database_url) as service:
        administrator = await service.administrator()
        cookie = session_of(administrator.client)
    async with running(database_url, admin_password="quite another long password") as service:
        assert await status_of_me(service, cookie=cookie) == 200
        assert (await log_in(service.client(), "admin", "quite another long password")).status_code == 401
        assert (await log_in(service.client(), "admin", ADMIN_PASSWORD)).status_code == 200


async def _any_administrator(service: RunningService) -> Person:
    """Sign in as whoever is left; everybody but the first has the tests' password."""
    ((username, user_id),) = await rows(
        service.database, "SELECT username, id FROM users WHERE role = 'admin' AND NOT disabled"
    )
    await change(
        service.database,
        "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = :donor) WHERE id = :id",
        donor=UUID((await service.person()).id),
        id=user_id,
    )
    client = service.client()
    assert (await log_in(client, username)).status_code == 200
    return Person(client, str(user_id), username)


async def _remove(asker: Person, target: Person, how: str) -> httpx2.Response:
    if how == "delete":
        return await asker.client.delete(f"/api/v1/admin/users/{target.id}")
    return await patch(asker, target.id, **({"role": "user"} if how == "demote" else {"disabled": True}))
