"""The number that a deletion gives, and how the trail shows it later: by the number, by the id and by the name."""

import pytest

from tests.accounts.client import rows
from tests.support.running_service import PASSWORD, Person, RunningService

ERASURES = "/api/v1/admin/erasures"


@pytest.fixture
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def test_a_deletion_is_found_by_its_number_the_id_and_the_name(
    service: RunningService, administrator: Person, person: Person
) -> None:
    await person.say(await person.conversation(), "tea")
    answer = await administrator.client.delete(f"/api/v1/admin/users/{person.id}")
    receipt = answer.headers["Erasure-Receipt"]
    found = (await administrator.client.get(f"{ERASURES}/{receipt}")).json()
    assert (found["receipt"], found["user_id"]) == (receipt, person.id)
    assert found["deleted"] == {"conversations": 1, "turns": 1, "sessions": 1, "tokens": 0}
    for query in ({"user_id": person.id}, {"username": person.username.upper()}):
        assert (await administrator.client.get(ERASURES, params=query)).json()["items"] == [found]
    assert (await administrator.client.get(ERASURES, params={"username": "somebody else"})).json()["items"] == []
    assert (await administrator.client.get(ERASURES)).json()["items"] == []


async def test_the_trail_is_filtered_by_a_deleted_users_name_and_keeps_no_name(
    service: RunningService, administrator: Person, person: Person
) -> None:
    assert (await person.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})).status_code == 204
    query = {"subject": person.username}
    (event,) = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"]
    assert (event["action"], event["subject_id"]) == ("user_deleted", person.id)
    query = {"row": f"{event['chain']}-{event['seq']}"}
    assert (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"] == [event]
    assert [each["id"] for each in event["subjects"]] == [person.id]
    kept = str(await rows(service.database, "SELECT audit_events::text FROM audit_events"))
    assert person.username not in kept


async def test_another_act_has_no_receipt(service: RunningService, administrator: Person, person: Person) -> None:
    query = {"subject_id": person.id}
    event = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"][0]
    answer = await administrator.client.get(f"{ERASURES}/{event['chain']}-{event['seq']}")
    assert answer.status_code == 404
    for wrong in ("x", "1", "-1-1", "1-99999999999999999999"):
        assert (await administrator.client.get(f"{ERASURES}/{wrong}")).status_code == 422
