"""What came through `/v1` is a turn like any other: on the page, in search, exports, audit and figures."""

from collections.abc import AsyncIterator

import pytest

from chatkeep.app.maintenance import count
from tests.accounts.client import change
from tests.openai.clients import ApiUser, api_user
from tests.support.models import HeldModel
from tests.support.running_service import PASSWORD, RunningService, running

ASKED, SAID = "quincunx", "Answered with a zeugma"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[RunningService]:
    async with running(database_url, model=HeldModel(SAID), retention_days={"user": 30}) as service:
        yield service


@pytest.fixture
async def user(service: RunningService) -> ApiUser:
    """A user with one turn by each way."""
    user = await api_user(service)
    await user.openai.responses.create(model="m", input=f"{ASKED} by a response")
    messages = [{"role": "user", "content": f"{ASKED} by a completion"}]
    await user.openai.chat.completions.create(model="held", messages=messages)
    await user.openai.conversations.create(items=[{"role": "user", "content": f"{ASKED} by an item"}])
    return user


async def rows(service: RunningService, table: str) -> int:
    async with service.database.transaction() as connection:
        return (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one()


async def test_it_is_found_exported_read_on_record_and_counted(service: RunningService, user: ApiUser) -> None:
    client = user.person.client
    found = (await client.get("/api/v1/search", params={"q": ASKED})).json()["items"]
    assert len(found) == 3
    assert len((await client.get("/api/v1/search", params={"q": "zeugma"})).json()["items"]) == 2
    export = (await client.get("/api/v1/export")).text
    assert (export.count(f"{ASKED} by"), export.count(SAID)) == (2 * 3, 2)  # as title and as prompt
    listed = (await client.get("/api/v1/conversations")).json()["items"]
    assert {each["metadata"]["origin"] for each in listed} == {"api"}
    page = await client.get(f"/c/{listed[0]['id']}")
    assert page.status_code == 200
    administrator = await service.administrator()
    history = await administrator.client.get("/api/v1/admin/history", params={"username": user.person.username})
    assert len(history.json()["items"]) == 3
    audit = (await administrator.client.get("/api/v1/admin/audit", params={"action": "history_read"})).json()["items"]
    assert user.person.id in str(audit)
    await count(service.database)
    stats = (await administrator.client.get("/api/v1/admin/stats")).json()
    assert "'turns': 3" in str(stats) or '"turns": 3' in str(stats), stats


async def test_it_goes_when_its_time_is_over_and_with_its_user(service: RunningService, user: ApiUser) -> None:
    assert await rows(service, "api_turns") == 3
    long_ago = "UPDATE conversations SET last_turn_at = now() - interval '40 days' WHERE title LIKE '%response'"
    await change(service.database, long_ago)
    administrator = await service.administrator()
    run = await administrator.client.post("/api/v1/admin/retention/run")
    assert run.json()["deleted_turns"] == 1, run.text
    assert await rows(service, "api_turns") == 2
    gone = await user.person.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})
    assert gone.status_code == 204
    assert (await user.http.get("/v1/models")).status_code == 401
    assert (await rows(service, "api_turns"), await rows(service, "turns")) == (0, 0)
