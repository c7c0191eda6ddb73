"""Files as somebody sends them who means harm, and files at moments that are chosen badly."""

import asyncio
import base64
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chatkeep.chat.files.queries import MIN_CHARGED_BYTES
from chatkeep.ids import new_id
from tests.accounts.client import value
from tests.chat.files.pictures import FILES, add, png, post
from tests.http.test_bodies import code_of
from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running
from tests.support.urls import driver_url

COUNTS = [f"SELECT count(*) FROM {table} WHERE user_id = :id" for table in ("files", "file_pieces", "turn_files")]
# A script to one reader, a picture to another.
POLYGLOT = b"GIF89a/*" + b"\x10\0" + b"\0" * 8 + b"*/=1;alert(document.cookie)//<script>alert(1)</script>;"


def edit(conversation: str, turn: dict[str, Any]) -> str:
    return f"/api/v1/conversations/{conversation}/turns/{turn['id']}/edit"


async def test_whether_somebody_else_has_the_same_bytes_shows_nowhere(service: RunningService) -> None:
    one, other = await service.person(), await service.person()
    theirs = await add(one, png(shade=1), "one.png")
    same, new = await add(other, png(shade=1), "other.png"), await add(other, png(shade=2), "other.png")
    hidden = {"id", "created_at", "sha256"}
    assert {name: each for name, each in same.items() if name not in hidden} == {
        name: each for name, each in new.items() if name not in hidden
    }
    assert same["id"] != theirs["id"]
    assert same["created_at"] > theirs["created_at"]
    # Each is written as a whole, so that it takes as long.
    assert [await value(service.database, COUNTS[1], id=UUID(each.id)) for each in (one, other)] == [1, 2]
    assert (await one.client.delete(f"{FILES}/{theirs['id']}")).status_code == 204
    assert (await other.client.get(f"{FILES}/{same['id']}/content")).content == png(shade=1)


async def test_an_edited_prompt_names_only_ones_own_files(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    theirs, conversation = await add(other, png()), await person.conversation()
    turn = await person.say(conversation, "?")
    answers = [
        await person.client.post(
            edit(conversation, turn),
            json={"content": "?", "items": [{"type": "image", "file_id": file_id}], "stream": False},
        )
        for file_id in (theirs["id"], str(new_id()))
    ]
    assert [code_of(each, 404) for each in answers] == ["not_found"] * 2
    assert answers[0].content == answers[1].content
    assert await value(service.database, COUNTS[2], id=UUID(person.id)) == 0


async def test_chatstream_s_endpoints_take_no_files(service: RunningService) -> None:
    """They pass over fields that ChatStream does not know, as it does."""
    person, other = await service.person(), await service.person()
    theirs = await add(other, png())
    body = {"user_input": "?", "items": [{"type": "image", "file_id": theirs["id"]}], "file_id": theirs["id"]}
    assert (await person.client.post("/chat_stream", json=body)).status_code == 200
    items = "SELECT count(*) FROM turns WHERE user_id = :id AND prompt_items IS NULL"
    assert await value(service.database, items, id=UUID(person.id)) == 1
    assert await value(service.database, COUNTS[2], id=UUID(person.id)) == 0


async def test_a_polyglot_is_nothing_but_the_picture_that_it_begins_as(service: RunningService) -> None:
    person = await service.person()
    kept = await add(person, POLYGLOT, "evil.js", "text/javascript")
    answer = await person.client.get(f"{FILES}/{kept['id']}/content")
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "evil.gif" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("tea\u202egnp.exe", "teagnp.exe"),
        ("../../etc/pass\x07wd", "passwd"),
        ("C:\\Users\\a\\cup.png", "cup.png"),
        ("\u200b\u2066 \ufeff", "file"),
        ("n" * 5_000, "n" * 200),
        ("a\u2028b\u0085c\x9bd.png", "abcd.png"),
    ],
)
async def test_a_name_keeps_what_can_be_seen(service: RunningService, sent: str, kept: str) -> None:
    person = await service.person()
    item = {"type": "input_file", "filename": sent, "file_data": f"data:,{new_id()}"}
    turn = await person.say(await person.conversation(), "?", items=[item])
    assert turn["prompt"]["items"][0]["name"] == kept
    file = await person.client.get(f"{FILES}/{turn['prompt']['items'][0]['file_id']}/content")
    assert file.headers["content-disposition"].isascii()


