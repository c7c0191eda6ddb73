"""What an import sets aside: read where it is asked for, in no list, and changed or taken away by nobody."""

import tracemalloc
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from chatkeep.database.tables import conversations
from chatkeep.transfer.exporter import account_as_jsonl
from tests.support.running_service import Person, RunningService
from tests.transfer.formats import examples
from tests.transfer.upload_client import history, imported, whole

CONVERSATIONS = "/api/v1/conversations"
MEGABYTE = 1_000_000


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def with_aside(person: Person, number: int = 1, size: int = MEGABYTE) -> str:
    """Import a conversation with a field that nobody foresaw, of so many characters; return its id."""
    report = await imported(person, examples.chatgpt(number, 2) | {"unforeseen": ["x" * size]})
    return str(report["conversations"][0]["conversation_id"])


async def test_a_list_is_short_however_much_was_set_aside(person: Person) -> None:
    ids = {await with_aside(person, number) for number in range(20)}
    for query in ("limit=200", "limit=200&q=title"):
        answer = await person.client.get(f"{CONVERSATIONS}?{query}")
        assert {each["id"] for each in answer.json()["items"]} == ids
        assert len(answer.content) < 20_000
        assert {each["metadata"]["import"]["source"] for each in answer.json()["items"]} == {"chatgpt"}
        assert all(each["metadata"]["import"].keys() == {"source", "source_id"} for each in answer.json()["items"])
    # One by itself has it.
    for each in list(ids)[:2]:
        one = (await person.client.get(f"{CONVERSATIONS}/{each}")).json()
        assert one["metadata"]["import"]["conversation"]["unforeseen"] == ["x" * MEGABYTE]


@pytest.mark.parametrize("size", [10, 25_000, MEGABYTE])
async def test_a_tag_is_added_and_nothing_that_was_set_aside_goes(person: Person, size: int) -> None:
    conversation_id = await with_aside(person, size=size)
    path = f"{CONVERSATIONS}/{conversation_id}"
    before = (await person.client.get(path)).json()["metadata"]
    for given, rest in (
        (before | {"tag": "x"}, {"tag": "x"}),
        ({"tag": "y"}, {"tag": "y"}),
        ({"import": {"source": "mine"}, "n": 1}, {"n": 1}),
        ({}, {}),
    ):
        answer = await person.client.patch(path, json={"metadata": given})
        assert answer.status_code == 200, answer.text
        assert len(answer.content) < 2_000
        assert answer.json()["metadata"].keys() == {"import", *rest}
        assert (await person.client.get(path)).json()["metadata"] == rest | {"import": before["import"]}
    assert (await whole(person, conversation_id))["metadata"] == {"import": before["import"]}
    # Metadata of one's own is bounded all the same.
    refused = await person.client.patch(path, json={"metadata": before | {"long": "x" * 20_000}})
    assert refused.status_code == 422


async def test_a_conversation_of_here_has_nothing_set_aside(person: Person) -> None:
    path = f"{CONVERSATIONS}/{await person.conversation(metadata={'a': 1})}"
    changed = await person.client.patch(path, json={"metadata": {"b": 2, "import": {"c": 3}}})
    assert changed.json()["metadata"] == {"b": 2}


async def test_a_key_under_v1_changes_metadata_and_leaves_what_was_set_aside(person: Person) -> None:
    conversation_id = await with_aside(person, size=100)
    token = (await person.client.post("/api/v1/auth/tokens", json={"name": "v1"})).json()["token"]
    answer = await person.client.post(
        f"/v1/conversations/conv_{UUID(conversation_id).hex}",
        json={"metadata": {"tag": "x"}},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    kept = (await whole(person, conversation_id))["metadata"]
    assert (kept["tag"], kept["import"]["conversation"]) == ("x", {"unforeseen": ["x" * 100]})


async def test_an_export_holds_little_of_what_was_set_aside_at_a_time(service: RunningService, person: Person) -> None:
    report = await imported(person, [examples.claude(number, 1) for number in range(60)])
    assert report["imported"] == 60
    aside: dict[str, Any] = {"import": {"source": "claude", "unforeseen": [f"{n}" for n in range(100_000)]}}
    async with service.database.transaction() as connection:
        mine = conversations.c.user_id == UUID(person.id)
        await connection.execute(update(conversations).where(mine).values(extra=aside))
    size, chunks = 0, account_as_jsonl(service.database, UUID(person.id))
    async for chunk in chunks:
        size += len(chunk)
        if size > MEGABYTE and not tracemalloc.is_tracing():
            tracemalloc.start()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 40 * MEGABYTE
    # A hundred thousand texts take much more in memory than on the disk: of a few conversations, not of sixty.
    assert peak < 150 * MEGABYTE
    assert len(await history(person)) == 60
