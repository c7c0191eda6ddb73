"""Statistics for administrators."""

from datetime import datetime
from typing import Any

import pytest

from chatkeep.clock import utc_now
from tests.accounts.guests import guest
from tests.http.test_bodies import code_of
from tests.support.running_service import PASSWORD, Person, RunningService, running

STATS = "/api/v1/admin/stats"


@pytest.fixture(scope="module")
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


async def stats(administrator: Person, **params: str) -> dict[str, Any]:
    answer = await administrator.client.get(STATS, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_what_was_done_is_told_and_outlives_its_history(service: RunningService, administrator: Person) -> None:
    before = (await stats(administrator))["total"]
    person = await service.person()
    conversation_id = await person.conversation()
    for _ in range(3):
        await person.say(conversation_id, "Hello")
    after = await stats(administrator)
    grown = {name: after["total"][name] - before[name] for name in ("users", "conversations", "turns", "failures")}
    assert grown == {"users": 1, "conversations": 1, "turns": 3, "failures": 0}
    assert after["total"]["turns_with_tokens"] - before["turns_with_tokens"] == 3
    assert after["total"]["output_tokens"] > before["output_tokens"]
    assert [each["model"] for each in after["total"]["models"]] == ["demonstration"]
    assert after["total"]["latency_seconds"]["p50"] > 0
    assert after["buckets"][-1]["turns"] == after["total"]["turns"]
    await person.client.delete(f"/api/v1/conversations/{conversation_id}")
    await administrator.client.delete(f"/api/v1/admin/users/{person.id}")
    assert (await stats(administrator))["total"] == after["total"]


@pytest.mark.parametrize(("bucket", "periods"), [("hour", 24), ("day", 30), ("week", 26)])
async def test_without_times_it_tells_of_the_last_while(administrator: Person, bucket: str, periods: int) -> None:
    told = await stats(administrator, bucket=bucket)
    assert len(told["buckets"]) == periods
    assert datetime.fromisoformat(told["to"]) > utc_now()


async def test_times_are_widened_to_whole_periods(administrator: Person) -> None:
    times = {"from": "2026-11-25T00:30:00+09:00", "to": "2026-11-25T12:00:01Z"}
    told = await stats(administrator, bucket="day", **times)
    assert (told["from"], told["to"]) == ("2026-11-24T00:00:00.000000Z", "2026-11-26T00:00:00.000000Z")
    assert [each["turns"] for each in told["buckets"]] == [0, 0] or told["total"]["turns"] > 0


@pytest.mark.parametrize(
    "params",
    [
        {"bucket": "month"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "bucket": "hour"},
        {"to": "0001-01-01T00:00:00Z"},
        {"from": "yesterday"},
    ],
)
async def test_what_cannot_be_told_is_refused(administrator: Person, params: dict[str, str]) -> None:
    assert code_of(await administrator.client.get(STATS, params=params), 422) == "invalid_request"


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
async def test_the_ends_of_time_are_refused(administrator: Person, since: str, until: str) -> None:
    answer = await administrator.client.get(STATS, params={"from": since, "to": until, "bucket": "week"})
    assert code_of(answer, 422) == "invalid_request"


async def test_a_guest_is_a_new_account_when_they_register(database_url: str) -> None:
    async with running(database_url, allow_guests=True) as service:
        administrator = await service.administrator()
        somebody = await guest(service)
        users = [(await stats(administrator))["total"]["users"]]
        body = {"username": "somebody", "password": PASSWORD}
        assert (await somebody.client.post("/api/v1/auth/register", json=body)).status_code == 201
        users.append((await stats(administrator))["total"]["users"])
    assert users == [1, 2]
