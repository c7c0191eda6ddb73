"""Anyone's conversation, as its owner sees it."""

from typing import Any

import pytest

from chatkeep.ids import new_id
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService


@pytest.fixture(scope="module")
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture(scope="module")
async def owner(service: RunningService) -> Person:
    return await service.person()


@pytest.fixture(scope="module")
async def conversation_id(owner: Person) -> str:
    """A conversation with branches, of which one is the active path."""
    conversation_id = await owner.conversation(title="Tea 茶", metadata={"a": [1, None]}, params={"temperature": 0.5})
    root = await owner.say(conversation_id, "root")
    for _ in range(2):
        await owner.say(conversation_id, "left", parent_id=root["id"])
        for word in ("one", "two", "three"):
            await owner.say(conversation_id, word)
    return conversation_id


async def get(person: Person, path: str, **params: Any) -> Any:
    answer = await person.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_conversation_is_told_as_its_owner_sees_it_and_whose_it_is(
    administrator: Person, owner: Person, conversation_id: str
) -> None:
    own = await get(owner, f"/api/v1/conversations/{conversation_id}")
    told = await get(administrator, f"/api/v1/admin/conversations/{conversation_id}")
    assert told == own | {"user_id": owner.id, "username": owner.username}


@pytest.mark.parametrize("order", ["asc", "desc", None])
@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_turns_are_the_active_path_page_by_page(
    administrator: Person, owner: Person, conversation_id: str, order: str | None, limit: int
) -> None:
    params: dict[str, Any] = {"limit": limit} | ({"order": order} if order else {})
    count = 0
    while True:
        own = await get(owner, f"/api/v1/conversations/{conversation_id}/turns", **params)
        told = await get(administrator, f"/api/v1/admin/conversations/{conversation_id}/turns", **params)
        assert told == own
        count += len(told["items"])
        if told["next_cursor"] is None:
            break
        params["cursor"] = told["next_cursor"]
    assert count == 5


async def test_an_archived_conversation_is_there_and_a_deleted_one_is_not(administrator: Person, owner: Person) -> None:
    conversation_id = await owner.conversation()
    paths = [f"/api/v1/admin/conversations/{conversation_id}{rest}" for rest in ("", "/turns")]
    await owner.client.patch(f"/api/v1/conversations/{conversation_id}", json={"archived": True})
    assert (await get(administrator, paths[0]))["archived"] is True
    assert (await get(administrator, paths[1]))["items"] == []
    await owner.client.delete(f"/api/v1/conversations/{conversation_id}")
    for path in paths:
        assert code_of(await administrator.client.get(path), 404) == "not_found"


async def test_a_missing_conversation_is_not_found(administrator: Person) -> None:
    for rest in ("", "/turns", "/turns?order=asc"):
        answer = await administrator.client.get(f"/api/v1/admin/conversations/{new_id()}{rest}")
        assert code_of(answer, 404) == "not_found"


async def test_an_administrator_cannot_write_in_it(administrator: Person, conversation_id: str) -> None:
    path = f"/api/v1/admin/conversations/{conversation_id}"
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert code_of(await administrator.client.request(method, path), 405) == "method_not_allowed"
    own = f"/api/v1/conversations/{conversation_id}"
    assert code_of(await administrator.client.patch(own, json={"title": "x"}), 404) == "not_found"
    assert code_of(await administrator.client.delete(own), 404) == "not_found"
