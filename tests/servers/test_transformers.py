"""`transformers serve`, with a real model that says known texts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.chat.files.pictures import add, png
from tests.chat.models.heard import hear
from tests.servers.answers import WEATHER
from tests.servers.chats import ask, ask_and_kill, chatting, model_findings
from tests.servers.gateways import GATEWAY_KEY, UPSTREAM_KEY, WRONG_KEY, litellm
from tests.servers.programs import ModelServer
from tests.servers.transformers_serve import LONG, PLAIN, make_model, transformers_serve
from tests.support.running_service import Person


@pytest.fixture(scope="module")
async def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
async def server(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModelServer]:
    async with transformers_serve(tmp_path_factory.mktemp("server"), tiny) as server:
        yield server


@pytest.fixture(scope="module")
async def alice(
    server: ModelServer, shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Person]:
    async with chatting(tmp_path_factory.mktemp("service"), shared_database_url, server.url) as person:
        yield person


async def test_a_turn_of_the_listed_model_is_streamed_and_kept(alice: Person, tiny: Path) -> None:
    said = await ask(alice, "What is the capital?")
    assert said.streamed == said.reply == PLAIN
    assert (said.turn["status"], said.turn["finish_reason"], said.turn["model"]) == ("complete", "stop", str(tiny))
    assert said.turn["usage"]["output_tokens"] == 7
    assert said.turn["usage"]["input_tokens"] > len("What is the capital?")


async def test_a_reply_that_is_cut_at_its_length_is_incomplete(alice: Person) -> None:
    said = await ask(alice, "[long]", params={"max_tokens": 4})
    assert (said.turn["status"], said.turn["finish_reason"]) == ("incomplete", "length")
    assert said.reply == "la li lu la "
    assert said.turn["usage"]["output_tokens"] == 4


async def test_another_model_than_its_own_is_named(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", model="tiny-2")).failure
    assert code == "model_not_found"
    assert detail.startswith("The model server has no model named “tiny-2”: “Server is pinned to")


async def test_a_parameter_that_it_does_not_take_is_named(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", params={"top_k": 5})).failure
    assert (code, "top_k" in detail) == ("model_bad_request", True)


async def test_a_value_that_it_cannot_use_is_named(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", params={"frequency_penalty": -2.0})).failure
    assert code == "model_error"
    assert "`penalty` has to be a strictly positive float" in detail


async def test_it_asks_for_no_key(server: ModelServer) -> None:
    model = OpenAICompatibleModel(server.url, WRONG_KEY)
    try:
        assert (await hear(model, "Hello")).text == PLAIN
    finally:
        await model.close()


async def test_reasoning_is_kept_beside_the_reply(alice: Person) -> None:
    said = await ask(alice, "[think] Two and two?")
    assert (said.turn["status"], said.reply) == ("complete", "Four")
    assert (said.items[0]["type"], said.items[0]["text"]) == ("reasoning", "Two and two.")


async def test_a_tool_call_is_kept_as_an_item(alice: Person) -> None:
    said = await ask(alice, "[call]", tools=[WEATHER])
    assert (said.turn["status"], said.turn["finish_reason"], said.reply) == ("complete", "tool_calls", "")
    (call,) = said.items
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "weather", '{"city": "Kyoto"}')


async def test_a_call_that_the_server_cannot_read_fails_in_its_words(alice: Person) -> None:
    """Its sentence is on several lines, between quotation marks that it does not escape."""
    said = await ask(alice, "[broken]", tools=[WEATHER])
    code, detail = said.failure
    assert (code, said.reply) == ("model_error", "I will look. ")
    assert "json parser could not parse region as JSON" in detail


async def test_a_picture_is_left_out_by_a_server_whose_model_reads_text(alice: Person) -> None:
    """It says nothing of it, so that nobody can know: the reply is one to the text alone."""
    kept = await add(alice, png())
    said = await ask(alice, "Which?", items=[{"type": "image", "file_id": kept["id"]}])
    without = await ask(alice, "Which?")
    assert (said.turn["status"], said.reply) == ("complete", PLAIN)
    assert said.turn["usage"]["input_tokens"] == without.turn["usage"]["input_tokens"]


async def test_the_doctor_is_content_with_it(
    server: ModelServer, tiny: Path, database_url: str, tmp_path: Path
) -> None:
    (found,) = await model_findings(tmp_path, database_url, server.url)
    assert found == ("ok", f"{server.url} answers; its first model, {tiny}, is used.")
    ((level, words),) = await model_findings(tmp_path, database_url, server.url, model="tiny-2")
    assert (level, "has no model named “tiny-2”" in words) == ("problem", True)
    assert words.endswith(f"It offers {tiny}.")


async def test_without_a_model_of_its_own_it_has_to_be_told_one(tiny: Path, database_url: str, tmp_path: Path) -> None:
    """It lists what it has loaded; it fails without a word at a name that it cannot load."""
    async with transformers_serve(tmp_path) as server:
        ((level, words),) = await model_findings(tmp_path, database_url, server.url)
        assert (level, "offers no model" in words) == ("problem", True)
        (found,) = await model_findings(tmp_path, database_url, server.url, model=str(tiny))
        assert found[0] in ("ok", "warning"), found
        (found,) = await model_findings(tmp_path, database_url, server.url)
        assert found == ("ok", f"{server.url} answers; its first model, {tiny}, is used.")
        ((level, words),) = await model_findings(tmp_path, database_url, server.url, model="tiny-2")
        assert (level, f"It lists no model named “tiny-2”. It offers {tiny}." in words) == ("problem", True), words


async def test_a_server_whose_worker_has_died_lists_its_model_all_the_same(
    tiny: Path, database_url: str, tmp_path: Path
) -> None:
    """A prompt that its cache does not hold ends the worker, and no other reply comes until it is started again."""
    small = ("--continuous-batching", "--cb-block-size", "16", "--cb-num-blocks", "4", "--cb-max-batch-tokens", "32")
    async with (
        transformers_serve(tmp_path, tiny, *small) as server,
        chatting(tmp_path, database_url, server.url) as alice,
    ):
        assert (await ask(alice, "Hello")).reply == PLAIN
        assert await model_findings(tmp_path, database_url, server.url) == [
            ("ok", f"{server.url} answers; its first model, {tiny}, is used.")
        ]
        code, detail = (await ask(alice, "x" * 600)).failure
        assert (code, "No requests can be scheduled" in detail) == ("model_error", True)
        code, detail = (await ask(alice, "Hello")).failure
        assert (code, "(HTTP 503): “CB worker is dead" in detail) == ("model_error", True)
        ((level, words),) = await model_findings(tmp_path, database_url, server.url)
        assert (level, "(HTTP 503): “CB worker is dead" in words) == ("problem", True)


async def test_through_a_gateway(server: ModelServer, tiny: Path, database_url: str, tmp_path: Path) -> None:
    models = {"tiny": {"model": f"openai/{tiny}", "api_base": server.url, "api_key": UPSTREAM_KEY}}
    async with (
        litellm(tmp_path, models) as gateway,
        chatting(tmp_path, database_url, gateway.url, model_api_key=GATEWAY_KEY) as alice,
    ):
        said = await ask(alice, "What is the capital?")
        assert (said.turn["status"], said.reply, said.turn["usage"]["output_tokens"]) == ("complete", PLAIN, 7)
        said = await ask(alice, "[long]", params={"max_tokens": 4})
        assert (said.turn["status"], said.reply) == ("incomplete", "la li lu la ")
        said = await ask(alice, "[think] Two and two?")
        assert (said.reply, said.items[0]["text"]) == ("Four", "Two and two.")
        said = await ask(alice, "[call]", tools=[WEATHER])
        assert [each["name"] for each in said.items] == ["weather"]
        said = await ask(alice, "[broken]", tools=[WEATHER])
        assert said.failure[0] == "model_error"


async def test_a_server_that_is_killed_in_mid_reply(tiny: Path, database_url: str, tmp_path: Path) -> None:
    async with transformers_serve(tmp_path, tiny) as server, chatting(tmp_path, database_url, server.url) as alice:
        said = await ask_and_kill(alice, "[long]", server, once=LONG)
        code, detail = said.failure
        assert code == "model_cut_off"
        assert said.reply == said.streamed
        assert said.reply.startswith(LONG)
        assert (said.turn["finish_reason"], said.turn["usage"]) == (None, None)
        assert (await ask(alice, "Hello")).failure[0] == "model_unreachable"
        ((level, words),) = await model_findings(tmp_path, database_url, server.url)
        assert (level, "cannot be reached" in words) == ("problem", True)
        assert "broke" in detail
