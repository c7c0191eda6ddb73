"""LiteLLM's proxy, without a database, in front of servers that answer, refuse and die."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.chat.files.pictures import add, png
from tests.chat.models.heard import hear
from tests.servers.answers import ANSWERS, WEATHER
from tests.servers.chats import ask, ask_and_kill, chatting, model_findings
from tests.servers.gateways import GATEWAY_KEY, UPSTREAM_KEY, WRONG_KEY, litellm, stand_in
from tests.servers.programs import ModelServer
from tests.support.running_service import Person
from tests.upstream import Upstream
from tests.upstream.raw import RawServer


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream({"Hello": "Hello, world!"}, api_key=UPSTREAM_KEY, models=("small",)) as server:
        yield server


@pytest.fixture(scope="module")
async def server(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModelServer]:
    with RawServer(ANSWERS) as raw:
        models = {
            "small": {"model": "openai/small", "api_base": upstream.url, "api_key": UPSTREAM_KEY},
            "locked": {"model": "openai/small", "api_base": upstream.url, "api_key": WRONG_KEY},
            **{name: {"model": f"openai/{name}", "api_base": raw.url, "api_key": UPSTREAM_KEY} for name in ANSWERS},
        }
        async with litellm(tmp_path_factory.mktemp("server"), models) as server:
            yield server


@pytest.fixture(scope="module")
async def alice(
    server: ModelServer, shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Person]:
    folder = tmp_path_factory.mktemp("service")
    async with chatting(folder, shared_database_url, server.url, model_api_key=GATEWAY_KEY) as person:
        yield person


async def test_a_turn_of_the_first_listed_model_is_streamed_and_kept(alice: Person, upstream: Upstream) -> None:
    said = await ask(alice, "Hello")
    assert said.streamed == said.reply == "Hello, world!"
    assert (said.turn["status"], said.turn["finish_reason"], said.turn["model"]) == ("complete", "stop", "small")
    assert (said.turn["usage"]["input_tokens"], said.turn["usage"]["output_tokens"]) == (1, 2)
    assert upstream.requests[-1].messages == [{"role": "user", "content": "Hello"}]


async def test_a_reply_that_is_cut_at_its_length_is_incomplete(alice: Person) -> None:
    said = await ask(alice, "Hello", model="cut", params={"max_tokens": 2})
    assert (said.turn["status"], said.turn["finish_reason"], said.reply) == ("incomplete", "length", "la li")


async def test_an_unknown_model_is_named(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", model="huge")).failure
    assert code == "model_not_found"
    assert detail.startswith("The model server has no model named “huge”")


async def test_a_parameter_that_the_server_behind_it_does_not_take_is_named(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", model="strict", params={"min_p": 0.5})).failure
    assert (code, "min_p is not supported" in detail) == ("model_bad_request", True)


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        (WRONG_KEY, "model_refused", "The operator should check CHATKEEP_MODEL_API_KEY"),
        # It fails at saying that a key is missing, where it has no database.
        (None, "model_error", "failed (HTTP 500)"),
    ],
)
async def test_a_wrong_key_is_the_operators_affair(server: ModelServer, key: str | None, code: str, words: str) -> None:
    model = OpenAICompatibleModel(server.url, key, "small", retries=0)
    try:
        error = (await hear(model, "Hello")).error
    finally:
        await model.close()
    assert error is not None
    assert (error.code, words in error.detail) == (code, True), error.detail


async def test_a_wrong_key_of_the_gateway_itself_is_not_blamed_on_the_service(alice: Person) -> None:
    code, detail = (await ask(alice, "Hello", model="locked")).failure
    assert code == "model_refused"
    assert detail.startswith("The server behind the model gateway refused the gateway's key (HTTP 401)")
    assert WRONG_KEY not in detail


async def test_reasoning_and_tool_calls_are_kept(alice: Person) -> None:
    said = await ask(alice, "Two and two?", model="thinks")
    assert (said.turn["status"], said.reply, said.items[0]["text"]) == ("complete", "Four", "Two and two.")
    said = await ask(alice, "Weather?", model="calls", tools=[WEATHER])
    assert (said.turn["status"], said.turn["finish_reason"]) == ("complete", "tool_calls")
    (item,) = said.items
    assert (item["call_id"], item["name"], item["arguments"]) == ("call_1", "weather", '{"city": "Kyoto"}')


async def test_a_picture_for_a_model_that_takes_none_is_refused_in_words(alice: Person) -> None:
    items = [{"type": "image", "file_id": (await add(alice, png()))["id"]}]
    code, detail = (await ask(alice, "Which?", model="blind", items=items)).failure
    assert code == "model_takes_no_images"
    assert "The model “blind” takes no pictures" in detail


async def test_failures_of_the_server_behind_it(alice: Person) -> None:
    assert (await ask(alice, "[fault-500] Hello")).failure[0] == "model_error"
    assert (await ask(alice, "[fault-429] Hello")).failure[0] == "model_rate_limited"
    code, detail = (await ask(alice, "[fault-400] Hello")).failure
    assert (code, "4096 tokens" in detail) == ("model_bad_request", True)
    said = await ask(alice, "[fault-error-event] Hello there")
    assert said.failure[0] == "model_error"
    assert said.reply == said.streamed != ""


async def test_it_ends_a_reply_that_was_cut_behind_it_as_a_whole_one(alice: Person) -> None:
    """So that nobody can tell; docs/turns.md says so. Once it does not, this fails, and the sentence there goes."""
    said = await ask(alice, "[fault-cut-off] Hello there")
    assert (said.turn["status"], said.turn["finish_reason"], said.reply) == ("complete", "stop", "Turn 1.")


async def test_the_doctor_says_what_a_turn_would_meet(server: ModelServer, database_url: str, tmp_path: Path) -> None:
    for settings, level, words in (
        ({"model_api_key": GATEWAY_KEY}, "ok", "its first model, small, is used"),
        ({"model_api_key": GATEWAY_KEY, "model": "thinks"}, "ok", "has thinks"),
        ({"model_api_key": GATEWAY_KEY, "model": "huge"}, "problem", "has no model named “huge”"),
        ({"model_api_key": GATEWAY_KEY, "model": "locked"}, "problem", "refused the gateway's key"),
        ({"model_api_key": WRONG_KEY, "model": "small"}, "problem", "refused the service's key"),
        ({"model": "small"}, "problem", "failed (HTTP 500)"),
    ):
        ((found, said),) = await model_findings(tmp_path, database_url, server.url, **settings)
        assert (found, words in said) == (level, True), said


async def test_a_server_behind_it_that_is_killed_in_mid_reply(database_url: str, tmp_path: Path) -> None:
    async with stand_in(tmp_path) as behind:
        models = {"small": {"model": "openai/small", "api_base": behind.url, "api_key": UPSTREAM_KEY}}
        async with (
            litellm(tmp_path, models) as gateway,
            chatting(tmp_path, database_url, gateway.url, model_api_key=GATEWAY_KEY) as alice,
        ):
            said = await ask_and_kill(alice, "One two three four five six", behind, once="Turn")
            assert said.failure[0] in ("model_error", "model_cut_off")
            assert said.reply == said.streamed
            assert said.reply.startswith("Turn")
            assert (await ask(alice, "Hello")).failure[0] == "model_error"
            ((level, words),) = await model_findings(tmp_path, database_url, gateway.url, model_api_key=GATEWAY_KEY)
            assert (level, "failed (HTTP 5" in words) == ("problem", True), words
