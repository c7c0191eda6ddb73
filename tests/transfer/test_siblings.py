"""Trees of thousands of turns under one parent, as a file may have them: exports, lists and pages stay exact."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import history, imported, whole

MANY = 5000


def own(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """A conversation in this service's own format, its turns by `id` and `parent_id`."""
    at = {"created_at": "2024-01-01T00:00:00Z"}
    said = {"status": "complete", "prompt": {"content": "?"}, "reply": {"content": "!"}, **at}
    name = "00000000-0000-0000-0000-000000000000"
    return {"format": "chatkeep/1", "id": name, **at, "turns": [said | turn for turn in turns]}


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def fan(children: int) -> dict[str, Any]:
    """A conversation of ChatGPT's: one question, and as many answers to it."""
    names = [f"answer-{number}" for number in range(children)]
    nodes: dict[str, Any] = {"question": {"id": "question", "parent": None, "children": names, "message": None}}
    nodes["question"]["message"] = message("question", "user")
    for name in names:
        nodes[name] = {"id": name, "parent": "question", "children": [], "message": message(name, "assistant")}
    return {"id": "fan", "title": "fan", "create_time": 1.7e9, "current_node": names[0], "mapping": nodes}


def message(name: str, role: str) -> dict[str, Any]:
    return {
        "id": name,
        "author": {"role": role},
        "create_time": 1.7e9,
        "content": {"content_type": "text", "parts": [name]},
    }


def assert_numbered(turns: list[dict[str, Any]]) -> None:
    """Hold each turn's `siblings` to a plain count of the turns that have its parent."""
    counts, seen = Counter(turn["parent_id"] for turn in turns), Counter[str | None]()
    for turn in sorted(turns, key=lambda turn: str(turn["id"])):
        seen[turn["parent_id"]] += 1
        assert turn["siblings"] == {"count": counts[turn["parent_id"]], "position": seen[turn["parent_id"]]}


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


@pytest.fixture(scope="module")
async def fanned(person: Person) -> dict[str, Any]:
    """The export of a conversation of 5,000 siblings."""
    report = await imported(person, [fan(MANY)])
    return await whole(person, report["conversations"][0]["conversation_id"])


async def test_thousands_of_siblings_are_exported_and_come_back(
    service: RunningService, person: Person, fanned: dict[str, Any]
) -> None:
    assert len(fanned["turns"]) == MANY
    assert_numbered(fanned["turns"])
    assert {turn["siblings"]["count"] for turn in fanned["turns"]} == {MANY}
    assert await history(person) == [fanned]
    other = await service.person()
    await imported(other, fanned)
    (again,) = await history(other)
    numbers = [[turn["siblings"] for turn in each["turns"]] for each in (fanned, again)]
    assert numbers[0] == numbers[1]


async def test_what_is_read_of_thousands_of_siblings_says_the_same(
    service: RunningService, person: Person, fanned: dict[str, Any]
) -> None:
    path = f"/api/v1/conversations/{fanned['id']}/turns"
    by_id = {turn["id"]: turn for turn in fanned["turns"]}
    for order in ("desc", "asc"):
        told = (await person.client.get(path, params={"order": order, "limit": 3})).json()
        assert told["items"] == [by_id[fanned["head_turn_id"]]]
        assert told["next_cursor"] is None
    newest = fanned["turns"][-1]
    assert (await person.client.get(f"{path}/{newest['id']}")).json() == newest
    told = (await person.client.get(f"{path}/{newest['id']}/siblings", params={"limit": 200})).json()
    assert told["items"] == fanned["turns"][:200]
    lines = (await person.client.get(f"/api/v1/conversations/{fanned['id']}/export?format=jsonl")).text.splitlines()
    assert [json.loads(line) for line in lines] == [by_id[fanned["head_turn_id"]]]
    administrator = await service.administrator()
    told = (await administrator.client.get(f"/api/v1/admin/history?user_id={person.id}&limit=200")).json()
    assert [each["siblings"] for each in told["items"]] == [each["siblings"] for each in fanned["turns"][:-201:-1]]


async def test_a_page_below_many_siblings_follows_its_own_path(service: RunningService) -> None:
    person = await service.person()
    # Three hundred branches of four turns each, and the newest leaf is the head.
    turns = [
        {"id": uuid(depth * 1000 + branch + 1), "parent_id": uuid((depth - 1) * 1000 + branch + 1) if depth else None}
        for depth in range(4)
        for branch in range(300)
    ]
    report = await imported(person, own(turns) | {"head_turn_id": turns[-1]["id"]})
    found = await whole(person, report["conversations"][0]["conversation_id"])
    assert_numbered(found["turns"])
    by_id = {turn["id"]: turn for turn in found["turns"]}
    expected, at = [], found["head_turn_id"]
    while at is not None:
        expected.append(by_id[at])
        at = by_id[at]["parent_id"]
    assert len(expected) == 4
    assert await person.turns(found["id"], order="desc") == expected
    assert await person.turns(found["id"], order="asc") == expected[::-1]
    path = f"/api/v1/conversations/{found['id']}/turns"
    for order, pages in (("desc", expected), ("asc", expected[::-1])):
        first = (await person.client.get(path, params={"order": order, "limit": 3})).json()
        rest = (await person.client.get(path, params={"order": order, "cursor": first["next_cursor"]})).json()
        assert (first["items"], rest["items"], rest["next_cursor"]) == (pages[:3], pages[3:], None)


@pytest.mark.parametrize("seed", range(4))
async def test_siblings_are_numbered_wherever_a_batch_ends(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("chatkeep.transfer.exporter.TURNS_PER_BATCH", 7)
    monkeypatch.setattr("chatkeep.transfer.sibling_numbers.TURNS_PER_LOOKUP", 7 + seed)
    chance, person = random.Random(seed), await service.person()
    for number in range(2):
        turns: list[dict[str, Any]] = []
        for each in range(1, 120):
            # Few and wide levels.
            above = chance.choice([None, *(turn["id"] for turn in turns[:12])])
            turns.append({"id": uuid(each), "parent_id": above})
        await imported(person, own(turns) | {"id": uuid(number)})
    conversations = await history(person)
    assert len(conversations) == 2
    for conversation in conversations:
        assert len(conversation["turns"]) == 119
        assert_numbered(conversation["turns"])
