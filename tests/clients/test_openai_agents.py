"""openai-agents with `OpenAIConversationsSession`, which needs nothing but our address, and without a session."""

import pytest

from tests.clients.installed import PROGRAMS, Part, parts_of
from tests.support.running_service import RunningService

Parts = dict[str, Part]


@pytest.fixture(scope="module")
async def parts(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return await parts_of(service, tmp_path_factory.mktemp("agents"), PROGRAMS / "agents_sdk.py")


async def test_a_session_is_a_conversation(parts: Parts) -> None:
    part = parts["session"]
    items, replies = part.found["items"], part.found["replies"]
    assert replies[1].startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    assert [(item["role"], item["content"][0]["text"]) for item in items] == [
        ("user", "My name is Alice."),
        ("assistant", replies[0]),
        ("user", "What is my name?"),
        ("assistant", replies[1]),
    ]
    # It is on the page once: no response is kept beside it.
    assert await part.client.prompts() == [["My name is Alice.", replies[0], "What is my name?", replies[1]]]


async def test_a_run_is_streamed(parts: Parts) -> None:
    found = parts["stream"].found
    assert found["said"] == found["final"] != ""
    assert [item["content"][0]["text"] for item in found["items"]] == ["Count to three.", found["final"]]


async def test_tools_are_called(parts: Parts) -> None:
    found = parts["tools"].found
    assert found["replies"][:2] == ["The tools said: rain in Kyoto"] * 2
    assert found["kinds"] == ["message", "function_call", "function_call_output", "message"] * 2 + ["message"] * 2


async def test_items_are_popped(parts: Parts) -> None:
    found = parts["pop"].found
    assert (found["popped"], found["left"], found["nothing"]) == (["assistant", "user"], [], None)
    assert found["last"][:2] == ["Item 54", "After many"]
    assert found["count"] == 57


async def test_a_session_is_cleared(parts: Parts) -> None:
    part = parts["clear"]
    assert part.found[0] == "Two"
    assert [prompts[0].partition("\n")[0] for prompts in await part.client.prompts()] == ["Two"]


async def test_a_run_adds_turns_to_a_conversation(parts: Parts) -> None:
    part = parts["conversation"]
    path = (await part.client.paths())[0]
    assert len(await part.client.conversations()) == 1
    assert [reply for _, reply in path] == [part.found[0], "", part.found[1], part.found[2]]
    assert [prompt for prompt, _ in path] == ["My name is Alice.", "How is the weather?", "", "What is my name?"]
    assert part.found[1] == "The tools said: rain in Kyoto"


async def test_responses_follow_each_other(parts: Parts) -> None:
    part = parts["chain"]
    assert part.found[1].startswith("Turn 2. You wrote: What is my name?")
    assert part.found[2] == "The tools said: rain in Kyoto"
    assert [len(path) for path in await part.client.paths()] == [4]


async def test_chat_completions_of_an_agent(parts: Parts) -> None:
    part = parts["completions"]
    assert part.found[0] == "The tools said: rain in Kyoto"
    assert [len(path) for path in await part.client.paths()] == [3]
