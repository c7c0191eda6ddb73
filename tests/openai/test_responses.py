"""`/v1/responses`, asked by OpenAI's own client of a running service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from chatkeep.chat.models import End, Item, Reasoning, Refusal, Usage
from chatkeep.chat.models.errors import ModelRateLimited
from tests.openai.clients import ApiUser, api_user
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "京都"}'}


class Tea(BaseModel):
    name: str


WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def model() -> HeldModel:
    return HeldModel("Sen", "cha, ", "玉露 ", "and 🍵.")


@pytest.fixture
async def service(shared_database_url: str, model: HeldModel) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        yield service


@pytest.fixture
async def user(service: RunningService) -> ApiUser:
    return await api_user(service)


TEXT = "Sencha, 玉露 and 🍵."


async def test_a_response_is_a_turn_of_a_new_conversation(user: ApiUser, model: HeldModel) -> None:
    made = await user.openai.responses.create(
        model="tea-1",
        input="Name two teas.",
        instructions="Be short.",
        temperature=0.5,
        max_output_tokens=50,
        metadata={"topic": "tea"},
    )
    assert (made.status, made.output_text) == ("completed", TEXT)
    assert (made.model, made.instructions, made.temperature, made.max_output_tokens) == ("tea-1", "Be short.", 0.5, 50)
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (3, 5, 8)
    assert model.prompts[-1].to_openai_messages() == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Name two teas."},
    ]
    assert model.asked[-1] == ("tea-1", {"temperature": 0.5, "max_tokens": 50})
    # The same as ever, also where it is read.
    assert await user.openai.responses.retrieve(made.id) == made
    listed = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [(each["title"], each["metadata"]) for each in listed] == [("Name two teas.", {"origin": "api"})]
    turn = (await user.person.turns(listed[0]["id"]))[0]
    assert (turn["prompt"]["content"], turn["reply"]["content"]) == ("Name two teas.", TEXT)
    assert made.id == "resp_" + turn["id"].replace("-", "")


async def test_every_required_field_is_there(user: ApiUser) -> None:
    answer = await user.http.post("/v1/responses", json={"model": "m", "input": "Hi"})
    assert answer.status_code == 200, answer.text
    required = [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
        "model",
        "previous_response_id",
        "instructions",
        "output",
        "error",
        "tools",
        "tool_choice",
        "truncation",
        "parallel_tool_calls",
        "text",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "temperature",
        "reasoning",
        "usage",
        "max_output_tokens",
        "max_tool_calls",
        "store",
        "background",
        "service_tier",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
    ]
    assert len(required) == 31
    assert set(required) <= answer.json().keys()
    assert answer.json()["text"] == {"format": {"type": "text"}, "verbosity": "medium"}


async def test_the_next_response_goes_on_and_instructions_are_not_inherited(user: ApiUser, model: HeldModel) -> None:
    first = await user.openai.responses.create(model="m", input="One", instructions="Be short.")
    second = await user.openai.responses.create(model="m", input="Two", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert [each["content"] for each in model.prompts[-1].to_openai_messages()] == ["One", TEXT, "Two"]
    # Another answer to the first is a branch.
    third = await user.openai.responses.create(model="m", input="Three", previous_response_id=first.id)
    assert [each["content"] for each in model.prompts[-1].to_openai_messages()] == ["One", TEXT, "Three"]
    assert third.previous_response_id == first.id
    conversations = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [each["turn_count"] for each in conversations] == [3]


async def test_the_stream_is_what_the_clients_helper_wants(user: ApiUser) -> None:
    async with user.openai.responses.stream(model="tea", input="Name teas.") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == TEXT
    names = [event.type for event in events]
    assert names[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert names[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    again = await user.openai.responses.retrieve(final.id)
    assert [(item.id, item.type) for item in again.output] == [(item.id, item.type) for item in final.output]
    assert again.output_text == TEXT


def spoken(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_a_stream_is_read_again_from_after_any_event(user: ApiUser) -> None:
    stream = await user.openai.responses.create(model="m", input="Name teas.", stream=True)
    events = [event async for event in stream]
    whole = [event.to_dict() for event in events]
    response_id = whole[0]["response"]["id"]
    for event in events:
        after = event.sequence_number
        resumed = await user.openai.responses.retrieve(response_id, stream=True, starting_after=after)
        rest = [each async for each in resumed]
        seen = [each for each in events if each.sequence_number <= after]
        assert spoken(seen) + spoken(rest) == TEXT
        others = [each.to_dict() for each in rest if not each.type.endswith(".delta")]
        assert others == [
            each for each in whole if each["sequence_number"] > after and not each["type"].endswith(".delta")
        ]
    assert whole[-1]["type"] == "response.completed"


async def test_a_response_in_the_background_is_polled_followed_and_cancelled_elsewhere(
    shared_database_url: str, service: RunningService, user: ApiUser, model: HeldModel
) -> None:
    model.script = ("Long ", None, "story")
    async with running(shared_database_url, model=model, flush_interval_ms=30) as other:
        elsewhere = user.on(other)
        made = await user.openai.responses.create(model="m", input="Tell.", background=True)
        assert made.status in ("queued", "in_progress")
        followed: list[Any] = []

        async def follow() -> None:
            async for event in await elsewhere.openai.responses.retrieve(made.id, stream=True):
                followed.append(event)  # noqa: PERF401  it is looked at in the meantime

        task = asyncio.create_task(follow())
        while spoken(followed) != "Long ":
            await asyncio.sleep(0.02)
        polled = await elsewhere.openai.responses.retrieve(made.id)
        assert (polled.status, polled.output_text) == ("in_progress", "Long ")
        cancelled = await elsewhere.openai.responses.cancel(made.id)
        assert (cancelled.status, cancelled.output_text) == ("cancelled", "Long ")
        await task
        assert [event.type for event in followed][:3] == ["response.created", "response.queued", "response.in_progress"]
        assert followed[-1].type == "response.incomplete"
        # It has ended: nothing changes any more.
        assert (await user.openai.responses.cancel(made.id)).status == "cancelled"


async def test_tools_are_called_and_answered(user: ApiUser, model: HeldModel) -> None:
    model.script = (Reasoning("Kyoto?", "reasoning_content"), Item(dict(CALL)), End("tool_calls", Usage(3, 5)))
    async with user.openai.responses.stream(input="How is the weather in 京都?", model="m", tools=[WEATHER]) as stream:
        events = [event async for event in stream]
        first = await stream.get_final_response()
    assert [each.type for each in first.output] == ["reasoning", "function_call"]
    call = first.output[1]
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == ("call_1", "weather", CALL["arguments"])
    assert "response.function_call_arguments.done" in [event.type for event in events]
    assert "response.reasoning_text.delta" in [event.type for event in events]
    asked = model.prompts[-1].tools["tools"][0]
    assert (asked["type"], asked["function"]["name"]) == ("function", "weather")
    assert asked["function"]["parameters"]["required"] == ["city"]
    model.script = ("Rain.",)
    output: Any = {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": [{"type": "input_text", "text": "rain"}],
    }
    second = await user.openai.responses.create(model="m", input=[output], previous_response_id=first.id)
    assert second.output_text == "Rain."
    sent = model.prompts[-1].to_openai_messages()
    assert [each["role"] for each in sent] == ["user", "assistant", "tool"]
    assert sent[2]["content"] == "rain"
    kept = (await user.http.get(f"/v1/responses/{second.id}/input_items")).json()["data"]
    assert [(item["type"], item["output"]) for item in kept] == [("function_call_output", output["output"])]


async def test_a_history_that_the_client_sends_is_shown_as_it_is(user: ApiUser, model: HeldModel) -> None:
    history: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "How is the weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        dict(CALL),
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Rain."}],
            "phase": "final_answer",
        },
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "And now?"}, {"type": "input_image", "image_url": PIXEL}],
        },
        {"type": "new_kind_of_item", "id": "x_1", "deep": {"er": [1, None]}},
    ]
    made = await user.openai.responses.create(model="m", input=history)
    sent = model.prompts[-1].to_openai_messages_with_files()
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent[2]["tool_calls"][0]["function"]["name"] == "weather"
    assert sent[2]["reasoning_content"] == "Hm."
    assert [part["type"] for part in sent[5]["content"]] == ["image_url", "text"]
    answer = (await user.http.get(f"/v1/responses/{made.id}/input_items?order=asc&limit=100")).json()
    kept = answer["data"]
    assert [each["type"] for each in kept] == [
        "message",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "message",
        "message",
        "new_kind_of_item",
    ]
    assert [each["role"] for each in kept if each["type"] == "message"] == ["developer", "user", "assistant", "user"]
    assert kept[5]["phase"] == "final_answer"
    assert kept[6]["content"][0] == {"type": "input_text", "text": "And now?"}
    assert kept[6]["content"][1]["file_id"].startswith("file-")
    assert kept[7] == history[7]
    assert all(each["id"] for each in kept)
    # Its title is what the user said.
    listed = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [each["title"] for each in listed] == ["How is the weather?"]
    # What was kept goes on to be shown.
    await user.openai.responses.create(model="m", input="More?", previous_response_id=made.id)
    again = model.prompts[-1].to_openai_messages_with_files()
    assert again[:6] == [{**each} if "reasoning_content" not in each else again[2] for each in sent]
    assert [each["content"] for each in again[6:]] == [TEXT, "More?"]


async def test_pages_of_input_items(user: ApiUser) -> None:
    items: Any = [{"role": "user", "content": f"{number}"} for number in range(55)]
    made = await user.openai.responses.create(model="m", input=items)
    texts = [item.content[0].text async for item in user.openai.responses.input_items.list(made.id, order="asc")]
    assert texts == [f"{number}" for number in range(55)]
    texts = [item.content[0].text async for item in user.openai.responses.input_items.list(made.id, limit=7)]
    assert texts == [f"{number}" for number in reversed(range(55))]


async def test_a_refusal_and_a_cut_reply_are_told_as_such(user: ApiUser, model: HeldModel) -> None:
    model.script = (Refusal("I will not."),)
    async with user.openai.responses.stream(model="m", input="Do harm.") as stream:
        names = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert "response.refusal.done" in names
    assert final.output[0].content[0].refusal == "I will not."
    model.script = ("Half a", End("length", Usage(1, 2)))
    cut = await user.openai.responses.create(model="m", input="Tell.")
    assert (cut.status, cut.incomplete_details and cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert cut.output[0].status == "incomplete"


async def test_structured_output_is_asked_for_and_parsed(user: ApiUser, model: HeldModel) -> None:
    model.script = ('{"name": "Sencha"}',)
    made = await user.openai.responses.parse(model="m", input="One tea.", text_format=Tea)
    assert made.output_parsed == Tea(name="Sencha")
    asked = dict(model.prompts[-1].tools)["response_format"]
    assert (asked["type"], asked["json_schema"]["name"], asked["json_schema"]["strict"]) == ("json_schema", "Tea", True)


async def test_a_failure_is_an_error_that_names_the_kept_response(user: ApiUser, model: HeldModel) -> None:
    model.script = ("Half ", ModelRateLimited("The model server has too much to do."))
    with pytest.raises(openai.RateLimitError) as raised:
        await user.openai.responses.create(model="m", input="Tell.")
    assert raised.value.response.headers["x-should-retry"] == "false"
    body: Any = raised.value.body
    response_id = body["response_id"]
    kept = await user.openai.responses.retrieve(response_id)
    assert (kept.status, kept.output_text) == ("failed", "Half ")
    assert kept.error is not None
    assert kept.error.code == "rate_limit_exceeded"
    stream = await user.openai.responses.create(model="m", input="Tell.", stream=True)
    events = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None


async def test_what_cannot_be_asked(user: ApiUser) -> None:
    ask = user.openai.responses.create
    with pytest.raises(openai.NotFoundError):
        await ask(model="m", input="Hi", previous_response_id="resp_" + "0" * 32)
    with pytest.raises(openai.NotFoundError):
        await ask(model="m", input="Hi", previous_response_id="resp_of_somebody")
    with pytest.raises(openai.BadRequestError) as raised:
        await ask(model="m", input="Hi", previous_response_id="resp_" + "0" * 32, conversation="conv_" + "0" * 32)
    assert raised.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError) as raised:
        await ask(model="m", input="Hi", temperature=3)
    assert raised.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as raised:
        await ask(model="m", input=[{"content": "Hi"}])
    assert raised.value.param == "input[0]"
    with pytest.raises(openai.BadRequestError, match="fetches no address"):
        await ask(
            model="m",
            input=[{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a.png"}]}],
        )
    assert (await user.person.client.get("/api/v1/conversations")).json()["items"] == []


async def test_unknown_fields_are_taken(user: ApiUser) -> None:
    made = await user.openai.responses.create(
        model="m", input="Hi", extra_body={"a_field_of_next_year": {"x": 1}}, user="u"
    )
    assert made.status == "completed"
    assert made.user == "u"


async def test_a_retry_with_the_same_key_joins_the_response(user: ApiUser, model: HeldModel) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await user.openai.responses.create(model="m", input="Hi", extra_headers=headers)
    again = await user.openai.responses.create(model="m", input="Hi", extra_headers=headers)
    assert (again.id, again.output_text) == (first.id, first.output_text)
    assert len(model.prompts) == 1
    with pytest.raises(openai.BadRequestError, match="Idempotency-Key"):
        await user.openai.responses.create(model="m", input="Ho", extra_headers=headers)


async def test_a_second_response_of_a_busy_conversation_is_not_tried_again(user: ApiUser, model: HeldModel) -> None:
    first = await user.openai.responses.create(model="m", input="Hi")
    model.script = ("Long ", None)
    busy = await user.openai.responses.create(model="m", input="Tell.", previous_response_id=first.id, background=True)
    patient = user.openai.with_options(max_retries=2)
    with pytest.raises(openai.ConflictError) as raised:
        await patient.responses.create(model="m", input="Other.", previous_response_id=first.id)
    assert raised.value.code == "turn_in_progress"
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert (await user.openai.responses.cancel(busy.id)).status == "cancelled"


async def test_a_page_of_input_items_ends_whatever_ids_they_came_with(user: ApiUser) -> None:
    first = await user.openai.responses.create(model="m", input="Hi")
    own = first.output[0].id
    given: Any = [
        {"type": "x", "id": each, "n": n} for n, each in enumerate(["a", "a", own, "a", 7, "", "y" * 200, None])
    ]
    made = await user.openai.responses.create(
        model="m", input=[*given, {"type": "x", "n": 8}, {"type": "x", "id": "b"}]
    )
    taken = {"type": "x", "id": f"item_{made.id.removeprefix('resp_')}_1", "n": 0}
    again = await user.openai.responses.create(model="m", input=[taken, {"type": "x", "id": taken["id"], "n": 1}])
    for response, count in ((made, 10), (again, 2)):
        for order in ("asc", "desc"):
            pages = user.openai.responses.input_items.list(response.id, limit=1, order=order)
            items = [item.to_dict() async for item in pages]
            assert len({item["id"] for item in items}) == len(items) == count
            assert all(isinstance(item["id"], str) and item["id"] for item in items)
    items = [item.to_dict() async for item in user.openai.responses.input_items.list(made.id, order="asc")]
    # What can be an id is given back as it came.
    assert (items[0]["id"], items[2]["id"], items[-1]["id"]) == ("a", own, "b")
