"""Search in what the model thought: only where it is asked for, and as exact as the search in what was said."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.items import JsonItem, reasoning_item
from chatkeep.chat.search import search
from chatkeep.chat.search.indexer import index_pending, reindex
from chatkeep.chat.search.query import parse_query
from tests.accounts.client import change, rows, value
from tests.chat.search.reference import plain, says, words_of
from tests.chat.search.test_search import SEARCH, ask, found_ids, some_text
from tests.http.test_bodies import code_of
from tests.support.replicas import ReplicaStore
from tests.support.running_service import Person, RunningService
from tests.support.settled import settle
from tests.transfer.upload_client import imported

STREAMING = "SELECT count(*) FROM turns WHERE user_id = :u AND status = 'streaming'"
ENTRIES = "SELECT turn_id::text FROM reasoning_entries WHERE user_id::text = :u ORDER BY turn_id"


async def think(service: RunningService, person: Person, thoughts: Sequence[Sequence[str]]) -> list[str]:
    """Keep turns that all say the same and were thought about so; return their ids, newest first."""
    conversation_id = UUID(await person.conversation(title="Talk"))
    store = service.chat.turn_store
    ids = []
    for texts in thoughts:
        begun = await store.begin(UUID(person.id), NewTurn(conversation_id, "question"), context_tokens=256)
        items: list[JsonItem] = [reasoning_item(text, "reasoning", 1.5) for text in texts]
        items += [{"type": "note", "text": "said"}, {"type": "reasoning", "text": 7}] if texts else []
        outcome = Outcome("complete", "answer", [*items, {"type": "message", "start": 0, "end": 6}] if items else None)
        await store.end(begun, outcome)
        ids.append(str(begun.id))
    await settle(store)
    return ids[::-1]


async def test_reasoning_is_found_only_where_it_is_asked_for(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    (turn_id,) = await think(service, person, [["The <b>kettle</b> hums.", "お茶にしよう。"]])
    await think(service, other, [["The kettle hums."]])
    assert await found_ids(person, "kettle") == []
    assert await found_ids(person, "answer") == [turn_id]
    assert await found_ids(person, "answer in:reasoning") == []
    assert await found_ids(person, "in:reasoning お茶 kettle") == [turn_id]
    assert await found_ids(person, "said in:reasoning") == []
    (item,) = (await ask(person, "kettle IN:reasoning"))["items"]
    assert item["snippet"] == "The &lt;b&gt;<mark>kettle</mark>&lt;/b&gt; hums."
    assert item["found_in"] == "reasoning"
    assert (await ask(person, "answer"))["items"][0]["found_in"] == "text"


async def test_a_turn_without_reasoning_has_no_entry(service: RunningService) -> None:
    person = await service.person()
    _, thoughtful = await think(service, person, [["hm"], []])
    assert [name for (name,) in await rows(service.database, ENTRIES, u=person.id)] == [thoughtful]


@pytest.mark.parametrize("turns_a_match", [0, 10**6])
async def test_what_is_found_is_what_the_rules_say_of_every_thought(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, turns_a_match: float
) -> None:
    monkeypatch.setattr(search, "TURNS_PER_MATCH", turns_a_match)
    monkeypatch.setattr(search, "FIRST_TURNS", 3)
    monkeypatch.setattr(search, "NEXT_TURNS", 7)
    person, chance = await service.person(), random.Random(7)
    thoughts = [[some_text(chance) for _ in range(chance.randint(0, 3))] for _ in range(40)]
    ids = await think(service, person, thoughts)
    said = [text for texts in thoughts for text in texts]
    queries = ["東", "の", "京都の", "tea", '"green tea"', "tea green", "c++", "🎉", "it's x", "茶 の", "nothing"]
    queries += [text.strip()[: chance.randint(2, 9)].strip() for text in said[:15]]
    for query in queries:
        words = words_of(query)
        wanted = [
            each
            for each, texts in zip(ids, thoughts[::-1], strict=True)
            if all(any(says(plain(text), word) for text in texts) for word in words)
        ]
        if words:
            assert await found_ids(person, f"{query} in:reasoning", chance.choice([1, 7, 200])) == wanted, query


async def test_what_a_dead_process_kept_of_a_thought_is_found(service: RunningService) -> None:
    person = await service.person()
    dead = ReplicaStore(service.database, lease_seconds=10)
    kept = []
    for kind in ("reasoning", None):
        conversation_id = UUID(await person.conversation(title="Talk"))
        begun = await dead.begin(UUID(person.id), NewTurn(conversation_id, "question"), context_tokens=256)
        insert = "INSERT INTO reply_fragments (user_id, turn_id, position, text, kind) VALUES (:u, :t, 0, 'kettle', :k)"
        await change(service.database, insert, u=UUID(person.id), t=begun.id, k=kind)
        kept.append(str(begun.id))
    async with asyncio.timeout(60):  # the service itself may be about to do it
        while await value(service.database, STREAMING, u=UUID(person.id)):
            await dead.recovery().interrupt_stalled()
    await index_pending(service.database)
    await settle(service.chat.turn_store)  # where the service is at it itself
    assert await found_ids(person, "kettle in:reasoning") == kept[:1]
    assert await found_ids(person, "kettle") == kept[1:]


async def test_imported_reasoning_is_found(service: RunningService) -> None:
    person = await service.person()
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "Yes.", "reasoning": "kettle"},
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "kettle"},
    ]
    assert (await imported(person, {"messages": messages}))["imported"] == 1
    assert len(await found_ids(person, "kettle in:reasoning")) == 1
    assert len(await rows(service.database, ENTRIES, u=person.id)) == 1


async def test_reindexing_makes_entries_that_are_missing(service: RunningService) -> None:
    person = await service.person()
    ids = await think(service, person, [["kettle"], [], ["kettle too"]])
    await change(service.database, "DELETE FROM reasoning_entries")
    assert sum([made async for _, made in reindex(service.database)]) >= 2
    assert await found_ids(person, "kettle in:reasoning") == [ids[0], ids[2]]
    assert sum([made async for _, made in reindex(service.database)]) == 0


async def test_administrators_find_reasoning_where_they_ask_for_it(service: RunningService) -> None:
    person, administrator = await service.person(), await service.administrator()
    ids = await think(service, person, [["kettle"], ["teapot"]])
    for params, wanted in (
        ({"q": "kettle in:reasoning", "user_id": person.id}, ids[1:]),
        ({"q": "teapot in:reasoning", "user_id": person.id, "status": "complete"}, ids[:1]),
        ({"q": "teapot in:reasoning", "model": "none"}, []),
        ({"q": "kettle", "user_id": person.id}, []),
    ):
        found: dict[str, Any] = (await administrator.client.get("/api/v1/admin/history", params=params)).json()
        assert [turn["id"] for turn in found["items"]] == wanted, params


async def test_only_where_to_look_is_nothing_to_find(service: RunningService) -> None:
    person = await service.person()
    assert code_of(await person.client.get(SEARCH, params={"q": "in:reasoning"}), 422) == "nothing_to_find"


@pytest.mark.parametrize(
    ("query", "in_reasoning", "terms"),
    [
        ("tea in:reasoning", True, 1),
        ("ｉｎ：Reasoning tea", True, 1),
        ("in:reasoning in:reasoning tea pot", True, 2),
        ('"in:reasoning" tea', False, 2),
        ("in:reasoning, tea", False, 2),
        ("in: reasoning", False, 2),
    ],
)
def test_where_to_look_is_a_word_of_its_own(query: str, in_reasoning: bool, terms: int) -> None:
    asked = parse_query(query)
    assert (asked.in_reasoning, len(asked.terms)) == (in_reasoning, terms)
