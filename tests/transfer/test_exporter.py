"""Files of one's own history, over HTTP."""

import json
import secrets
import tracemalloc
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update

from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.database.tables import turns
from chatkeep.transfer.exporter import account_as_jsonl
from tests.chat.files.pictures import add, png
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import imported

TITLE = '../../etc/"お茶"\r\nSet-Cookie: a=b; \u202egpj.exe'


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


@pytest.fixture(scope="module")
async def branched(person: Person) -> dict[str, Any]:
    """A conversation with two branches, of which the second is the active one; its turns by what was asked."""
    conversation_id = await person.conversation(title="Tea", system_prompt="Be brief.", metadata={"a": [1, "ü"]})
    first = await person.say(conversation_id, "おはよう")
    second = await person.say(conversation_id, "second")
    answer = await person.client.post(
        f"/api/v1/conversations/{conversation_id}/turns/{second['id']}/edit", json={"content": "other", "stream": False}
    )
    other = answer.json()
    feedback = f"/api/v1/conversations/{conversation_id}/turns/{second['id']}/feedback"
    await person.client.put(feedback, json={"rating": -1, "comment": "no"})
    return {"id": conversation_id, "turns": [first, second, other]}


async def export(person: Person, conversation_id: str, file_format: str) -> httpx2.Response:
    path = f"/api/v1/conversations/{conversation_id}/export"
    answer = await person.client.get(path, params={"format": file_format})
    assert answer.status_code == 200, answer.text
    return answer


async def turn(person: Person, conversation_id: str, turn_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await person.client.get(f"/api/v1/conversations/{conversation_id}/turns/{turn_id}")).json()
    return found


async def test_json_has_the_conversation_and_its_whole_tree(person: Person, branched: dict[str, Any]) -> None:
    answer = await export(person, branched["id"], "json")
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    turns = told.pop("turns")
    assert told.pop("format") == "chatkeep/1"
    assert told == (await person.client.get(f"/api/v1/conversations/{branched['id']}")).json()
    assert turns == [await turn(person, branched["id"], each["id"]) for each in branched["turns"]]


