"""Regenerating and editing: new turns beside the old ones, and nothing is ever overwritten."""

import asyncio
from typing import Any

from tests.support.events import read_events
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running


def path(conversation: str, turn: str, *rest: str) -> str:
    return "/".join([f"/api/v1/conversations/{conversation}/turns", turn, *rest])


async def test_regenerating_makes_a_sibling_with_the_same_prompt(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    first = await alice.say(conversation, "My name is Alice.")
    second = await alice.say(conversation, "What is my name?")
    answer = await alice.client.post(path(conversation, second["id"], "regenerate"), json={"stream": False})
    assert answer.status_code == 201
    again = answer.json()
    assert again["prompt"] == second["prompt"]
    assert (again["parent_id"], again["index"]) == (first["id"], 1)
    assert again["siblings"] == {"count": 2, "position": 2}
    assert "Alice" in again["reply"]["content"]
    assert [turn["id"] for turn in await alice.turns(conversation)] == [again["id"], first["id"]]
    old = (await alice.client.get(path(conversation, second["id"]))).json()
    assert old == second | {"siblings": {"count": 2, "position": 1}}


async def test_editing_the_first_prompt_makes_another_root(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    first = await alice.say(conversation, "one")
    await alice.say(conversation, "two")
    answer = await alice.client.post(path(conversation, first["id"], "edit"), json={"content": "eins", "stream": False})
    edited = answer.json()
    assert (answer.status_code, edited["parent_id"], edited["index"]) == (201, None, 0)
    assert edited["prompt"]["content"] == "eins"
    assert [turn["prompt"]["content"] for turn in await alice.turns(conversation)] == ["eins"]
    await alice.client.patch(f"/api/v1/conversations/{conversation}", json={"head_turn_id": first["id"]})
    assert [turn["prompt"]["content"] for turn in await alice.turns(conversation)] == ["one"]


async def test_siblings_are_listed_oldest_first_in_pages(service: RunningService) -> None:
    alice, bob = await service.person(), await service.person()
    conversation = await alice.conversation()
    turn = await alice.say(conversation, "again and again")
    for _ in range(6):
        await alice.client.post(path(conversation, turn["id"], "regenerate"), json={"stream": False})
    whole = (await alice.client.get(path(conversation, turn["id"], "siblings"))).json()
    assert [each["siblings"] for each in whole["items"]] == [{"count": 7, "position": n} for n in range(1, 8)]
    assert whole["next_cursor"] is None
    paged, cursor = [], None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await alice.client.get(path(conversation, turn["id"], "siblings"), params=params)).json()
        paged += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == whole["items"]
    assert (await bob.client.get(path(conversation, turn["id"], "siblings"))).status_code == 404


async def test_both_answer_as_a_stream_and_join_by_key(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    turn = await alice.say(conversation, "one")
    for verb, body in (("regenerate", {}), ("edit", {"content": "other"})):
        headers = {"Accept": "text/event-stream", "Idempotency-Key": verb}
        made = set()
        for _ in range(2):
            url = path(conversation, turn["id"], verb)
            async with alice.client.stream("POST", url, json=body, headers=headers) as answer:
                assert answer.status_code == 200
                events = [event async for event in read_events(answer.aiter_lines())]
            assert (events[0].name, events[-1].name) == ("turn", "done")
            made.add(events[-1].data["id"])
        assert len(made) == 1
        other = await alice.client.post(url, json={**body, "stream": False}, headers={"Idempotency-Key": "regenerate"})
        assert other.status_code == (201 if verb == "regenerate" else 422)
    siblings = (await alice.client.get(path(conversation, turn["id"], "siblings"))).json()["items"]
    assert len(siblings) == 3


async def test_of_something_else_there_is_no_other_version(service: RunningService) -> None:
    alice, bob = await service.person(), await service.person()
    conversation = await alice.conversation()
    turn = await alice.say(conversation, "mine")
    elsewhere = await alice.conversation()
    for person, where in ((bob, conversation), (alice, elsewhere)):
        for verb, body in (("regenerate", {}), ("edit", {"content": "x"})):
            answer = await person.client.post(path(where, turn["id"], verb), json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await alice.turns(elsewhere) == []


async def test_while_a_turn_streams_there_is_no_other_version(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        saying = asyncio.create_task(alice.say(conversation, "Hi"))
        while not (turns := await alice.turns(conversation)):
            await asyncio.sleep(0.02)
        answer = await alice.client.post(path(conversation, turns[0]["id"], "regenerate"), json={})
        assert (answer.status_code, answer.json()["turn_id"]) == (409, turns[0]["id"])
        model.go_on()
        await saying


async def test_the_leaf_is_where_the_newest_branch_under_a_turn_has_come_to(service: RunningService) -> None:
    person = await service.person()
    conversation_id = await person.conversation()
    path = f"/api/v1/conversations/{conversation_id}/turns"
    first = await person.say(conversation_id, "first")
    second = await person.say(conversation_id, "second")
    third = await person.say(conversation_id, "third")
    beside = (
        await person.client.post(f"{path}/{second['id']}/edit", json={"content": "other", "stream": False})
    ).json()

    async def leaf(turn: dict[str, Any]) -> str:
        return str((await person.client.get(f"{path}/{turn['id']}/leaf")).json()["id"])

    assert await leaf(first) == beside["id"]
    assert await leaf(second) == third["id"]
    assert await leaf(third) == third["id"]
    assert await leaf(beside) == beside["id"]
