"""`/api/v1/ui/chat` over HTTP, by cookie and by token; tests/clients has it with the AI SDK itself."""

import asyncio
import json
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select

from chatkeep.chat.models import End, Item, Refusal, Usage
from chatkeep.chat.models.errors import ModelRateLimited
from chatkeep.database.tables import conversations
from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running

PATH = "/api/v1/ui/chat"
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "京都"}'}


def said(text: str, role: str = "user", own: str = "u1", **others: Any) -> dict[str, Any]:
    return {"id": own, "role": role, "parts": [{"type": "text", "text": text}], **others}


def body(*messages: dict[str, Any], chat: str = "chat 1", **others: Any) -> dict[str, Any]:
    return {"id": chat, "messages": list(messages), "trigger": "submit-message", **others}


def chunks_in(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def ask(person: Person, *messages: dict[str, Any], **others: Any) -> list[dict[str, Any]]:
    return chunks_in(await person.client.post(PATH, json=body(*messages, **others)))


def kinds(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["type"] for chunk in chunks]


async def messages_of(person: Person, chat: str = "chat 1", **params: Any) -> dict[str, Any]:
    answer = await person.client.get(f"{PATH}/{quote(chat, safe='')}/messages", params=params)
    found: dict[str, Any] = answer.json()
    return found


async def until_running(person: Person, chat: str = "chat 1") -> None:
    while (await messages_of(person, chat))["messages"] == []:
        await asyncio.sleep(0.01)


async def test_the_stream_of_a_plain_reply(person: Person) -> None:
    answer = await person.client.post(PATH, json=body(said("Hi")))
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    chunks = chunks_in(answer)
    assert kinds(chunks) == ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]
    start, finish = chunks[0], chunks[-1]
    assert start["messageId"] == start["messageMetadata"]["turn_id"]
    assert (finish["finishReason"], finish["messageMetadata"]["usage"]["output_tokens"]) == ("stop", 5)
    assert chunks[2]["id"] == chunks[3]["id"] == chunks[4]["id"]
    assert chunks[3]["delta"] == "A reply"


async def test_the_chat_is_a_conversation_like_any_other(person: Person, model: HeldModel) -> None:
    await ask(person, said("How are you?"))
    [listed] = (await person.client.get("/api/v1/conversations")).json()["items"]
    assert (listed["title"], listed["metadata"]) == ("How are you?", {"origin": "ui"})
    # By its own id, too.
    await ask(person, said("And now?"), chat=listed["id"], messages=[said("x"), said("And now?")])
    assert (await person.client.get(f"{PATH}/{listed['id']}/stream")).status_code == 204
    assert await messages_of(person, listed["id"]) == await messages_of(person)
    assert len((await person.client.get("/api/v1/conversations")).json()["items"]) == 1


@pytest.mark.parametrize("chat", ["a/b", "ü?#%2F", "..x", "日本", "x" * 200, "0"])
async def test_a_client_names_its_chats_as_it_likes(person: Person, chat: str) -> None:
    await ask(person, said("Hi"), chat=chat)
    assert [message["role"] for message in (await messages_of(person, chat))["messages"]] == ["user", "assistant"]
    assert (await person.client.get(f"{PATH}/{quote(chat, safe='')}/stream")).status_code == 204


