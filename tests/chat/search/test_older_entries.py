"""Turns that the release before made findable: found all the time, and at last by the rules of this one."""

from unittest.mock import AsyncMock

import pytest

from chatkeep.chat.search.indexer import reindex
from chatkeep.chat.search.older_entries import remake_older
from chatkeep.chat.search.older_release_queries import KEEPS
from tests.accounts.client import change, rows, value
from tests.chat.search.test_search import found_ids, talk
from tests.support.running_service import Person, RunningService

# As the release before kept them: what it folded, and whose they are.
KEPT = """
INSERT INTO turn_search (user_id, turn_id, part, version, lexemes)
SELECT user_id, id, 0, 1, array_to_tsvector(CAST(:words AS text[]) || ('@' || right(user_id::text, 12)))
FROM turns WHERE id::text = :turn ON CONFLICT (user_id, turn_id, part) DO UPDATE SET lexemes = excluded.lexemes"""
NEW, OLD = (
    "SELECT count(*) FROM turn_entries WHERE user_id::text = :u",
    "SELECT count(*) FROM turn_search WHERE user_id::text = :u",
)
LEASE = """
INSERT INTO replicas (id, started_at, lease_expires_at, search_version)
VALUES (gen_random_uuid(), now(), now() + interval '1 hour', :version)"""
TEXTS = [("Une réunion", "au café"), ("東京\n都庁 トマト", ""), ("commit C# 9f994528f2b7aa89", "reunion")]
WORDS = [
    ["une", "réunion", "au", "café"],
    ["東京", "京", "都庁", "庁", "トマ", "マト", "ト"],
    ["commit", "c", "9f994528f2b7aa89", "reunion"],
]


@pytest.fixture(autouse=True)
def _nobody_else_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkeep.chat.generation.worker.remake_older", AsyncMock(return_value=0))


async def older(service: RunningService, person: Person) -> list[str]:
    """Keep turns that have entries of the release before alone; return their ids in the order of TEXTS."""
    ids = (await talk(service, person, TEXTS))[::-1]
    await change(service.database, "DELETE FROM turn_entries WHERE user_id::text = :u", u=person.id)
    for turn, words in zip(ids, WORDS, strict=True):
        await change(service.database, KEPT, turn=turn, words=words)
    return ids


async def test_they_are_found_as_before_and_then_by_the_new_rules(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    ids = await older(service, person)
    administrator = (await service.administrator()).client
    for query, wanted in (
        ("RÉUNION", ids[:1]),
        ("トマト", ids[1:2]),
        ("C#", ids[2:]),
        ("庁", ids[1:2]),
        ("東京", ids[1:2]),
    ):
        assert await found_ids(person, query) == wanted, query
        assert await found_ids(other, query) == []
        for more in ({}, {"user_id": person.id}):
            answer = await administrator.get("/api/v1/admin/history", params={"q": query, **more})
            assert [item["id"] for item in answer.json()["items"]] == wanted, (query, more)
    (newer,) = await talk(service, person, [("réunion nouvelle", "")])
    assert await found_ids(person, "réunion", limit=1) == [newer, ids[0]]
    assert await found_ids(person, "9f99452") == []
    assert await remake_older(service.database, service.chat.turn_store.replica_id) == 3
    assert await value(service.database, OLD, u=person.id) == 0
    assert await value(service.database, NEW, u=person.id) == 4
    assert await found_ids(person, "reunion") == [newer, ids[2], ids[0]]
    assert await found_ids(person, "9f99452") == [ids[2]]
    assert await found_ids(person, "東京都庁 とまと") == [ids[1]]


async def test_a_reindex_makes_them_anew(service: RunningService) -> None:
    person = await service.person()
    ids = await older(service, person)
    assert sum([made async for _, made in reindex(service.database)]) >= 3
    assert await value(service.database, OLD, u=person.id) == 0
    assert await found_ids(person, "reunion") == [ids[2], ids[0]]


async def test_they_stay_while_the_release_before_is_at_work_and_it_is_told_of_new_turns(
    service: RunningService,
) -> None:
    person = await service.person()
    ids = await older(service, person)
    await change(service.database, LEASE, version=KEEPS - 1)
    assert await remake_older(service.database, service.chat.turn_store.replica_id) == 0
    (newer,) = await talk(service, person, [("kettle", "")])
    pending = await rows(service.database, "SELECT turn_id::text, part, version FROM turn_search WHERE lexemes IS NULL")
    assert [tuple(row) for row in pending] == [(newer, 0, 0)]
    assert await found_ids(person, "réunion") == [ids[0]]
    async for _ in reindex(service.database):
        pass
    assert await value(service.database, OLD, u=person.id) == 4
    await change(service.database, "DELETE FROM replicas WHERE search_version = :version", version=KEEPS - 1)


async def test_words_that_are_gone_are_in_no_entry(service: RunningService) -> None:
    person = await service.person()
    ids = await older(service, person)
    conversation = await rows(service.database, "SELECT conversation_id::text FROM turns WHERE id::text = :t", t=ids[0])
    answer = await person.client.delete(f"/api/v1/conversations/{conversation[0][0]}")
    assert answer.status_code == 204
    assert await value(service.database, OLD, u=person.id) == 0
