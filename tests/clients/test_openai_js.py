"""The openai package for JavaScript, under Node.js."""

import pytest

from tests.clients.installed import PROGRAMS, Part, parts_of
from tests.support.running_service import RunningService

Parts = dict[str, Part]


@pytest.fixture(scope="module")
async def parts(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return await parts_of(service, tmp_path_factory.mktemp("openai"), PROGRAMS / "openai_js.mjs")


async def test_responses(parts: Parts) -> None:
    found = parts["responses"].found
    assert found["text"].startswith("Turn 2. You wrote: What is my name?")
    assert found["same"]
    assert await parts["responses"].client.prompts() == [["My name is Alice.", "What is my name?"]]


async def test_a_stream_is_gone_on_with(parts: Parts) -> None:
    found = parts["stream"].found
    assert found["before"]
    assert found["after"]
    assert found["before"] + found["after"] == found["whole"]


async def test_the_helper_for_streams_and_a_call(parts: Parts) -> None:
    found = parts["helper"].found
    assert {"response.created", "response.function_call_arguments.done", "response.completed"} <= set(found["events"])
    assert (found["arguments"], found["text"]) == ('{"city": "Kyoto"}', "The tools said: rain")


async def test_conversations(parts: Parts) -> None:
    assert parts["conversations"].found == {"roles": ["user", "user", "assistant"], "left": 2}


async def test_chat_completions(parts: Parts) -> None:
    found = parts["completions"].found
    assert found["text"].startswith("Turn 2. You wrote: What is my name?")
    assert found["tokens"] > 0
    assert await parts["completions"].client.prompts() == [["My name is Alice.", "What is my name?"]]


async def test_tools_are_run(parts: Parts) -> None:
    assert parts["tools"].found == "The tools said: rain in Kyoto"
    assert [len(path) for path in await parts["tools"].client.paths()] == [2]


async def test_files(parts: Parts) -> None:
    assert parts["files"].found == {"text": "Sencha", "items": ["input_file", "input_image", "input_text"]}


async def test_errors_are_of_their_classes(parts: Parts) -> None:
    assert parts["errors"].found == [
        ["NotFoundError", 404, "not_found"],
        ["BadRequestError", 400, "invalid_request"],
        ["RateLimitError", 429, "model_rate_limited"],
        ["AuthenticationError", 401, "not_authenticated"],
    ]
