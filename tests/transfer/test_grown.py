"""Longer exports of conversations that are here: what is new is added, and what the user did here since stays."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.accounts.client import value
from tests.support.running_service import Person, RunningService
from tests.transfer.formats import examples
from tests.transfer.upload_client import history, imported, only, path, said, whole

COUNTS = "SELECT conversation_count || ' ' || turn_count FROM user_activity WHERE user_id = :id"


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def with_branch(file: Any) -> Any:
    """Return Claude's example with a second answer to its first question, an hour later."""
    answer = file["chat_messages"][1] | {"uuid": "other", "created_at": "2026-01-05T09:00:00Z"}
    answer |= {"text": "another answer", "content": [{"type": "text", "text": "another answer"}]}
    return file | {"chat_messages": [*file["chat_messages"], answer]}


async def test_new_turns_are_found_counted_and_the_active_path_ends_with_them(
    service: RunningService, person: Person
) -> None:
    kept = await only(person, [examples.claude(1, 1)])
    report = await imported(person, [examples.claude(1, 3)])
    (told,) = report["conversations"]
    assert (told["conversation_id"], told["turn_count"], report["turns_added"]) == (kept["id"], 3, 2)
    grown = await whole(person, kept["id"])
    assert path(grown) == ["question 1.1", "question 1.2", "question 1.3"]
    assert [turn["index"] for turn in grown["turns"]] == [0, 1, 2]
    assert grown["turns"][0]["id"] == kept["turns"][0]["id"]
    assert str(await value(service.database, COUNTS, id=UUID(person.id))) == "1 3"
    found = (await person.client.get("/api/v1/search", params={"q": '"answer 1.3"'})).json()["items"]
    assert [each["conversation_id"] for each in found] == [kept["id"]]


async def test_another_answer_is_a_sibling(person: Person) -> None:
    kept = await only(person, [examples.claude(1, 2)])
    report = await imported(person, [with_branch(examples.claude(1, 2))])
    assert (report["continued"], report["turns_added"]) == (1, 1)
    grown = await whole(person, kept["id"])
    siblings = [turn for turn in grown["turns"] if turn["index"] == 0]
    assert [turn["reply"]["content"] for turn in siblings] == ["answer 1.1", "another answer"]
    assert [turn["siblings"] for turn in siblings] == [{"count": 2, "position": 1}, {"count": 2, "position": 2}]


@pytest.mark.parametrize("first_says_more", [False, True])
async def test_a_list_of_messages_is_the_same_conversation_whatever_its_messages_say(
    person: Person, first_says_more: bool
) -> None:
    said = [("user", "Tea?"), ("assistant", "Yes."), ("user", "Green?"), ("assistant", "No.")]
    plain = [{"id": str(number), "role": role, "content": text} for number, (role, text) in enumerate(said)]
    more: list[dict[str, Any]] = [message | {"time": "2026-01-31T09:30:00Z"} for message in plain]
    first, longer = (more, plain) if first_says_more else (plain, more)
    kept = await only(person, {"id": "tea", "messages": first[:2]})
    report = await imported(person, {"id": "tea", "messages": longer})
    assert (report["imported"], report["continued"], report["turns_added"]) == (0, 1, 1)
    assert path(await whole(person, kept["id"])) == ["Tea?", "Green?"]


async def test_what_the_user_did_here_since_stays(person: Person) -> None:
    kept = await only(person, [examples.claude(1, 1)])
    address = f"/api/v1/conversations/{kept['id']}"
    assert (await person.client.patch(address, json={"title": "Mine"})).status_code == 200
    await person.client.put(f"{address}/turns/{kept['turns'][0]['id']}/feedback", json={"rating": 1})
    await person.say(kept["id"], "said here")
    report = await imported(person, [examples.claude(1, 2)])
    assert (report["continued"], report["turns_added"]) == (1, 1)
    grown = await whole(person, kept["id"])
    assert grown["title"] == "Mine"
    assert path(grown) == ["question 1.1", "said here"]
    assert sorted(turn["prompt"]["content"] for turn in grown["turns"]) == ["question 1.1", "question 1.2", "said here"]
    assert (await imported(person, [examples.claude(1, 2)]))["skipped"] == 1


async def test_a_question_that_nobody_had_answered_gets_its_answer(person: Person) -> None:
    whole_file = examples.claude(1, 2)
    cut = whole_file | {"chat_messages": whole_file["chat_messages"][:3]}
    kept = await only(person, [cut])
    assert said(kept) == [("question 1.1", "answer 1.1"), ("question 1.2", None)]
    report = await imported(person, [whole_file])
    assert (report["continued"], report["turns_added"]) == (1, 1)
    grown = await whole(person, kept["id"])
    assert said(grown) == [("question 1.1", "answer 1.1"), ("question 1.2", "answer 1.2")]
    assert [turn["status"] for turn in grown["turns"]] == ["complete", "complete"]
    assert [turn["id"] for turn in grown["turns"]] == [turn["id"] for turn in kept["turns"]]
    found = (await person.client.get("/api/v1/search", params={"q": '"answer 1.2"'})).json()["items"]
    assert len(found) == 1


async def test_at_once_is_once(service: RunningService, person: Person) -> None:
    await imported(person, [examples.claude(1, 1)])
    reports = await asyncio.gather(*(imported(person, [examples.claude(1, 4)]) for _ in range(3)))
    assert sum(report["turns_added"] for report in reports) == 3
    assert str(await value(service.database, COUNTS, id=UUID(person.id))) == "1 4"
    (kept,) = await history(person)
    assert len(kept["turns"]) == 4


async def test_a_shorter_export_takes_nothing_away(person: Person) -> None:
    await imported(person, [examples.claude(1, 3)])
    assert (await imported(person, [examples.claude(1, 1)]))["skipped"] == 1
    (kept,) = await history(person)
    assert len(kept["turns"]) == 3


async def test_somebody_elses_of_the_same_name_is_another(service: RunningService, person: Person) -> None:
    other = await service.person()
    await imported(other, [examples.claude(1, 1)])
    assert (await imported(person, [examples.claude(1, 2)]))["imported"] == 1
    (theirs,) = await history(other)
    assert len(theirs["turns"]) == 1


async def test_an_export_of_this_service_continues_what_another_account_took(
    service: RunningService, person: Person
) -> None:
    conversation = await person.conversation()
    await person.say(conversation, "one")
    other = await service.person()
    await imported(other, (await person.client.get("/api/v1/export")).content)
    await person.say(conversation, "two")
    report = await imported(other, (await person.client.get("/api/v1/export")).content)
    assert (report["continued"], report["turns_added"]) == (1, 1)
    (kept,) = await history(other)
    assert path(kept) == ["one", "two"]
