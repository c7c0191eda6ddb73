"""Conversations that are pinned: few, in a list of their own, and so after an import too."""

import asyncio
from typing import Any

import pytest

from chatkeep.chat.history.pin_queries import MAX_PINS
from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import imported

PATH = "/api/v1/conversations"


async def titles(person: Person, **params: Any) -> list[str]:
    answer = await person.client.get(PATH, params={"limit": 200, **params})
    assert answer.status_code == 200, answer.text
    return [each["title"] for each in answer.json()["items"]]


async def pin(person: Person, conversation_id: str, pinned: bool = True) -> int:
    answer = await person.client.patch(f"{PATH}/{conversation_id}", json={"pinned": pinned})
    return int(answer.status_code)


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def test_what_is_pinned_is_a_list_of_its_own_and_goes_with_the_other_filters(person: Person) -> None:
    made = [await person.conversation(title=f"tea {number}") for number in range(4)]
    program = await person.conversation(title="tea by a program", metadata={"origin": "api"})
    for each in (made[0], made[2], program):
        assert await pin(person, each) == 200
    await person.client.patch(f"{PATH}/{made[2]}", json={"archived": True})
    assert await titles(person, pinned="true") == ["tea by a program", "tea 2", "tea 0"]
    assert await titles(person, pinned="false") == ["tea 3", "tea 1"]
    assert len(await titles(person)) == 5
    assert await titles(person, pinned="true", archived="false", origin="page") == ["tea 0"]
    assert await titles(person, pinned="true", q="TEA 2") == ["tea 2"]
    assert await titles(person, pinned="false", q="tea 2") == []
    assert await pin(person, made[0], pinned=False) == 200
    assert await titles(person, pinned="true", archived="false", origin="page") == []


async def test_a_turn_changes_when_it_was_used_last_and_a_new_title_does_not(person: Person) -> None:
    conversation_id = await person.conversation(title="tea")
    begun = (await person.client.get(f"{PATH}/{conversation_id}")).json()
    assert begun["pinned"] is False
    renamed = (await person.client.patch(f"{PATH}/{conversation_id}", json={"title": "green tea"})).json()
    assert renamed["last_turn_at"] == begun["last_turn_at"] == begun["created_at"]
    turn = await person.say(conversation_id, "Which?")
    used = (await person.client.get(f"{PATH}/{conversation_id}")).json()
    assert used["last_turn_at"] == turn["created_at"] > begun["last_turn_at"]


async def test_no_more_are_pinned_than_may_be_however_many_ask_at_once(person: Person) -> None:
    made = [await person.conversation(title=f"{number}") for number in range(MAX_PINS + 6)]
    for each in made[: MAX_PINS - 3]:
        assert await pin(person, each) == 200
    answers = await asyncio.gather(*(pin(person, each) for each in made[MAX_PINS - 3 :]))
    assert sorted(answers) == [200] * 3 + [409] * 6
    assert len(await titles(person, pinned="true")) == MAX_PINS
    # One that is pinned already may be pinned again, and with one less there is room.
    assert await pin(person, made[0]) == 200
    free = next(each for each, code in zip(made[MAX_PINS - 3 :], answers, strict=True) if code == 409)
    answer = await person.client.patch(f"{PATH}/{free}", json={"pinned": True})
    assert answer.json()["code"] == "too_many_pins"
    assert await pin(person, made[0], pinned=False) == 200
    assert await pin(person, free) == 200


async def test_an_import_keeps_pins_and_pins_no_more_than_may_be(service: RunningService) -> None:
    owner, other, full = [await service.person() for _ in range(3)]
    for title in ("one", "two"):
        await owner.conversation(title=title)
    kept = await owner.conversation(title="kept")
    assert await pin(owner, kept) == 200
    exported = (await owner.client.get("/api/v1/export")).content
    await imported(other, exported)
    assert await titles(other, pinned="true") == ["kept"]
    assert await titles(other, pinned="false") == ["two", "one"]
    for number in range(MAX_PINS):
        assert await pin(full, await full.conversation(title=f"{number}")) == 200
    await imported(full, exported)
    assert len(await titles(full, pinned="true")) == MAX_PINS
    assert "kept" in await titles(full, pinned="false")


async def test_nobody_pins_anothers_conversation(service: RunningService, person: Person) -> None:
    conversation_id = await person.conversation(title="mine")
    assert await pin(await service.person(), conversation_id) == 404
    assert await titles(person, pinned="true") == []
