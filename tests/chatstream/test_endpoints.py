"""ChatStream's endpoints on the service: what its front ends send, and what they get."""

from typing import Any

import pytest

from chatkeep.ids import new_id
from tests.chatstream.front_end import CONVERSATION, MESSAGE_ID, FrontEnd
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running

DEFAULTS = {"temperature": 1.0, "top_k_value": None, "top_p_value": 1.0}
ALL = [
    ("POST", "/chat_stream"),
    ("POST", "/clear_context"),
    ("GET", "/get_prompt"),
    ("POST", "/set_generation_params"),
    ("GET", "/get_generation_params"),
    ("POST", "/set_feedback"),
    ("GET", "/get_load"),
    ("GET", "/get_resource_usage"),
]


async def newest(front: FrontEnd) -> list[dict[str, Any]]:
    """Return the user's conversations, newest activity first."""
    items: list[dict[str, Any]] = (await front.client.get("/api/v1/conversations")).json()["items"]
    return items


async def turns(front: FrontEnd, conversation: str) -> list[dict[str, Any]]:
    answer = await front.client.get(f"/api/v1/conversations/{conversation}/turns", params={"order": "asc"})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_each_chunk_holds_the_whole_text_so_far(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    reply = await alice.chat("私の名前は花子です。count to 40")
    assert len(reply.texts) > 1
    assert all(later.startswith(earlier) for earlier, later in zip(reply.texts, reply.texts[1:], strict=False))
    (turn,) = await turns(alice, reply.conversation)
    assert (turn["id"], turn["status"]) == (reply.message_id, "complete")
    assert (turn["prompt"]["content"], turn["reply"]["content"]) == ("私の名前は花子です。count to 40", reply.text)


async def test_the_session_remembers_its_conversation(service: RunningService) -> None:
    person = await service.person()
    alice = FrontEnd(person.client)
    first = await alice.chat("My name is Alice.")
    second = await alice.chat("What is my name?")
    assert "Alice" in second.text
    assert first.conversation == second.conversation
    assert [turn["id"] for turn in await turns(alice, first.conversation)] == [first.message_id, second.message_id]


async def test_nothing_is_begun_by_looking(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    assert (await alice.get("/get_prompt")).json() == {"success": True, "message": "no prompt", "prompt": None}
    assert (await alice.get("/get_generation_params")).json()["generation_params"] == DEFAULTS
    assert (await alice.post("/clear_context")).json() == {"success": True, "message": "success"}
    assert await newest(alice) == []


async def test_the_prompt_is_percent_encoded(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    reply = await alice.chat("a/b & 日本?")
    raw = (await alice.get("/get_prompt")).json()["prompt"]
    assert raw.startswith("user%3A%20a%2Fb%20%26%20%E6%97%A5%E6%9C%AC%3F%0A")
    assert await alice.prompt() == f"user: a/b & 日本?\nassistant: {reply.text}\n"


async def test_a_long_conversations_prompt_is_its_newest_part(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("yes"), context_tokens=256) as service:
        alice = FrontEnd((await service.person()).client)
        for number in range(30):
            await alice.chat(f"question {number}")
        prompt = await alice.prompt()
    assert prompt is not None
    assert "question 29" in prompt
    assert "question 0\n" not in prompt


async def test_regenerating_asks_the_last_prompt_again(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    first = await alice.chat("My name is Alice.")
    again = await alice.chat("this is not read", regenerate=True)
    assert again.message_id != first.message_id
    (turn,) = await turns(alice, first.conversation)
    assert (turn["id"], turn["prompt"]["content"]) == (again.message_id, "My name is Alice.")
    assert turn["siblings"] == {"count": 2, "position": 2}


async def test_an_empty_conversation_has_nothing_to_answer_again(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    answer = await alice.post("/chat_stream", {"regenerate": True})
    assert (answer.status_code, answer.json()["success"], answer.json()["error"]) == (422, False, "invalid_request")


async def test_clearing_begins_a_new_conversation_and_keeps_the_old_one(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    await alice.post("/set_generation_params", {"temperature": 0.25})
    old = await alice.chat("My name is Alice.")
    cleared = await alice.post("/clear_context")
    assert cleared.json() == {"success": True, "message": "success"}
    assert await alice.prompt() is None
    assert (await alice.get("/get_generation_params")).json()["generation_params"]["temperature"] == 0.25
    new = await alice.chat("What is my name?")
    assert "Alice" not in new.text
    assert cleared.headers[CONVERSATION] == new.conversation != old.conversation
    assert [turn["id"] for turn in await turns(alice, old.conversation)] == [old.message_id]
    assert {each["id"] for each in await newest(alice)} == {old.conversation, new.conversation}


async def test_clearing_twice_leaves_no_empty_conversations(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    await alice.chat("Hi")
    for _ in range(3):
        await alice.post("/clear_context")
    assert len(await newest(alice)) == 2


async def test_the_system_prompt_outlives_clearing(shared_database_url: str) -> None:
    model = HeldModel("yes")
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        alice = FrontEnd(person.client)
        conversation = (await alice.chat("one")).conversation
        await person.client.patch(f"/api/v1/conversations/{conversation}", json={"system_prompt": "Be brief."})
        await alice.post("/clear_context")
        await alice.chat("two")
    assert model.prompts[-1].to_openai_messages() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "two"},
    ]


async def test_generation_parameters_reach_the_model(shared_database_url: str) -> None:
    model = HeldModel("yes")
    async with running(shared_database_url, model=model) as service:
        alice = FrontEnd((await service.person()).client)
        body = {"temperature": 0.5, "top_k_value": 7, "top_p_value": 0.9}
        expected = {"success": True, "message": "success", "generation_params": body}
        assert (await alice.post("/set_generation_params", body)).json() == expected
        await alice.chat("one")
        assert (await alice.get("/get_generation_params")).json() == expected
        # What is left out goes back to its default, and an unknown name is ignored.
        answer = await alice.post("/set_generation_params", {"temperature": 0.25, "bogus": 1})
        assert answer.json()["generation_params"] == DEFAULTS | {"temperature": 0.25}
        await alice.chat("two")
    assert [params for _, params in model.asked] == [
        {"temperature": 0.5, "top_k": 7, "top_p": 0.9},
        {"temperature": 0.25},
    ]


@pytest.mark.parametrize("body", [{"temperature": "x"}, {"temperature": -1}, {"top_p_value": 7}, {"top_k_value": 0.5}])
async def test_wrong_generation_parameters_are_refused(service: RunningService, body: dict[str, Any]) -> None:
    alice = FrontEnd((await service.person()).client)
    answer = await alice.post("/set_generation_params", body)
    assert (answer.status_code, answer.json()["success"]) == (422, False)
    assert (await alice.get("/get_generation_params")).json()["generation_params"] == DEFAULTS


async def test_feedback_is_kept_with_the_turn(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    reply = await alice.chat("Hi")
    await alice.post("/clear_context")  # and still found afterwards
    body = {"message_id": reply.message_id, "is_like": False, "form_data": {"why": "遅い"}}
    answer = await alice.post("/set_feedback", body)
    assert answer.json() == {"success": True, "message": "success", "target_message_id": reply.message_id}
    (turn,) = await turns(alice, reply.conversation)
    assert turn["feedback"] == {"rating": -1, "comment": '{"why": "遅い"}'}
    await alice.post("/set_feedback", {"message_id": reply.message_id, "is_like": True, "form_data": "thanks"})
    (turn,) = await turns(alice, reply.conversation)
    assert turn["feedback"] == {"rating": 1, "comment": "thanks"}
    await alice.post("/set_feedback", {"message_id": reply.message_id})
    (turn,) = await turns(alice, reply.conversation)
    assert turn["feedback"] is None


async def test_feedback_on_someone_elses_reply_is_feedback_on_nothing(service: RunningService) -> None:
    alice, bob = FrontEnd((await service.person()).client), FrontEnd((await service.person()).client)
    reply = await alice.chat("Hi")
    theirs = await bob.post("/set_feedback", {"message_id": reply.message_id, "is_like": True})
    nothing = await bob.post("/set_feedback", {"message_id": str(new_id()), "is_like": True})
    assert (theirs.status_code, theirs.json()) == (nothing.status_code, nothing.json())
    assert (theirs.status_code, theirs.json()["error"]) == (404, "not_found")
    (turn,) = await turns(alice, reply.conversation)
    assert turn["feedback"] is None


@pytest.mark.parametrize(
    "form_data",
    [r'"\u0000"', '"' + "x" * 10_001 + '"', r'{"a": "\u0000"}', r'{"a": "\ud800"}'],
    ids=["nul", "long", "nul in it", "surrogate"],
)
async def test_feedback_that_cannot_be_kept_is_refused(service: RunningService, form_data: str) -> None:
    alice = FrontEnd((await service.person()).client)
    reply = await alice.chat("Hi")
    content = f'{{"message_id": "{reply.message_id}", "is_like": true, "form_data": {form_data}}}'
    headers = {"Content-Type": "application/json"}
    answer = await alice.client.post("/set_feedback", content=content, headers=headers)
    assert (answer.status_code, answer.json()["success"]) == (422, False)


async def test_the_load_and_the_memory_are_figures_of_this_process(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, max_generations=1, max_queued=2) as service:
        alice, bob = FrontEnd((await service.person()).client), FrontEnd((await service.person()).client)
        idle = (await alice.get("/get_load")).json()
        async with alice.streaming(user_input="Hi") as (_, texts):
            await anext(texts)
            busy = (await bob.get("/get_load")).json()["chatstream_workers"][0]
            model.go_on()
        usage = (await alice.get("/get_resource_usage")).json()["memory_usage"][0]
    assert idle == {
        "success": True,
        "message": "success",
        "chatstream_workers": [
            {
                "name": "chatkeep",
                "processing": 0,
                "waiting": 0,
                "_num_of_next_queue": 0,
                "_num_of_request_queue": 0,
                "max_processing": 1,
                "max_waiting": 2,
            }
        ],
    }
    assert (busy["processing"], busy["waiting"]) == (1, 0)
    assert (usage["num_gpus"], usage["gpus"]) == (0, [])
    assert 0 < usage["cpu"]["used_memory"] < usage["cpu"]["total_memory"]


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_nobody_in_particular_gets_401(service: RunningService, method: str, path: str) -> None:
    body = {"user_input": "Hi", "message_id": str(new_id())} if method == "POST" else None
    answer = await service.client().request(method, path, json=body)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert (answer.json()["success"], answer.json()["error"]) == (False, "not_authenticated")


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"{bad", 422, "invalid_json"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"user_input": 1}', 422, "invalid_request"),
        (b'{"user_input": ""}', 422, "invalid_request"),
        (b'{"user_input": "\\ud800"}', 422, "invalid_text"),
        (b'{"user_input": "' + b"x" * 1_200_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    service: RunningService, content: bytes, status: int, error: str
) -> None:
    alice = FrontEnd((await service.person()).client)
    headers = {"Content-Type": "application/json"}

    async def in_pieces() -> Any:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    answer = await alice.client.post("/chat_stream", content=in_pieces(), headers=headers)
    assert (answer.status_code, answer.json()["success"], answer.json()["error"]) == (status, False, error)
    assert MESSAGE_ID not in answer.headers
    assert await newest(alice) == []


async def test_a_body_that_is_not_json_is_refused(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    answer = await alice.client.post("/chat_stream", content=b'{"user_input": "Hi"}')
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


async def test_a_page_of_another_site_cannot_speak_for_the_user(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    answer = await alice.client.post(
        "/chat_stream", json={"user_input": "Hi"}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert await newest(alice) == []
