"""`/v1/chat/completions`, asked by OpenAI's own client: one turn is added to what is kept of its history."""

import asyncio
from typing import Any

import openai
import pytest

from chatkeep.chat.models import End, Item, Reasoning, Usage
from chatkeep.chat.models.errors import ModelNotFound
from tests.openai.clients import ApiUser, api_user, api_user_of
from tests.openai.test_responses import CALL, PIXEL
from tests.support.models import HeldModel
from tests.support.running_service import RunningService

Messages = list[dict[str, Any]]


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


class Talk:
    """A client that keeps its history itself."""

    def __init__(self, user: ApiUser, model: HeldModel) -> None:
        self.user, self.model = user, model
        self.messages: Messages = []

    async def say(self, content: str, reply: str) -> Any:
        self.messages.append(said("user", content))
        return await self.again(reply)

    async def again(self, reply: str) -> Any:
        """Send the history as it is, and add the reply."""
        self.model.script = (reply,)
        made = await self.user.openai.chat.completions.create(model="m", messages=self.messages)
        self.messages.append(said("assistant", made.choices[0].message.content))
        return made


async def conversations(user: ApiUser) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    return items


async def path(user: ApiUser, number: int = 0) -> list[tuple[str, str]]:
    """Return what stands on the active path of a conversation, oldest first."""
    turns = await user.person.turns((await conversations(user))[number]["id"], order="asc")
    return [(turn["prompt"]["content"], turn["reply"]["content"]) for turn in turns]


def shown(model: HeldModel) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in model.prompts[-1].to_openai_messages()]


