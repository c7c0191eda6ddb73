import json
from typing import Any

import pytest

from tests.accounts.client import AUTH, code_of
from tests.support.running_service import RunningService

FILLED = {"display_name": "  Alice 🦊\u200d Ünïcödé ", "email": "alice@example.org"}


async def test_a_profile_is_changed_field_by_field_and_kept_as_it_was_written(service: RunningService) -> None:
    person = await service.person()
    answer = await person.client.patch(f"{AUTH}/me", json=FILLED)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in FILLED} == FILLED
    answer = await person.client.patch(f"{AUTH}/me", json={"display_name": "Bob"})
    assert {name: answer.json()[name] for name in FILLED} == FILLED | {"display_name": "Bob"}
    assert (await person.client.patch(f"{AUTH}/me", json={})).json() == answer.json()
    assert (await person.client.get(f"{AUTH}/me")).json() == answer.json()


@pytest.mark.parametrize("field", FILLED)
async def test_null_takes_a_field_away(service: RunningService, field: str) -> None:
    person = await service.person()
    await person.client.patch(f"{AUTH}/me", json=FILLED)
    answer = await person.client.patch(f"{AUTH}/me", json={field: None})
    assert {name: answer.json()[name] for name in FILLED} == FILLED | {field: None}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"display_name": "a\x00b"}, "invalid_text"),
        ({"display_name": "\udc00"}, "invalid_text"),
        ({"email": "a\x00@example.org"}, "invalid_text"),
        ({"email": "\ud800@example.org"}, "invalid_text"),
        ({"display_name": ""}, "invalid_request"),
        ({"display_name": "x" * 201}, "invalid_request"),
        ({"display_name": 7}, "invalid_request"),
        ({"email": "nobody"}, "invalid_request"),
        ({"email": "a b@example.org"}, "invalid_request"),
        ({"email": "a@" + "x" * 253}, "invalid_request"),
        ({"username": "mallory"}, "invalid_request"),
        ({"role": "admin"}, "invalid_request"),
        ({"disabled": False}, "invalid_request"),
        ([], "invalid_request"),
        (None, "invalid_request"),
    ],
)
async def test_what_cannot_be_a_profile_is_refused_and_changes_nothing(
    service: RunningService, body: Any, code: str
) -> None:
    person = await service.person()
    before = (await person.client.patch(f"{AUTH}/me", json=FILLED)).json()
    answer = await person.client.patch(
        f"{AUTH}/me", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert code_of(answer) == (422, code)
    assert (await person.client.get(f"{AUTH}/me")).json() == before


async def test_an_administrator_finds_a_user_by_what_the_profile_says_now(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    await person.client.patch(f"{AUTH}/me", json={"display_name": "Quetzalcoatl", "email": "q@feathered.example"})

    async def found(part: str) -> list[str]:
        answer = await administrator.client.get("/api/v1/admin/users", params={"q": part})
        return [item["id"] for item in answer.json()["items"]]

    for part in ("ｑＵＥＴＺ", "feathered", person.username):
        assert await found(part) == [person.id]
    await person.client.patch(f"{AUTH}/me", json={"display_name": None})
    assert await found("quetz") == []
    assert await found("feathered") == [person.id]
