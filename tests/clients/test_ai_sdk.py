"""The AI SDK's chat, of each version that people use, with its own transport, and without a store of its own."""

import pytest

from tests.clients.installed import PROGRAMS, Part, parts_of
from tests.support.running_service import RunningService

Parts = dict[str, Part]


@pytest.fixture(scope="module", params=["ai-v5", "ai-v6", "ai"])
async def parts(
    request: pytest.FixtureRequest, service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> Parts:
    folder = tmp_path_factory.mktemp(request.param)
    return await parts_of(service, folder, PROGRAMS / "ai_sdk_chat.mjs", AI_SDK=request.param)


def answer(number: int, prompt: str, *earlier: str) -> str:
    """Return the beginning of what the model server says."""
    return "\n".join([f"Turn {number}. You wrote: {prompt}", *(f"Before that you wrote: {each}" for each in earlier)])


async def test_messages_are_sent_and_kept(parts: Parts) -> None:
    part = parts["send"]
    found = part.found
    assert (found["status"], found["roles"]) == ("ready", "user assistant user assistant")
    assert found["texts"][3].startswith(answer(2, "What is my name?", "My name is Alice."))
    assert [text for _, text in found["kept"]] == found["texts"]
    assert found["same"]
    assert found["finish"] == ["stop", False]
    assert {"turn_id", "conversation_id", "model", "usage"} <= set(found["metadata"])
    assert found["tokens"] > 0
    assert found["kinds"] == ["step-start", "text"]
    assert await part.client.prompts() == [["My name is Alice.", "What is my name?"]]
    assert [each["metadata"] for each in await part.client.conversations()] == [{"origin": "ui"}]


async def test_reasoning_is_a_part_of_its_own(parts: Parts) -> None:
    first, thought, text = parts["reasoning"].found
    assert (first[0], thought) == ("step-start", ["reasoning", "Let me think.", "done"])
    assert text[0] == "text"


async def test_a_regeneration_is_a_branch(parts: Parts) -> None:
    part = parts["regenerate"]
    assert (part.found["differ"], part.found["roles"]) == (4, "user assistant")
    assert part.found["first"].startswith(answer(1, "One"))
    assert await part.client.prompts() == [["One"]]
    assert [each["turn_count"] for each in await part.client.conversations()] == [4]


async def test_an_edit_is_a_branch(parts: Parts) -> None:
    part = parts["edit"]
    assert part.found["second"].startswith(answer(2, "Deux", "One"))
    assert part.found["first"][1].startswith(answer(1, "Un"))
    assert await part.client.prompts() == [["Un"]]
    assert [each["turn_count"] for each in await part.client.conversations()] == [4]


async def test_another_window_goes_on_with_the_stream(parts: Parts) -> None:
    found = parts["resume"].found
    assert found["before"] == ["Count to ten, slowly."]
    assert (found["roles"], found["same"], found["status"]) == ("user assistant", True, "ready")
    assert found["statuses"] == [204, 204]
    assert found["count"] == 2


async def test_what_a_client_leaves_goes_on_until_it_asks_something_else(parts: Parts) -> None:
    part = parts["stop"]
    found = part.found
    assert found["still"] == 200
    assert found["after"].startswith(answer(2, "Something else", "Tell a long story, please."))
    assert (found["stopped"], found["idle"], found["status"]) == (204, 204, "ready")
    path = await part.client.user.person.turns((await part.client.conversations())[0]["id"], order="asc")
    assert [turn["status"] for turn in path] == ["stopped", "complete", "stopped"]


async def test_a_client_that_left_before_the_stream_began(parts: Parts) -> None:
    found = parts["stop_early"].found
    assert found["other"] == "turn_in_progress"
    assert found["texts"][-1].startswith(answer(1, "Tell a long story, please."))


async def test_a_tool_of_the_client_is_called_within_one_message(parts: Parts) -> None:
    part = parts["tools"]
    found = part.found
    assert found["roles"] == "user assistant user assistant"
    step, called = ["step-start", None], ["tool-weather", "output-available"]
    assert found["parts"] == [step, called, step, ["text", "done"]]
    assert found["texts"][1] == "The tools said: rain in Kyoto"
    assert found["texts"][3].startswith(answer(2, "Thanks", "How is the weather?"))
    # It comes back as it was.
    assert [role for role, _, _ in found["kept"]] == ["user", "assistant", "user", "assistant"]
    assert found["kept"][1][1] == ["step-start", "tool-weather", "step-start", "text"]
    assert [own for role, _, own in found["kept"] if role == "assistant"] == found["ids"]
    assert await part.client.prompts() == [["How is the weather?", "", "Thanks"]]


async def test_pictures_are_kept_by_reference(parts: Parts) -> None:
    part = parts["files"]
    assert (part.found["same"], part.found["media"]) == (True, "image/*")
    assert await part.client.prompts() == [["What is this?", "And its colour?"]]
    assert len((await part.client.user.person.client.get("/api/v1/files")).json()["items"]) == 1


async def test_failures_are_told(parts: Parts) -> None:
    found = parts["failures"].found
    assert (found["status"], found["after"]) == ("error", "ready")
    assert found["told"] == [
        "The model server is asked too much at the moment. Try again in 60 seconds.",
        "The model server ended the connection in the middle of its reply.",
    ]


async def test_a_history_from_elsewhere_is_kept_whole(parts: Parts) -> None:
    part = parts["unknown_history"]
    assert part.found[-1].startswith(answer(3, "And then?", "Never", "Now?"))
    assert await part.client.prompts() == [["Never\n\nseen here\n\nNow?", "And then?"]]


async def test_an_application_may_send_its_last_message_alone(parts: Parts) -> None:
    part = parts["last_message"]
    assert part.found[3].startswith(answer(2, "What is my name?", "My name is Alice."))
    assert await part.client.prompts() == [["My name is Alice.", "What is my name?"]]
    assert [each["turn_count"] for each in await part.client.conversations()] == [3]