async def test_a_history_that_grows_is_one_conversation(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    talk.messages.append(said("system", "Be short."))
    first = await talk.say("One", " Eins \n")
    assert first.choices[0].message.content == " Eins \n"
    assert (first.choices[0].finish_reason, first.usage.total_tokens, first.object) == ("stop", 8, "chat.completion")
    talk.messages[-1]["content"] = "Eins"  # clients trim
    talk.messages[0]["content"] = "Be short. It is 10:01."
    await talk.say("Two", "Zwei")
    await talk.say("Three", "Drei")
    assert len(await conversations(user)) == 1
    assert await path(user) == [("One", " Eins \n"), ("Two", "Zwei"), ("Three", "Drei")]
    assert shown(model) == [
        ("system", "Be short. It is 10:01."),
        ("user", "One"),
        ("assistant", " Eins \n"),
        ("user", "Two"),
        ("assistant", "Zwei"),
        ("user", "Three"),
    ]
    kept = (await conversations(user))[0]
    assert (kept["metadata"], kept["title"], kept["system_prompt"]) == ({"origin": "api"}, "One", None)


async def test_a_regeneration_and_an_edit_are_branches(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    await talk.say("One", "Eins")
    await talk.say("Two", "Zwei")
    talk.messages.pop()
    await talk.again("Two again")
    assert await path(user) == [("One", "Eins"), ("Two", "Two again")]
    talk.messages[2:] = [said("user", "Deux")]
    await talk.again("Edited")
    assert await path(user) == [("One", "Eins"), ("Deux", "Edited")]
    # Going on with the first answer is possible for as long as it is kept.
    talk.messages[2:] = [said("user", "Two"), said("assistant", "Zwei"), said("user", "Three")]
    await talk.again("Drei")
    assert await path(user) == [("One", "Eins"), ("Two", "Zwei"), ("Three", "Drei")]
    assert [(each["turn_count"]) for each in await conversations(user)] == [5]


async def test_a_change_far_back_is_a_branch_with_all_that_follows_it(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    for number in ("One", "Two", "Three"):
        await talk.say(number, f"{number}!")
    talk.messages[3]["content"] = "Something that I never said"
    await talk.say("Four", "Four!")
    assert len(await conversations(user)) == 1
    assert [reply for _, reply in await path(user)] == ["One!", "Four!"]
    # The model sees what the client sent.
    assert [content for _, content in shown(model)] == [
        "One",
        "One!",
        "Two",
        "Something that I never said",
        "Three",
        "Three!",
        "Four",
    ]
    await talk.say("Five", "Five!")
    assert [reply for _, reply in await path(user)] == ["One!", "Four!", "Five!"]


async def test_a_client_that_leaves_out_the_beginning_goes_on_with_the_right_conversation(
    user: ApiUser, model: HeldModel
) -> None:
    others = Talk(user, model)
    await others.say("Other", "Another")
    await others.say("Four", "Other four")
    talk = Talk(user, model)
    for number in ("One", "Two", "Three", "Four"):
        await talk.say(number, f"{number}!")
    for trimmed in (4, 5, 2):
        talk.messages = talk.messages[-trimmed:]
        sent = [message["content"] for message in talk.messages]
        await talk.say(f"After {trimmed}", "Yes.")
        contents = [content for _, content in shown(model)]
        # No more than the client sent, but for the prompt of a reply that it sent without.
        assert contents[-len(sent) - 1 :] == [*sent, f"After {trimmed}"]
        assert len(contents) <= len(sent) + 2
    assert sorted(each["turn_count"] for each in await conversations(user)) == [2, 7]
    assert [prompt for prompt, _ in await path(user)] == [
        "One",
        "Two",
        "Three",
        "Four",
        "After 4",
        "After 5",
        "After 2",
    ]


async def test_a_history_from_elsewhere_is_kept_whole(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    talk.messages = [
        said("user", "Never"),
        said("assistant", "seen"),
        said("user", "here"),
        said("assistant", "before"),
    ]
    await talk.say("Now?", "Now!")
    assert shown(model)[1] == ("assistant", "seen")
    assert [reply for _, reply in await path(user)] == ["Now!"]
    await talk.say("And then?", "Then.")
    assert [reply for _, reply in await path(user)] == ["Now!", "Then."]
    assert len(shown(model)) == 7


async def test_two_conversations_that_begin_alike_are_two(user: ApiUser, model: HeldModel) -> None:
    one, two = Talk(user, model), Talk(user, model)
    await one.say("Hi", "Hello")
    await two.say("Hi", "Hello")
    assert len(await conversations(user)) == 2
    await one.say("Tea", "Yes")
    await two.say("Coffee", "No")
    await one.say("Green?", "Green.")
    await two.say("Black?", "Black.")
    kept = [await path(user, number) for number in range(2)]
    assert sorted(len(each) for each in kept) in ([1, 5], [3, 3], [1, 3])
    found = [turn for each in kept for turn in each]
    assert ("Green?", "Green.") in found or ("Black?", "Black.") in found


async def test_nobody_goes_on_with_somebody_elses_history(
    service: RunningService, user: ApiUser, model: HeldModel
) -> None:
    talk = Talk(user, model)
    await talk.say("Secret", "Kept")
    other = Talk(await api_user(service), model)
    other.messages = list(talk.messages)
    await other.say("More", "No")
    assert await path(user) == [("Secret", "Kept")]
    assert len(await conversations(other.user)) == 1
    assert [content for _, content in shown(model)] == ["Secret", "Kept", "More"]


async def test_the_stream_has_the_chunks_that_clients_know(user: ApiUser, model: HeldModel) -> None:
    model.script = (Reasoning("Hm. ", "reasoning_content"), "A ", "reply", End("length", Usage(3, 5)))
    asked: Any = {"model": "m", "messages": [said("user", "Hi")]}
    stream = await user.openai.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert "".join(delta.content or "" for delta in deltas) == "A reply"
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "Hm. "
    assert "".join(getattr(delta, "reasoning", "") for delta in deltas) == "Hm. "
    assert chunks[-2].choices[0].finish_reason == "length"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 5)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1
    whole = await user.openai.chat.completions.retrieve(chunks[0].id)
    assert (whole.choices[0].message.content, whole.choices[0].message.reasoning_content) == ("A reply", "Hm. ")
    plain = [chunk async for chunk in await user.openai.chat.completions.create(**asked, stream=True)]
    assert all(chunk.choices for chunk in plain)


async def test_tools_are_called_and_answered(user: ApiUser, model: HeldModel) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    model.script = (Item(dict(CALL)), End("tool_calls", Usage(3, 5)))
    messages: Messages = [said("user", "Weather?")]
    async with user.openai.chat.completions.stream(model="m", messages=messages, tools=[tool]) as stream:
        async for _ in stream:
            pass
        first = await stream.get_final_completion()
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", CALL["arguments"])
    assert model.prompts[-1].tools == {"tools": [tool]}
    # Another spelling of the same arguments, as some clients write them anew.
    again = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"\\u4eac\\u90fd"}'},
    }
    messages += [{"role": "assistant", "content": None, "tool_calls": [again]}]
    messages += [{"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
    model.script = ("Rain.",)
    second = await user.openai.chat.completions.create(model="m", messages=messages, tools=[tool])
    assert second.choices[0].message.content == "Rain."
    sent = model.prompts[-1].to_openai_messages()
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert [each["turn_count"] for each in await conversations(user)] == [2]
    messages += [said("assistant", "Rain."), said("user", "Thanks")]
    await user.openai.chat.completions.create(model="m", messages=messages)
    assert [each["turn_count"] for each in await conversations(user)] == [3]


@pytest.mark.parametrize("calls", [5, True, "x", {"id": "a"}, [5, None, {"id": 1, "function": {}}]])
async def test_calls_that_are_none_are_passed_over(user: ApiUser, model: HeldModel, calls: object) -> None:
    said = {"role": "assistant", "content": "One", "tool_calls": calls}
    messages = [{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "And?"}]
    answer = await user.http.post("/v1/chat/completions", json={"model": "m", "messages": messages})
    assert answer.status_code == 200, answer.text
    assert [message["content"] for message in model.prompts[-1].to_openai_messages()] == ["Hi", "One", "And?"]


async def test_pictures_of_the_history_are_recognised(user: ApiUser, model: HeldModel) -> None:
    picture = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
    messages: Messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    made = await user.openai.chat.completions.create(model="m", messages=messages)
    content: Any = model.prompts[-1].to_openai_messages_with_files()[-1]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert (content[0]["image_url"]["url"], content[0]["image_url"]["detail"]) == (PIXEL, "low")
    messages += [said("assistant", made.choices[0].message.content), said("user", "And its colour?")]
    await user.openai.chat.completions.create(model="m", messages=messages)
    assert [each["turn_count"] for each in await conversations(user)] == [2]
    assert len(model.prompts[-1].to_openai_messages_with_files()) == 3


async def test_a_client_that_hangs_up_stops_the_reply_and_goes_on_with_what_it_saw(
    user: ApiUser, model: HeldModel
) -> None:
    model.script = ("Half of ", "it ", None, "and more")
    messages: Messages = [said("user", "Tell.")]
    stream = await user.openai.chat.completions.create(model="m", messages=messages, stream=True)
    seen = ""
    async for chunk in stream:
        seen += chunk.choices[0].delta.content or ""
        if seen:
            break
    await stream.close()
    model.script = ("Gladly.",)
    messages += [said("assistant", seen.strip()), said("user", "Go on.")]
    await user.openai.chat.completions.create(model="m", messages=messages)
    assert await path(user) == [("Tell.", "Half of it "), ("Go on.", "Gladly.")]
    first = (await user.person.turns((await conversations(user))[0]["id"], order="asc"))[0]
    assert first["status"] == "stopped"


async def test_two_at_once_in_one_conversation_are_both_answered(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    await talk.say("One", "Eins")
    model.script = ("Slow ", None, "reply")
    create = user.openai.chat.completions.create
    slow = asyncio.create_task(create(model="m", messages=[*talk.messages, said("user", "Slowly")]))
    while len(model.prompts) < 2:
        await asyncio.sleep(0.02)
    model.script = ("Quick",)
    quick = await create(model="m", messages=[*talk.messages, said("user", "Quickly")])
    assert quick.choices[0].message.content == "Quick"
    assert [content for _, content in shown(model)] == ["One", "Eins", "Quickly"]
    model.go_on()
    assert (await slow).choices[0].message.content == "Slow reply"


async def test_failures_are_errors_whole_and_in_mid_stream(user: ApiUser, model: HeldModel) -> None:
    model.script = ("Half", ModelNotFound("The model server has no such model."))
    asked: Any = {"model": "none", "messages": [said("user", "Hi")]}
    with pytest.raises(openai.NotFoundError) as raised:
        await user.openai.chat.completions.create(**asked)
    assert (raised.value.code, raised.value.response.headers["x-should-retry"]) == ("model_not_found", "false")
    seen: list[Any] = []

    async def read() -> None:
        async for chunk in await user.openai.chat.completions.create(**asked, stream=True):
            seen.append(chunk.choices[0].delta.content)  # noqa: PERF401  what came before the failure counts

    with pytest.raises(openai.APIError, match="no such model"):
        await read()
    assert "".join(seen) == "Half"
    wrongs: list[dict[str, Any]] = [{"n": 2}, {"temperature": 9}, {"messages": []}, {"messages": [{"content": "x"}]}]
    for wrong in wrongs:
        with pytest.raises(openai.BadRequestError) as refused:
            await user.openai.chat.completions.create(**(asked | wrong))
        assert str(refused.value.param).startswith(next(iter(wrong)))


async def test_a_retry_with_the_same_key_joins_the_first(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    for content in ("One", "Two"):
        messages = [*talk.messages, said("user", content)]
        headers = {"Idempotency-Key": f"key of {content}".replace(" ", "-")}
        model.script = (f"{content}!",)
        create = user.openai.chat.completions.create
        made = [await create(model="m", messages=messages, extra_headers=headers) for _ in range(2)]
        assert made[0].id == made[1].id
        talk.messages = [*messages, said("assistant", f"{content}!")]
    assert await path(user) == [("One", "One!"), ("Two", "Two!")]


async def test_a_completion_is_deleted(user: ApiUser, model: HeldModel) -> None:
    talk = Talk(user, model)
    first = await talk.say("Secret", "Eins")
    await talk.say("Two", "Zwei")
    deleted = await user.openai.chat.completions.delete(first.id)
    assert (deleted.deleted, deleted.object) == (True, "chat.completion.deleted")
    with pytest.raises(openai.NotFoundError):
        await user.openai.chat.completions.retrieve(first.id)
    assert await path(user) == [("", ""), ("Two", "Zwei")]
    kept = (await user.person.client.get("/api/v1/export")).text
    assert "Secret" not in kept


async def test_a_client_that_tries_again_by_itself_joins_what_it_began(
    service: RunningService, user: ApiUser, model: HeldModel
) -> None:
    model.script = ("A reply", None)
    messages: Messages = [said("user", "Tell.")]
    impatient = api_user_of(user.person, user.token, service, max_retries=1, timeout=1.0).openai
    with pytest.raises(openai.APITimeoutError):
        await impatient.chat.completions.create(model="m", messages=messages)
    assert len(model.prompts) == 1
    model.go_on()
    headers = {"x-stainless-retry-count": "2"}
    create = user.openai.chat.completions.create
    joined = await create(model="m", messages=messages, extra_headers=headers)
    assert joined.choices[0].message.content == "A reply"
    streamed = [chunk async for chunk in await create(model="m", messages=messages, stream=True, extra_headers=headers)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "A reply"
    assert {chunk.id for chunk in streamed} == {joined.id}
    assert [each["turn_count"] for each in await conversations(user)] == [1]
    # Another request, somebody else's, and the same once more on purpose are turns of their own.
    await create(model="m", messages=messages, temperature=0.5, extra_headers=headers)
    await (await api_user(service)).openai.chat.completions.create(model="m", messages=messages, extra_headers=headers)
    await create(model="m", messages=messages)
    assert len(model.prompts) == 4
    assert len(await conversations(user)) == 3


async def test_a_retry_of_what_failed_is_a_turn_of_its_own(user: ApiUser, model: HeldModel) -> None:
    messages: Messages = [said("user", "Tell.")]
    model.script = ("Half ", ModelNotFound("There is no such model."))
    with pytest.raises(openai.NotFoundError):
        await user.openai.chat.completions.create(model="m", messages=messages)
    model.script = ("A reply",)
    headers = {"x-stainless-retry-count": "1"}
    made = await user.openai.chat.completions.create(model="m", messages=messages, extra_headers=headers)
    assert made.choices[0].message.content == "A reply"
    assert len(await conversations(user)) == 2
