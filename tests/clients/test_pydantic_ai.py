"""pydantic-ai, by both of its models for OpenAI's API."""

import pytest

from tests.clients.installed import PROGRAMS, Part, parts_of
from tests.support.running_service import RunningService

Parts = dict[str, Part]
BY = ["completions", "responses"]


@pytest.fixture(scope="module")
async def parts(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return await parts_of(service, tmp_path_factory.mktemp("pydantic_ai"), PROGRAMS / "pydantic_ai_agents.py")


@pytest.mark.parametrize("by", BY)
async def test_a_conversation(parts: Parts, by: str) -> None:
    found = parts[by].found
    assert found["text"].startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    assert found["chunks"] > 2
    assert found["tokens"] > 0


async def test_a_history_of_completions_is_one_conversation(parts: Parts) -> None:
    assert await parts["completions"].client.prompts() == [["My name is Alice.", "What is my name?"]]
    assert [len(path) for path in await parts["completions_tools"].client.paths()] == [3]


@pytest.mark.parametrize("by", BY)
async def test_tools_are_called(parts: Parts, by: str) -> None:
    first, second = parts[f"{by}_tools"].found
    assert first == "The tools said: rain in Kyoto"
    assert second.startswith("Turn 2. You wrote: Thanks")


@pytest.mark.parametrize("by", BY)
async def test_an_answer_of_a_type_is_parsed(parts: Parts, by: str) -> None:
    assert parts[f"{by}_parsed"].found == {"name": "Kyoto", "steeped_seconds": 7}


async def test_responses_follow_each_other(parts: Parts) -> None:
    part = parts["chain"]
    assert part.found.startswith("Turn 2. You wrote: What is my name?")
    assert await part.client.prompts() == [["My name is Alice.", "What is my name?"]]