async def test_what_happens_in_a_reply_has_parts_of_its_own(person: Person, model: HeldModel) -> None:
    strange = {"type": "new_kind", "deep": {"er": [1, None]}}
    wrong = {**CALL, "call_id": "call_2", "arguments": "{"}
    model.script = ("Look: ", Item(dict(CALL)), Item(wrong), Item(strange), "after", End("tool_calls", Usage(3, 5)))
    chunks = await ask(person, said("Weather?"))
    assert kinds(chunks)[2:] == [
        "text-start",
        "text-delta",
        "text-end",
        "tool-input-start",
        "tool-input-available",
        "tool-input-start",
        "tool-input-error",
        "data-item",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert chunks[6]["input"] == {"city": "京都"}
    assert chunks[8]["input"] == "{"
    assert chunks[9]["data"] == strange
    assert chunks[2]["id"] != chunks[10]["id"]
    assert chunks[-1]["finishReason"] == "tool-calls"


@pytest.mark.parametrize(("told", "reason"), [("length", "length"), ("content_filter", "content-filter")])
async def test_why_a_reply_ended(person: Person, model: HeldModel, told: Any, reason: str) -> None:
    model.script = (Refusal("I will not."), End(told, Usage(1, 2)))
    chunks = await ask(person, said("Do harm."))
    assert next(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta") == "I will not."
    assert chunks[-1]["finishReason"] == reason


async def test_a_failure_ends_the_stream_with_its_sentence(person: Person, model: HeldModel) -> None:
    model.script = ("Half ", ModelRateLimited("The model server has too much to do."))
    chunks = await ask(person, said("Tell."))
    assert chunks[-1] == {"type": "error", "errorText": "The model server has too much to do."}
    assert (await messages_of(person))["messages"][1]["metadata"]["status"] == "failed"


async def test_a_stream_is_taken_up_from_its_beginning_and_ended_for_all(person: Person, model: HeldModel) -> None:
    model.script = ("Half ", None)
    asked = asyncio.create_task(person.client.post(PATH, json=body(said("Tell."))))
    await until_running(person)
    followed = asyncio.create_task(person.client.get(f"{PATH}/chat%201/stream"))
    await asyncio.sleep(0.1)
    assert (await person.client.post(f"{PATH}/chat%201/stop")).status_code == 204
    one, other = chunks_in(await asked), chunks_in(await followed)
    assert one[-1] == other[-1] == {"type": "abort", "reason": "stopped"}
    assert "".join(chunk.get("delta", "") for chunk in other) == "Half "
    assert one[0]["messageId"] == other[0]["messageId"]
    assert (await person.client.get(f"{PATH}/chat%201/stream")).status_code == 204
    assert (await person.client.post(f"{PATH}/chat%201/stop")).status_code == 204


async def test_the_outputs_of_tools_go_on_in_the_same_message(person: Person, model: HeldModel) -> None:
    model.script = (Item(dict(CALL)), End("tool_calls", Usage(3, 5)))
    start = (await ask(person, said("Weather?")))[0]
    called = {"type": "tool-weather", "toolCallId": "call_1", "input": {"city": "京都"}}
    parts = [{"type": "step-start"}, {**called, "state": "output-available", "output": {"sky": "rain"}}]
    message = {"id": start["messageId"], "role": "assistant", "parts": parts, "metadata": start["messageMetadata"]}
    model.script = ("Rain", None)
    going_on = asyncio.create_task(ask(person, said("Weather?"), message))
    while len(model.prompts) < 2:
        await asyncio.sleep(0.01)
    sent = model.prompts[-1].to_openai_messages()
    assert [each["role"] for each in sent] == ["user", "assistant", "tool"]
    assert sent[2]["content"] == '{"sky": "rain"}'
    resumed = asyncio.create_task(person.client.get(f"{PATH}/chat%201/stream"))
    await asyncio.sleep(0.1)
    model.go_on()
    second = await going_on
    # Both streams say that it belongs to the message that called.
    assert second[0]["messageId"] == chunks_in(await resumed)[0]["messageId"] == start["messageId"]
    assert second[0]["messageMetadata"]["turn_id"] != start["messageId"]
    message = {**message, "parts": [*parts, {"type": "step-start"}], "metadata": second[0]["messageMetadata"]}
    model.script = ("You are welcome.",)
    await ask(person, said("Weather?"), message, said("Thanks"))
    assert [each["role"] for each in model.prompts[-1].to_openai_messages()] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    found = (await messages_of(person))["messages"]
    assert [each["role"] for each in found] == ["user", "assistant", "user", "assistant"]
    assert found[1]["parts"][1]["output"] == {"sky": "rain"}


async def test_instructions_and_tools_of_a_request(person: Person, model: HeldModel) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    await ask(person, said("Be short.", "system"), said("Hi"), tools=[tool], model="other", params={"temperature": 0.5})
    assert model.prompts[-1].tools == {"tools": [tool]}
    assert model.asked[-1] == ("other", {"temperature": 0.5})
    assert model.prompts[-1].to_openai_messages()[0] == {"role": "system", "content": "Be short."}


async def test_pages_of_messages(person: Person) -> None:
    shown: list[dict[str, Any]] = []
    for number in range(5):
        start = (await ask(person, *shown, said(f"{number}")))[0]
        shown += [said(f"{number}"), said("A reply", "assistant", start["messageId"])]
    newest = await messages_of(person, limit=2)
    before = await messages_of(person, limit=200, cursor=newest["next_cursor"])
    texts = [message["parts"][-1]["text"] for message in before["messages"] + newest["messages"]]
    assert texts == [text for number in range(5) for text in (f"{number}", "A reply")]
    assert before["next_cursor"] is None


async def test_nobody_gets_into_anothers_chat(service: RunningService, person: Person, model: HeldModel) -> None:
    start = (await ask(person, said("Secret")))[0]
    conversation_id = start["messageMetadata"]["conversation_id"]
    other = await service.person()
    for chat in ("chat 1", conversation_id):
        assert await messages_of(other, chat) == {"messages": [], "next_cursor": None}
        assert (await other.client.get(f"{PATH}/{quote(chat)}/stream")).status_code == 204
        # What they write goes into a conversation of their own, and the kept turn is none of theirs.
        message = said("A reply", "assistant", start["messageId"], metadata=start["messageMetadata"])
        made = await ask(other, said("x"), message, said("More"), chat=chat)
        assert made[0]["messageMetadata"]["conversation_id"] != conversation_id
        assert [each["content"] for each in model.prompts[-1].to_openai_messages()] == ["x", "A reply", "More"]
    alone = {"id": "x", "message": said("More"), "trigger": "regenerate-message", "messageId": start["messageId"]}
    assert (await other.client.post(PATH, json=alone)).status_code == 404
    assert len((await messages_of(person))["messages"]) == 2
    assert (await person.client.get("/api/v1/conversations")).json()["items"][0]["turn_count"] == 1


async def test_a_running_chat_of_another_is_neither_followed_nor_ended(
    service: RunningService, person: Person, model: HeldModel
) -> None:
    model.script = ("Half ", None, "more")
    asked = asyncio.create_task(ask(person, said("Tell.")))
    await until_running(person)
    [listed] = (await person.client.get("/api/v1/conversations")).json()["items"]
    other = await service.person()
    for chat in ("chat%201", listed["id"]):
        assert (await other.client.get(f"{PATH}/{chat}/stream")).status_code == 204
        assert (await other.client.post(f"{PATH}/{chat}/stop")).status_code == 204
    assert (await person.client.post(PATH, json=body(said("From another window")))).status_code == 409
    model.go_on()
    assert "".join(chunk.get("delta", "") for chunk in await asked) == "Half more"


async def test_who_may_ask(service: RunningService, person: Person) -> None:
    nobody = service.client()
    assert (await nobody.post(PATH, json=body(said("Hi")))).status_code == 401
    for method, path in (("GET", "stream"), ("GET", "messages"), ("POST", "stop")):
        assert (await nobody.request(method, f"{PATH}/x/{path}")).status_code == 401
    # Threat: another site has a browser send its user's cookie.
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    forged = await person.client.post(PATH, json=body(said("Hi")), headers=evil)
    assert forged.status_code == 403
    stopped = await person.client.post(f"{PATH}/x/stop", headers=evil)
    assert stopped.status_code == 403
    assert (await person.client.get("/api/v1/conversations")).json()["items"] == []
    token = (await person.client.post("/api/v1/auth/tokens", json={"name": "x"})).json()["token"]
    bearer = service.client(headers={"Authorization": f"Bearer {token}"})
    assert chunks_in(await bearer.post(PATH, json=body(said("Hi"))))[-1]["type"] == "finish"


async def test_a_retry_with_the_same_key_joins_the_turn(person: Person, model: HeldModel) -> None:
    answers = [
        chunks_in(await person.client.post(PATH, json=body(said("Hi")), headers={"Idempotency-Key": "once"}))
        for _ in range(2)
    ]
    assert answers[0][0]["messageId"] == answers[1][0]["messageId"]
    assert "".join(chunk.get("delta", "") for chunk in answers[1]) == "A reply"
    assert len(model.prompts) == 1


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": "x"},
        {"id": "", "messages": [said("Hi")]},
        {"id": "x" * 201, "messages": [said("Hi")]},
        {"id": "x", "messages": []},
        {"id": "x", "messages": [{"role": "tool", "parts": []}]},
        {
            "id": "x",
            "messages": [said("Hi"), said("A reply", "assistant", "unknown")][:0] or [{"role": "user", "parts": []}],
        },
        {"id": "x", "messages": [said("Hi")], "trigger": "resume"},
        {"id": "x", "message": said("Hi"), "messageId": "u1"},
        {
            "id": "x",
            "messages": [
                {
                    "role": "user",
                    "parts": [{"type": "file", "mediaType": "image/png", "url": "https://x.example/a.png"}],
                }
            ],
        },
    ],
)
async def test_what_cannot_be_asked(service: RunningService, person: Person, given: dict[str, Any]) -> None:
    answer = await person.client.post(PATH, json=given)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    async with service.database.transaction() as connection:
        mine = select(func.count()).where(conversations.c.user_id == UUID(person.id))
        assert (await connection.execute(mine)).scalar_one() == 0


async def test_a_message_of_the_assistants_alone_asks_nothing(person: Person) -> None:
    start = (await ask(person, said("Hi")))[0]
    answer = await person.client.post(PATH, json=body(said("Hi"), said("A reply", "assistant", start["messageId"])))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_full_service_keeps_nothing_of_a_new_chat(shared_database_url: str) -> None:
    model = HeldModel("Half ", None)
    async with running(shared_database_url, model=model, max_generations=1, max_queued=0) as service:
        person, other = await service.person(), await service.person()
        asked = asyncio.create_task(ask(person, said("Tell.")))
        await until_running(person)
        refused = await other.client.post(PATH, json=body(said("Hi")))
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_generations")
        assert (await other.client.get("/api/v1/conversations")).json()["items"] == []
        model.go_on()
        await asked
