"""Times and numbers at the ends of what a request may say: each is answered, and nothing that it leaves breaks."""

import base64
import json
from typing import Any

import pytest

from chatkeep.app.maintenance import cleanup
from tests.support.running_service import Person, RunningService

TIMES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.000001Z",
    "0001-01-01T00:00:00-23:59",
    "1601-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "9998-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999+23:59",
)
OUTSIDE = ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999999-00:01", "0000-01-01T00:00:00Z")
FILTERED = (
    "/api/v1/admin/history",
    "/api/v1/admin/history/export",
    "/api/v1/admin/audit",
    "/console/history",
    "/console/audit",
)


@pytest.fixture(scope="module")
async def admin(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


@pytest.mark.parametrize("address", FILTERED)
@pytest.mark.parametrize("name", ["from", "to"])
async def test_every_time_is_a_filter(admin: Person, person: Person, address: str, name: str) -> None:
    await person.say(await person.conversation(), "something")
    for time in TIMES:
        for more in ({}, {"q": "something"}):
            if more and "audit" in address:
                continue
            answer = await admin.client.get(address, params={name: time, **more})
            assert answer.status_code == 200, (time, answer.text)
            is_everything = (name == "from" and time < "2000") or (name == "to" and time > "9000")
            if address.startswith("/api") and "export" not in address:
                assert bool(answer.json()["items"]) is is_everything, time
    for time in OUTSIDE:
        assert (await admin.client.get(address, params={name: time})).status_code in (200, 422)


@pytest.mark.parametrize("bucket", ["hour", "day", "week"])
async def test_statistics_of_every_time_are_told_or_refused(admin: Person, bucket: str) -> None:
    for since in TIMES:
        for until in TIMES:
            asked = {"from": since, "to": until, "bucket": bucket}
            assert (await admin.client.get("/api/v1/admin/stats", params=asked)).status_code in (200, 422), asked
        for alone in ({"from": since}, {"to": since}):
            assert (await admin.client.get("/api/v1/admin/stats", params=alone)).status_code in (200, 422)


async def test_a_token_that_would_end_at_such_a_time_is_refused(service: RunningService, person: Person) -> None:
    for time in TIMES:
        answer = await person.client.post("/api/v1/auth/tokens", json={"name": "n", "expires_at": time})
        assert answer.status_code == 422, answer.text
    await cleanup(service.app.state.accounts)
    assert (await person.client.get("/api/v1/auth/tokens")).json()["items"] == []


def cursor(*position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(["conversations", *position]).encode()).decode().rstrip("=")


async def test_every_time_in_a_cursor_is_a_place_or_none(person: Person) -> None:
    await person.conversation()
    end = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    far = [f"@{number}" for number in (-(2**63), 2**63 - 1, -(2**63) - 1, 2**63, 0, "", "x", "9" * 300)]
    for time in (*TIMES, *OUTSIDE, *far, "2026-01-01T00:00:00", "-infinity", ""):
        asked = {"cursor": cursor(time, end)}
        answer = await person.client.get("/api/v1/conversations", params=asked)
        assert answer.status_code in (200, 422), (time, answer.text)
    for time, there in (("@9223372036854775807", 1), (f"@{-(2**63)}", 0)):
        page = (await person.client.get("/api/v1/conversations", params={"cursor": cursor(time, end)})).json()
        assert len(page["items"]) == there


async def test_a_stream_goes_on_after_any_position(person: Person) -> None:
    conversation = await person.conversation()
    turn = await person.say(conversation, "something")
    address = f"/api/v1/conversations/{conversation}/turns/{turn['id']}/events"
    for position in (0, 1, 10**6, 2**31 - 2, 2**31 - 1):
        answer = await person.client.get(address, headers={"Last-Event-ID": str(position)})
        assert answer.status_code == 200
        assert "event: done" in answer.text, position
    for refused in ("-1", str(2**31), "x"):
        assert (await person.client.get(address, headers={"Last-Event-ID": refused})).status_code == 422


async def test_numbers_at_the_ends(person: Person, admin: Person) -> None:
    params: dict[str, Any] = {"seed": -(2**63), "max_tokens": 1}
    conversation = await person.conversation(params=params, metadata={"number": 2**70, "small": -1e308, "tiny": 5e-324})
    found = (await person.client.get(f"/api/v1/conversations/{conversation}")).json()
    assert found["params"] == params
    assert (found["metadata"]["number"], found["metadata"]["tiny"]) == (2**70, 5e-324)
    assert float(found["metadata"]["small"]) == -1e308
    for query in ({"limit": "0"}, {"limit": "201"}, {"limit": "9" * 18}, {"limit": "-1"}, {"limit": "9" * 400}):
        assert (await admin.client.get("/api/v1/admin/users", params=query)).status_code == 422
