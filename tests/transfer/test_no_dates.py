"""Files that write a date where they have none: nothing that they say keeps the account from being read."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chatkeep.clock import utc_now
from tests.support.running_service import Person, RunningService
from tests.support.urls import driver_url
from tests.transfer.formats.test_chatgpt import BRANCHED
from tests.transfer.formats.test_open_webui import chat, message
from tests.transfer.upload_client import history, imported, only, said

# Go and .NET, Windows, spreadsheets, Unix in three time zones, and the other end of .NET's calendar.
NO_DATES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1601-01-01T00:00:00Z",
    "1899-12-30T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T12:00:00Z",
    "1969-12-31T10:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
)
# The last second of 9999 in seconds, milliseconds and microseconds; ticks of .NET and of Windows; what is no count of
# anything; and the ends of integers.
NO_NUMBERS = (
    253402300799,
    253402300799000,
    253402300799999999,
    638396640000000000,
    133000000000000000,
    -1,
    -62135596800,
    0,
    1e10,
    200_000_000_000,
    1e30,
    2**63 - 1,
    10**400,
)
A_DATE = "2024-02-29T12:00:00Z"


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def own(no_date: Any, *, begun: str | None = None, said_at: str | None = None, changed: str | None = None) -> Any:
    first, second = str(uuid4()), str(uuid4())
    turn: dict[str, Any] = {
        "status": "complete",
        "prompt": {"content": "one"},
        "reply": {"content": "yes"},
        "created_at": said_at or no_date,
        "completed_at": no_date,
    }
    return {
        "format": "chatkeep/1",
        "id": str(uuid4()),
        "created_at": begun or no_date,
        "updated_at": changed or no_date,
        "turns": [
            turn | {"id": first, "parent_id": None},
            turn | {"id": second, "parent_id": first, "created_at": no_date},
        ],
    }


def of_now(time: str) -> bool:
    return abs(utc_now() - datetime.fromisoformat(time)).total_seconds() < 3600


async def everything_can_be_read(person: Person) -> None:
    listed = await person.client.get("/api/v1/conversations", params={"limit": 1})
    assert listed.status_code == 200, listed.text
    assert await history(person)
    for form in ("json", "markdown", "jsonl"):
        address = f"/api/v1/conversations/{listed.json()['items'][0]['id']}/export"
        assert (await person.client.get(address, params={"format": form})).status_code == 200


@pytest.mark.parametrize("no_date", [*NO_DATES, *NO_NUMBERS], ids=lambda value: f"{value!r:.24}")
async def test_no_date_is_none_in_this_services_own_files(person: Person, no_date: Any) -> None:
    kept = await only(person, own(no_date, said_at=A_DATE))
    assert kept["created_at"] == kept["updated_at"] == "2024-02-29T12:00:00.000000Z"
    assert [turn["created_at"] for turn in kept["turns"]] == ["2024-02-29T12:00:00.000000Z"] * 2
    assert [turn["completed_at"] for turn in kept["turns"]] == [None, None]
    kept = await only(person, own(no_date, begun=A_DATE))
    assert [turn["created_at"] for turn in kept["turns"]] == ["2024-02-29T12:00:00.000000Z"] * 2
    kept = await only(person, own(no_date))
    assert all(of_now(each["created_at"]) for each in (kept, *kept["turns"]))
    assert said(kept) == [("one", "yes"), ("one", "yes")]
    await everything_can_be_read(person)


@pytest.mark.parametrize("no_date", [*NO_DATES, *NO_NUMBERS], ids=lambda value: f"{value!r:.24}")
async def test_no_date_is_none_in_files_of_others(person: Person, no_date: Any) -> None:
    told = dict.fromkeys(("create_time", "update_time"), no_date)
    mapping = {
        name: node | ({"message": node["message"] | told} if node.get("message") else {})
        for name, node in BRANCHED["mapping"].items()
    }
    kept = await only(person, BRANCHED | told | {"mapping": mapping})
    assert all(of_now(each["created_at"]) for each in (kept, *kept["turns"]))
    talk = chat(message("u", None, "user", "Hallo", timestamp=no_date), message("a", "u", "assistant", "Moin"))
    kept = await only(person, talk | {"created_at": no_date, "updated_at": no_date})
    assert all(of_now(each["created_at"]) for each in (kept, *kept["turns"]))
    await everything_can_be_read(person)


@pytest.mark.parametrize("number", [1.7e9, 1.7e12, 1.7e15, 1.7e18, 1_700_000_000_000_000_000])
async def test_a_number_is_read_in_the_unit_that_its_size_shows(person: Person, number: float) -> None:
    time = "2023-11-14T22:13:20.000000Z"
    assert (await only(person, own(number)))["created_at"] == time
    assert (await only(person, BRANCHED | {"create_time": number}))["created_at"] == time
    talk = chat(message("u", None, "user", "Hallo"), message("a", "u", "assistant", "Moin"))
    assert (await only(person, talk | {"created_at": number}))["created_at"] == time


async def test_the_next_best_time_is_taken(person: Person) -> None:
    kept = await only(person, BRANCHED | {"create_time": "0001-01-01T00:00:00Z", "update_time": 1.7e9})
    assert kept["created_at"] == "2023-11-14T22:13:20.000000Z"


async def test_what_the_file_said_is_kept_aside(person: Person) -> None:
    kept = await only(person, own("1601-01-01T00:00:00Z", begun=A_DATE))
    assert [each["created_at"] for each in kept["metadata"]["import"]["times"]] == ["1601-01-01T00:00:00+00:00"] * 2


async def test_a_clock_that_is_a_little_ahead_is_believed_to_mean_now(person: Person) -> None:
    ahead = (utc_now() + timedelta(hours=1)).isoformat()
    kept = await only(person, own("0001-01-01T00:00:00Z", said_at=ahead))
    assert of_now(kept["turns"][0]["created_at"])


async def test_what_an_older_version_kept_without_a_date_can_be_read_again(
    service: RunningService, shared_database_url: str, person: Person
) -> None:
    """It kept the first moment of year 1, which the driver writes as `-infinity`."""
    await imported(person, [own("0001-01-01T00:00:00Z") for _ in range(5)])
    connection = await asyncpg.connect(driver_url(shared_database_url))
    for table, columns in (
        ("conversations", ("created_at", "updated_at", "last_turn_at")),
        ("turns", ("created_at", "completed_at")),
    ):
        changes = ", ".join(f"{column} = '-infinity'" for column in columns)
        await connection.execute(f"UPDATE {table} SET {changes} WHERE user_id = $1", person.id)
    await connection.close()
    await everything_can_be_read(person)
    ids: list[str] = []
    asked: dict[str, str] = {"limit": "2"}
    while True:
        page = (await person.client.get("/api/v1/conversations", params=asked)).json()
        ids += [each["id"] for each in page["items"]]
        assert {each["created_at"] for each in page["items"]} == {"0001-01-01T00:00:00.000000Z"}
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert len(ids) == len(set(ids)) == 5
    exported = await history(person)
    other = await service.person()
    assert all([of_now((await only(other, each))["created_at"]) for each in exported])
    turn = await person.say(ids[0], "and on")
    assert of_now(turn["created_at"])