async def test_a_data_url_counts_in_the_quota_as_an_upload_does(database_url: str) -> None:
    async with running(database_url, file_quota_bytes=3 * MIN_CHARGED_BYTES) as service:
        person = await service.person()
        conversations = [await person.conversation() for _ in range(6)]

        async def ask(conversation: str, shade: int) -> int:
            url = f"data:image/png;base64,{base64.b64encode(png(shade=shade)).decode()}"
            body = {"content": "?", "items": [{"type": "image", "image_url": url}], "stream": False}
            path = f"/api/v1/conversations/{conversation}/turns"
            return (await person.client.post(path, json=body)).status_code

        asked = [ask(conversation, shade) for shade, conversation in enumerate(conversations)]
        sent = [post(person, png(shade=100 + shade)) for shade in range(3)]
        taken, answers = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*sent))
        statuses = [*taken, *(each.status_code for each in answers)]
        assert sorted(statuses) == [201] * 3 + [403] * 6
        assert await value(service.database, COUNTS[0], id=UUID(person.id)) == 3


async def test_a_conversation_that_is_deleted_while_it_is_answered_takes_its_file_along(database_url: str) -> None:
    model = HeldModel("one ", None, "two")
    async with running(database_url, model=model) as service:
        person = await service.person()
        conversation, kept = await person.conversation(), await add(person, png())
        body = {"content": "hold", "items": [{"type": "image", "file_id": kept["id"]}], "stream": False}
        asking = asyncio.create_task(person.client.post(f"/api/v1/conversations/{conversation}/turns", json=body))
        while not model.asked:
            await asyncio.sleep(0.01)
        assert code_of(await person.client.delete(f"{FILES}/{kept['id']}"), 409) == "file_in_use"
        assert (await person.client.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
        await service.chat.files.sweep()
        model.go_on()
        await asking
        for count in COUNTS:
            assert await value(service.database, count, id=UUID(person.id)) == 0
        assert code_of(await person.client.get(f"{FILES}/{kept['id']}/content"), 404) == "not_found"


async def test_a_turn_that_begins_while_its_conversation_is_deleted_leaves_no_file(
    service: RunningService, shared_database_url: str
) -> None:
    """Behind the look at the conversation's files, a turn with one more would go, and its file stay for ever."""
    person = await service.person()
    conversation, kept = await person.conversation(), await add(person, png(shade=50))
    await person.say(conversation, "?")
    connection = await asyncpg.connect(driver_url(shared_database_url))
    begins = connection.transaction()
    await begins.start()
    await connection.execute("SELECT 1 FROM conversations WHERE id = $1 FOR UPDATE", UUID(conversation))
    deleting = asyncio.create_task(person.client.delete(f"/api/v1/conversations/{conversation}"))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await value(service.database, waiting):
        await asyncio.sleep(0.02)
    await refer_to(connection, person, conversation, kept["id"])
    await begins.commit()
    assert (await deleting).status_code == 204
    await service.chat.files.sweep()
    assert await value(service.database, COUNTS[0], id=UUID(person.id)) == 0
    await connection.close()


async def refer_to(connection: Any, person: Person, conversation: str, file_id: str) -> None:
    """Add a turn with a file, which was looked at and found in use."""
    turn_id, user_id = new_id(), UUID(person.id)
    await connection.execute(
        "INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, params, created_at)"
        " VALUES ($1, $2, $3, 0, 'complete', '?', '{}', now())",
        *(user_id, turn_id, UUID(conversation)),
    )
    await connection.execute("INSERT INTO turn_files VALUES ($1, $2, $3)", user_id, turn_id, UUID(file_id))
    await connection.execute("UPDATE files SET check_at = NULL WHERE user_id = $1", user_id)
