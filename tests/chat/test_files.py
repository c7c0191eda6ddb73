"""Files in a turn's life: referred to, shown to the model, counted, refused in words, swept when nothing has them."""

import asyncio
import base64
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from chatkeep.chat.files import contents as file_contents
from chatkeep.chat.files.media_types import IMAGE_TOKENS
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from chatkeep.clock import utc_now
from chatkeep.ids import new_id
from tests.accounts.client import change, value
from tests.chat.files.pictures import FILES, SVG, add, png
from tests.chat.models.streams import ROLE, STOP, refusal, says
from tests.http.test_bodies import code_of
from tests.support.models import HeldModel
from tests.support.process import serving
from tests.support.running_service import Person, RunningService, running
from tests.support.urls import driver_url
from tests.upstream.raw import Answer, RawServer

REFERENCES = "SELECT count(*) FROM turn_files WHERE user_id = :id"
KEPT = "SELECT count(*) FROM files WHERE user_id = :id"
PIECES = "SELECT count(*) FROM file_pieces WHERE user_id = :id"
USAGE = "SELECT coalesce(sum(bytes), 0) FROM file_usage WHERE user_id = :id"
LONG_AGO = "UPDATE files SET check_at = now() - interval '1 second' WHERE user_id = :id"


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def turns(conversation: str, *rest: str) -> str:
    return "/".join([f"/api/v1/conversations/{conversation}/turns", *rest])


async def asked(person: Person, conversation: str, items: list[Any], content: str = "?") -> httpx2.Response:
    return await person.client.post(turns(conversation), json={"content": content, "items": items, "stream": False})


def sent(model: HeldModel) -> list[dict[str, Any]]:
    return [dict(message) for message in model.prompts[-1].to_openai_messages_with_files()]


async def test_a_picture_is_kept_by_reference_and_sent_with_every_later_turn(shared_database_url: str) -> None:
    model, data = HeldModel("Green tea."), png(30, 20)
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        conversation, kept = await person.conversation(), await add(person, data)
        turn = await person.say(conversation, "Which tea?", items=[{"type": "image", "file_id": kept["id"]}])
        item = {
            "type": "image",
            "file_id": kept["id"],
            "name": "tea.png",
            "media_type": "image/png",
            "size": len(data),
            "tokens": IMAGE_TOKENS,
        }
        assert turn["prompt"]["items"] == [item, {"type": "message", "start": 0, "end": 10}]
        question = {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": data_url(data)}},
                {"type": "text", "text": "Which tea?"},
            ],
        }
        assert sent(model) == [question]
        await person.say(conversation, "And now?")
        assert sent(model)[0] == question
        # A model that takes text alone is told that there is one.
        assert model.prompts[-1].to_openai_messages()[0]["content"] == (
            "[Here is the file “tea.png”, which you cannot see.]\n\nWhich tea?"
        )
        assert await value(service.database, REFERENCES, id=UUID(person.id)) == 1


async def test_a_data_url_becomes_a_file_once(service: RunningService) -> None:
    person, data = await service.person(), png(3, 5)
    conversation = await person.conversation()
    items: list[Any] = [
        {"type": "input_image", "image_url": data_url(data)},
        {"type": "image", "image_url": {"url": data_url(data)}},
        {"type": "image_url", "image_url": {"url": data_url(data), "detail": "low"}},
        {"type": "input_file", "filename": "notes.md", "file_data": "data:,Sencha%20%E8%8C%B6"},
    ]
    turn = (await asked(person, conversation, items)).json()
    first, second, third, text, _ = turn["prompt"]["items"]
    assert (first["type"], text["type"], text["name"], text["size"]) == ("image", "file", "notes.md", 10)
    assert first == second == third
    content = await person.client.get(f"{FILES}/{text['file_id']}/content")
    assert content.text == "Sencha 茶"
    assert await value(service.database, KEPT, id=UUID(person.id)) == 2
    row = await value(service.database, "SELECT prompt_items::text FROM turns WHERE user_id = :id", id=UUID(person.id))
    assert "base64" not in str(row)