async def test_jsonl_is_the_active_path_one_turn_a_line(person: Person, branched: dict[str, Any]) -> None:
    answer = await export(person, branched["id"], "jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.split("\n")[:-1]]
    assert lines == await person.turns(branched["id"], order="asc")
    assert [line["prompt"]["content"] for line in lines] == ["おはよう", "other"]


async def test_markdown_is_the_active_path_to_read(person: Person, branched: dict[str, Any]) -> None:
    text = (await export(person, branched["id"], "markdown")).text
    first, _, other = branched["turns"]
    parts = ["# Tea\n", "Be brief.", "おはよう", first["reply"]["content"], "other", other["reply"]["content"]]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "second" not in text


async def test_a_title_becomes_a_name_that_is_safe(person: Person) -> None:
    conversation_id = await person.conversation(title=TITLE)
    answer = await export(person, conversation_id, "markdown")
    plain, _, named = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert plain == f'attachment; filename="conversation-{conversation_id}.md"'
    assert "set-cookie" not in answer.headers
    assert "%E3%81%8A%E8%8C%B6" in named
    assert not {"/", "\\", '"', ";", "\r", "\n"} & set(named)
    assert "%2F" not in named
    assert "%E2%80%AE" not in named


async def test_an_empty_conversation_is_a_file_too(person: Person) -> None:
    conversation_id = await person.conversation()
    assert (await export(person, conversation_id, "json")).json()["turns"] == []
    assert (await export(person, conversation_id, "jsonl")).text == ""
    assert (await export(person, conversation_id, "markdown")).text == "# Conversation\n\n"


async def test_a_format_that_is_not_there_is_said(person: Person) -> None:
    path = f"/api/v1/conversations/{await person.conversation()}/export"
    assert code_of(await person.client.get(path, params={"format": "pdf"}), 422) == "invalid_request"


async def test_an_account_is_all_of_its_conversations_one_a_line(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Batches that end in a conversation's middle, at its end, and with conversations that have no turns.
    monkeypatch.setattr("chatkeep.transfer.exporter.CONVERSATIONS_PER_BATCH", 3)
    monkeypatch.setattr("chatkeep.transfer.exporter.TURNS_PER_BATCH", 2)
    person, other = await service.person(), await service.person()
    await other.say(await other.conversation(), "not mine")
    ids = [await person.conversation() for _ in range(8)]
    for number, count in ((1, 3), (2, 2), (5, 1), (6, 4)):
        for each in range(count):
            await person.say(ids[number], f"{number} {each}")
    answer = await person.client.get("/api/v1/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="chatkeep-history.jsonl"'
    lines = [json.loads(line) for line in answer.text.split("\n")[:-1]]
    assert [line["id"] for line in lines] == ids
    assert lines == [(await export(person, each, "json")).json() for each in ids]
    assert [len(line["turns"]) for line in lines] == [0, 3, 2, 0, 0, 1, 4, 0]


async def test_an_account_without_conversations_is_an_empty_file(service: RunningService) -> None:
    answer = await (await service.person()).client.get("/api/v1/export")
    assert (answer.status_code, answer.text) == (200, "")


async def test_no_connection_is_held_while_a_client_reads_slowly(service: RunningService) -> None:
    person = await service.person()
    conversation_id = await person.conversation()
    long = "長" * 250_000
    for _ in range(3):
        await person.say(conversation_id, long)
    streams = [service.client(cookies=dict(person.client.cookies)).stream("GET", "/api/v1/export") for _ in range(20)]
    # More of them than there are connections, none of which reads its answer.
    for stream in streams:
        assert (await stream.__aenter__()).status_code == 200
    assert (await person.client.get(f"/api/v1/conversations/{conversation_id}")).status_code == 200
    for stream in streams:
        await stream.__aexit__(None, None, None)


async def test_memory_does_not_grow_with_what_is_exported(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.transfer.exporter.TURNS_PER_BATCH", 10)
    monkeypatch.setattr("chatkeep.admin.history_export.PAGE_ROWS", 10)
    person, administrator = await service.person(), await service.administrator()
    prompt = ChatPrompt()
    for _ in range(400):
        prompt.add_requester_msg("?")
        prompt.add_responder_msg("!")
    await imported(person, prompt.to_dict())
    async with service.database.transaction() as connection:
        await connection.execute(update(turns).values(reply="x" * 25_000).where(turns.c.user_id == UUID(person.id)))
    history = f"/api/v1/admin/history/export?user_id={person.id}&format="
    conversation = (await person.client.get("/api/v1/conversations")).json()["items"][0]["id"]
    one = f"/api/v1/conversations/{conversation}/export?format="
    for asker, path in (
        (person, "/api/v1/export"),
        (person, f"{one}html"),
        (person, f"{one}markdown"),
        (administrator, f"{history}csv"),
        (administrator, f"{history}jsonl"),
    ):
        size, before = 0, 0
        assert (await asker.client.get(path)).status_code == 200  # the first one compiles statements, which are kept
        tracemalloc.start()
        try:
            async with asker.client.stream("GET", path) as answer:
                before, _ = tracemalloc.get_traced_memory()
                async for chunk in answer.aiter_bytes():
                    size += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size > 10_000_000
        assert peak - before < 4_000_000, path


async def test_memory_does_not_grow_with_files_or_with_conversations(service: RunningService) -> None:
    """Pictures of megabytes, of which a page has the bytes, and hundreds of conversations, each with a page."""
    person, conversations = await service.person(), 300
    chats = [[{"role": "user", "content": f"{each} " + "長い " * 2_000}] for each in range(conversations)]
    await imported(person, [{"id": str(each), "messages": chat} for each, chat in enumerate(chats)])
    conversation_id = await person.conversation(title="Pictures")
    for shade in range(3):
        picture = await add(person, png(2_500, 2_500, shade=shade) + secrets.token_bytes(4_000_000))
        await person.say(conversation_id, "Which?", items=[{"type": "image", "file_id": picture["id"]}])
    for path, least in (
        (f"/api/v1/conversations/{conversation_id}/export?format=html", 16_000_000),
        (f"/api/v1/conversations/{conversation_id}/export?format=zip", 12_000_000),
        ("/api/v1/export?format=html", 12_000_000),
    ):
        size = 0
        assert (await person.client.get(path)).status_code == 200
        tracemalloc.start()
        try:
            async with person.client.stream("GET", path) as answer:
                before, _ = tracemalloc.get_traced_memory()
                async for chunk in answer.aiter_bytes():
                    size += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size > least, path
        assert peak - before < 6_000_000, path


async def test_what_begins_after_the_export_is_not_in_it(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.transfer.exporter.TURNS_PER_BATCH", 1)
    person = await service.person()
    conversation_id = await person.conversation()
    turns = [await person.say(conversation_id, "one"), await person.say(conversation_id, "two")]
    chunks = account_as_jsonl(service.database, UUID(person.id))
    text = await anext(chunks)
    # A branch that begins in what was read already, and goes on in what was not.
    path = f"/api/v1/conversations/{conversation_id}/turns/{turns[0]['id']}/edit"
    await person.client.post(path, json={"content": "late", "stream": False})
    await person.say(conversation_id, "later")
    text += b"".join([chunk async for chunk in chunks])
    assert [turn["prompt"]["content"] for turn in json.loads(text)["turns"]] == ["one", "two"]