@pytest.mark.parametrize(
    ("item", "status", "code"),
    [
        ({"type": "image", "image_url": "https://example.org/tea.png"}, 422, "invalid_request"),
        ({"type": "image", "image_url": "http://127.0.0.1/"}, 422, "invalid_request"),
        ({"type": "image"}, 422, "invalid_request"),
        ({"type": "image", "file_id": 7}, 422, "invalid_request"),
        ({"type": "image", "file_id": "f"}, 422, "invalid_request"),
        ({"type": "image", "file_id": str(new_id())}, 404, "not_found"),
        ({"type": "image", "image_url": data_url(SVG, "image/svg+xml")}, 422, "invalid_request"),
        ({"type": "image", "image_url": "data:image/png;base64,?"}, 422, "invalid_request"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/tea.png"}}, 422, "invalid_request"),
        ({"type": "image_url", "image_url": {"url": 7}}, 422, "invalid_request"),
        ({"type": "image_url"}, 422, "invalid_request"),
        ({"type": "image_url", "image_url": {"url": data_url(b"Sencha", "image/png")}}, 422, "invalid_request"),
        ({"type": "file", "file_data": data_url(b"\0\1\2")}, 422, "file_type_not_allowed"),
    ],
)
async def test_what_is_no_file_of_ones_own_is_refused_and_nothing_is_kept(
    service: RunningService, item: dict[str, Any], status: int, code: str
) -> None:
    person = await service.person()
    conversation = await person.conversation()
    assert code_of(await asked(person, conversation, [item]), status) == code
    assert await person.turns(conversation) == []


async def test_somebody_elses_file_is_as_if_it_were_missing(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    theirs = await add(other, png())
    conversation = await person.conversation()
    answers = [
        await asked(person, conversation, [{"type": "image", "file_id": file_id}])
        for file_id in (theirs["id"], str(new_id()))
    ]
    assert [code_of(answer, 404) for answer in answers] == ["not_found"] * 2
    assert answers[0].content == answers[1].content


async def test_a_prompt_has_a_few_files(service: RunningService) -> None:
    person = await service.person()
    kept, conversation = await add(person, png()), await person.conversation()
    refused = await asked(person, conversation, [{"type": "image", "file_id": kept["id"]}] * 11)
    assert code_of(refused, 422) == "invalid_request"


async def test_a_text_is_sent_between_fences_that_it_cannot_end(shared_database_url: str) -> None:
    model = HeldModel("ok")
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        kept = await add(person, b"\xef\xbb\xbf# Tea\n````\ncode\n````\n", "tea.md")
        await person.say(await person.conversation(), "Read", items=[{"type": "file", "file_id": kept["id"]}])
    text = "File “tea.md”:\n`````\n# Tea\n````\ncode\n````\n`````\n\nRead"
    assert sent(model) == [{"role": "user", "content": text}]
    assert model.prompts[-1].to_openai_messages() == sent(model)


async def test_a_pdf_is_sent_as_a_file(shared_database_url: str) -> None:
    model, data = HeldModel("ok"), b"%PDF-1.7\n\x00\xff"
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        kept = await add(person, data, "tea.pdf")
        await person.say(await person.conversation(), "Read", items=[{"type": "file", "file_id": kept["id"]}])
    part = {"type": "file", "file": {"filename": "tea.pdf", "file_data": data_url(data, "application/pdf")}}
    assert sent(model)[0]["content"][0] == part


async def test_the_same_prompt_again_has_its_files_and_an_edited_one_those_that_it_names(
    shared_database_url: str,
) -> None:
    model = HeldModel("ok")
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        kept, conversation = await add(person, png()), await person.conversation()
        items = [{"type": "image", "file_id": kept["id"]}]
        turn = await person.say(conversation, "Which?", items=items)
        again = await person.client.post(turns(conversation, turn["id"], "regenerate"), json={"stream": False})
        assert again.json()["prompt"] == turn["prompt"]
        assert sent(model)[0]["content"][0]["type"] == "image_url"
        edit = turns(conversation, turn["id"], "edit")
        with_it = await person.client.post(edit, json={"content": "That?", "items": items, "stream": False})
        assert with_it.json()["prompt"]["items"][0]["file_id"] == kept["id"]
        without = await person.client.post(edit, json={"content": "That?", "stream": False})
        assert without.json()["prompt"]["items"] is None
        assert await value(service.database, REFERENCES, id=UUID(person.id)) == 3


async def test_a_retry_with_a_data_url_joins_its_turn(service: RunningService) -> None:
    person = await service.person()
    conversation = await person.conversation()
    body = {
        "content": "Which?",
        "items": [{"type": "image", "image_url": data_url(png(shade=3))}],
        "stream": False,
    }
    headers = {"Idempotency-Key": "k1"}
    answers = [await person.client.post(turns(conversation), json=body, headers=headers) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_pictures_count_in_the_context(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("ok"), context_tokens=3 * IMAGE_TOKENS) as service:
        person = await service.person()
        conversation = await person.conversation()
        shown = []
        for shade in range(4):
            kept = await add(person, png(shade=shade))
            turn = await person.say(conversation, "?", items=[{"type": "image", "file_id": kept["id"]}])
            shown.append(turn["context"])
    assert shown == [
        {"turns": 0, "left_out": 0},
        {"turns": 1, "left_out": 0},
        {"turns": 1, "left_out": 1},
        {"turns": 1, "left_out": 2},
    ]


async def test_as_many_bytes_are_sent_as_may_be_held_the_newest_first(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HeldModel("ok")
    monkeypatch.setattr(file_contents, "MAX_LOADED_BYTES", 150)
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        conversation = await person.conversation()
        for shade in range(3):
            kept = await add(person, png(shade=shade), f"{shade}.png")
            await person.say(conversation, "?", items=[{"type": "image", "file_id": kept["id"]}])
    kinds = [
        part if isinstance(part, str) else part[0]["type"]
        for part in (message["content"] for message in sent(model) if message["role"] == "user")
    ]
    assert kinds == [
        "[Here is the file “0.png”, which you cannot see.]\n\n?",
        "image_url",
        "image_url",
    ]


REFUSALS = {
    "vllm": refusal(400, {"object": "error", "message": "llama is not a multimodal model", "code": 400}),
    "llama.cpp": refusal(
        500,
        {
            "error": {
                "code": 500,
                "message": "image input is not supported - hint: you may need to provide the mmproj",
                "type": "server_error",
            }
        },
    ),
    "ollama": refusal(500, {"error": {"message": "this model is missing data required for image input"}}),
    "openrouter": refusal(404, {"error": {"message": "No endpoints found that support image input", "code": 404}}),
    "openai": refusal(
        400, {"error": {"message": "Invalid content type. image_url is only supported by certain models."}}
    ),
    "deepseek": refusal(
        422, "Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text` at line 1"
    ),
    "groq": refusal(400, {"error": {"message": "'messages.0' : content must be a string"}}),
    "pydantic": refusal(
        422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]}
    ),
}


ANSWERED = Answer(ROLE + says("Sencha.") + STOP)


async def test_a_model_that_takes_no_pictures_says_so_in_words(shared_database_url: str) -> None:
    with RawServer({name: (answer,) for name, answer in REFUSALS.items()}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="unused", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            kept = await add(person, png())
            for name in REFUSALS:
                items = [{"type": "image", "file_id": kept["id"]}]
                turn = await person.say(await person.conversation(), "Which?", items=items, model=name)
                assert (turn["status"], turn["error"]["code"]) == ("failed", "model_takes_no_images"), (name, turn)
                assert f"The model “{name}” takes no pictures" in turn["error"]["detail"]
                assert turn["prompt"]["items"][0]["file_id"] == kept["id"]


async def test_after_a_picture_that_a_model_does_not_take_the_conversation_goes_on(shared_database_url: str) -> None:
    answers = {name: (answer, answer, ANSWERED) for name, answer in REFUSALS.items()}
    with RawServer(answers) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="unused", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            kept = await add(person, png(), "cup.png")
            for name in REFUSALS:
                conversation, items = await person.conversation(), [{"type": "image", "file_id": kept["id"]}]
                assert (await person.say(conversation, "Which?", items=items, model=name))["status"] == "failed"
                turn = await person.say(conversation, "Any tea, then.", model=name)
                assert (turn["status"], turn["reply"]["content"]) == ("complete", "Sencha."), (name, turn)
                assert turn["reply"]["items"] == [
                    {"type": "pictures_left_out", "names": ["cup.png"]},
                    {"type": "message", "start": 0, "end": 7},
                ]
                assert upstream.requests[-1][2]["messages"] == [
                    {
                        "role": "user",
                        "content": "[Here is the file “cup.png”, which you cannot see.]\n\nWhich?\n\nAny tea, then.",
                    }
                ]


async def test_a_picture_of_the_new_prompt_is_never_left_out(shared_database_url: str) -> None:
    refused = REFUSALS["vllm"]
    with RawServer({"m": (refused, refused, ANSWERED)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            conversation, items = await person.conversation(), []
            for shade in range(2):
                items = [{"type": "image", "file_id": (await add(person, png(shade=shade)))["id"]}]
                turn = await person.say(conversation, "Which?", items=items)
                assert (turn["status"], turn["error"]["code"]) == ("failed", "model_takes_no_images")
            assert len(upstream.requests) == 2


async def test_an_empty_reply_without_pictures_is_still_empty(shared_database_url: str) -> None:
    refused = REFUSALS["vllm"]
    with RawServer({"m": (refused, refused, Answer(ROLE + STOP))}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            conversation, kept = await person.conversation(), await add(person, png())
            await person.say(conversation, "Which?", items=[{"type": "image", "file_id": kept["id"]}])
            assert (await person.say(conversation, "And now?"))["error"]["code"] == "empty_reply"


async def test_without_a_picture_the_same_words_mean_something_else(shared_database_url: str) -> None:
    with RawServer({"vllm": (REFUSALS["vllm"],)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="vllm", retry_pause_seconds=0.001)
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            turn = await person.say(await person.conversation(), "Which?")
            assert turn["error"]["code"] == "model_bad_request"


async def test_a_server_that_takes_pictures_is_sent_one(shared_database_url: str) -> None:
    with RawServer({"m": (Answer(ROLE + says("Sencha.") + STOP),)}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m")
        async with running(shared_database_url, model=model) as service:
            person = await service.person()
            kept = await add(person, png())
            items = [{"type": "image", "file_id": kept["id"]}]
            turn = await person.say(await person.conversation(), "Which?", items=items)
            assert (turn["status"], turn["reply"]["content"]) == ("complete", "Sencha.")


async def test_a_file_of_a_turn_is_not_deleted_and_goes_with_its_conversation(service: RunningService) -> None:
    person = await service.person()
    kept, conversation = await add(person, png()), await person.conversation()
    await person.say(conversation, "?", items=[{"type": "image", "file_id": kept["id"]}])
    assert code_of(await person.client.delete(f"{FILES}/{kept['id']}"), 409) == "file_in_use"
    id_ = UUID(person.id)
    # Looked at while a turn has it, it stays and is not looked at again.
    await change(service.database, LONG_AGO, id=id_)
    await service.chat.files.sweep()
    assert await value(service.database, "SELECT count(*) FROM files WHERE user_id = :id AND check_at IS NULL", id=id_)
    assert (await person.client.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
    await service.chat.files.sweep()
    for count in (KEPT, PIECES, USAGE, REFERENCES):
        assert await value(service.database, count, id=id_) == 0


async def test_what_nothing_refers_to_is_swept_after_a_day(service: RunningService) -> None:
    person = await service.person()
    await add(person, png())
    store = service.chat.files
    await store.sweep()
    assert await value(service.database, KEPT, id=UUID(person.id)) == 1
    tomorrow = utc_now() + timedelta(days=1, minutes=1)
    later = FileStore(store.database, lambda: tomorrow, max_bytes=1, quota_bytes=1)
    await later.sweep()
    assert await value(service.database, KEPT, id=UUID(person.id)) == 0


async def test_files_under_a_legal_hold_are_not_swept(service: RunningService) -> None:
    person = await service.person()
    await add(person, png())
    id_ = UUID(person.id)
    await change(service.database, "UPDATE users SET legal_hold = true WHERE id = :id", id=id_)
    await change(service.database, LONG_AGO, id=id_)
    assert await service.chat.files.sweep() == 0
    assert await value(service.database, KEPT, id=id_) == 1
    await change(service.database, "UPDATE users SET legal_hold = false WHERE id = :id", id=id_)


async def test_a_file_that_is_swept_while_a_turn_begins_is_either_kept_or_missing(service: RunningService) -> None:
    person, store = await service.person(), service.chat.files
    id_ = UUID(person.id)
    outcomes = set()
    for shade in range(20):
        kept, conversation = await add(person, png(shade=shade)), await person.conversation()
        await change(service.database, LONG_AGO, id=id_)
        items = [{"type": "image", "file_id": kept["id"]}]
        answer, _ = await asyncio.gather(asked(person, conversation, items), store.sweep())
        content = await person.client.get(f"{FILES}/{kept['id']}/content")
        outcomes.add((answer.status_code, content.status_code))
        assert content.status_code == (200 if answer.status_code == 201 else 404)
    assert outcomes <= {(201, 200), (404, 404)}


async def test_after_kill_9_in_the_middle_of_an_upload_nothing_of_it_is_there(
    database_url: str, tmp_path: Path
) -> None:
    data = b"".join(b"%07d\n" % number for number in range(400_000))
    async with serving(tmp_path, database_url=database_url) as service:
        client = httpx2.AsyncClient(base_url=service.url, timeout=30)
        person = await registered(client)
        whole = await add(person, png())
        connection = await asyncpg.connect(driver_url(database_url))
        # Its pieces wait for each other: so the process dies between two of them.
        await connection.execute("ALTER TABLE file_pieces ADD CONSTRAINT slow CHECK (pg_sleep(0.05) IS NOT NULL)")
        sending = asyncio.create_task(add(person, data, "numbers.txt"))
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO file_pieces%' AND state <> 'idle'"
        ):
            await asyncio.sleep(0.01)
        await service.end(signal.SIGKILL)
        with pytest.raises(httpx2.HTTPError):
            await sending
        await client.aclose()
    await connection.execute("ALTER TABLE file_pieces DROP CONSTRAINT slow")
    rows = await connection.fetch("SELECT id FROM files")
    assert [str(row["id"]) for row in rows] == [whole["id"]]
    assert await connection.fetchval("SELECT count(*) FROM file_pieces") == 1
    assert await connection.fetchval("SELECT sum(bytes) FROM file_usage") == 4096
    await connection.close()


async def test_after_kill_9_between_a_file_and_its_turn_the_file_is_swept_a_day_later(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database_url=database_url) as service:
        client = httpx2.AsyncClient(base_url=service.url, timeout=30)
        person = await registered(client)
        kept = await add(person, png())
        await service.end(signal.SIGKILL)
        await client.aclose()
    async with running(database_url) as other:
        there = Person(other.client(cookies=person.client.cookies), person.id, person.username)
        assert (await there.client.get(f"{FILES}/{kept['id']}")).json() == kept
        await change(other.database, LONG_AGO, id=UUID(person.id))
        assert await other.chat.files.sweep() == 1
        assert (await there.client.get(f"{FILES}/{kept['id']}")).status_code == 404


async def registered(client: httpx2.AsyncClient) -> Person:
    body = {"username": f"user-{new_id()}", "password": "tests have long passwords"}
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return Person(client, answer.json()["id"], body["username"])


async def test_a_guests_files_go_to_the_account_that_they_sign_in_to(database_url: str) -> None:
    async with running(database_url, allow_guests=True) as service:
        person, client = await service.person(), service.client()
        same, data = await add(person, png(shade=1)), png(shade=2)
        guest = Person(client, "", "")
        # Sending a file is what begins a guest.
        again = await add(guest, png(shade=1))
        guest_id = UUID((await client.get("/api/v1/auth/me")).json()["id"])
        kept, conversation = await add(guest, data), await guest.conversation()
        await guest.say(conversation, "?", items=[{"type": "image", "file_id": kept["id"]}])
        body = {"username": person.username, "password": "tests have long passwords"}
        assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
        for file_id in (same["id"], again["id"], kept["id"]):
            assert (await client.get(f"{FILES}/{file_id}/content")).status_code == 200
        (turn,) = await guest.turns(conversation)
        assert turn["prompt"]["items"][0]["file_id"] == kept["id"]
        assert code_of(await client.delete(f"{FILES}/{kept['id']}"), 409) == "file_in_use"
        for count in (KEPT, PIECES, USAGE, REFERENCES):
            assert await value(service.database, count, id=guest_id) == 0
        assert await value(service.database, USAGE, id=UUID(person.id)) == 3 * 4096


async def test_an_administrator_opens_a_file_on_record(service: RunningService) -> None:
    person, administrator, data = await service.person(), await service.administrator(), png(shade=5)
    kept = await add(person, data)
    path = f"/api/v1/admin/users/{person.id}/files/{kept['id']}/content"
    answer = await administrator.client.get(path, headers={"X-Audit-Reason": "Complaint 4711"})
    assert answer.content == data
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    log = (await person.client.get("/api/v1/auth/me/access-log")).json()["items"]
    assert [each["action"] for each in log] == ["file_read"]
    query = {"action": "file_read", "subject_id": person.id}
    (event,) = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"]
    assert (event["reason"], event["details"]["file_id"]) == ("Complaint 4711", kept["id"])
    assert (await person.client.get(path)).status_code == 403


async def test_an_administrator_is_shown_pictures_alone_and_only_the_files_of_who_is_named(database_url: str) -> None:
    async with running(database_url, require_audit_reason=True) as service:
        person, other, administrator = await service.person(), await service.person(), await service.administrator()
        kept, because = await add(person, SVG, "a.svg", "image/png"), {"X-Audit-Reason": "Complaint 4711"}
        path = f"/api/v1/admin/users/{person.id}/files/{kept['id']}/content"
        assert code_of(await administrator.client.get(path), 428) == "audit_reason_required"
        answer = await administrator.client.get(path, headers=because)
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"
        elsewhere = f"/api/v1/admin/users/{other.id}/files/{kept['id']}/content"
        assert code_of(await administrator.client.get(elsewhere, headers=because), 404) == "not_found"
        assert code_of(await administrator.client.get(f"{FILES}/{kept['id']}/content"), 404) == "not_found"
        for owner, count in ((person, 1), (other, 0)):
            log = (await owner.client.get("/api/v1/auth/me/access-log")).json()["items"]
            assert len(log) == count
