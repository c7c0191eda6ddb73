import asyncio
import logging
import re
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from time import monotonic
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from chatkeep.chat.models import End, LanguageModel, ModelError, Reasoning, Said, Text, Usage
from chatkeep.chat.models.clean_text import clean_output
from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from chatkeep.chat.models.openai_errors import seconds_to_wait
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.errors import ChatkeepError, ConfigurationError
from tests.upstream import Upstream
from tests.upstream.replies import made_reply, pieces

KEY = "sk-secret-4f9c2e71"
ENGLISH = "Tell me about the history of Kyoto."
DIARY = "Dear diary, today I lied to my boss."
JAPANESE = "京都の歴史について教えてください。"

MakeModel = Callable[..., OpenAICompatibleModel]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(replies={"hello": "Hello, world!", "こんにちは": "こんにちは、世界！😀"}, api_key=KEY) as server:
        yield server


@pytest.fixture
async def make_model(upstream: Upstream) -> AsyncIterator[MakeModel]:
    """Models of the test server, or of another address, that are impatient enough for a test."""
    made: list[OpenAICompatibleModel] = []

    def make(url: str = upstream.url, api_key: str | None = KEY, **options: Any) -> OpenAICompatibleModel:
        patience = {"first_token_seconds": 5.0, "next_token_seconds": 5.0, "retry_pause_seconds": 0.001}
        made.append(OpenAICompatibleModel(url, api_key, **{"model": "test-model", **patience, **options}))
        return made[-1]

    yield make
    for model in made:
        await model.close()


def asking(*prompts: str, system: str | None = None) -> ChatPrompt:
    prompt = ChatPrompt(system)
    for earlier in prompts[:-1]:
        prompt.add_requester_msg(earlier)
        prompt.add_responder_msg(f"reply to {earlier}")
    prompt.add_requester_msg(prompts[-1])
    return prompt


async def stream(model: LanguageModel, prompt: ChatPrompt, name: str | None = None, /, **params: object) -> list[Said]:
    async with aclosing(model.stream(prompt, model=name, params=params)) as reply:
        return [piece async for piece in reply]


def text_of(answer: list[Said]) -> str:
    return "".join(piece.text for piece in answer if isinstance(piece, Text))


async def failure(model: LanguageModel, name: str | None, prompt: str = ENGLISH) -> tuple[ModelError, str]:
    """Return how a request fails, and what was said before."""
    said: list[str] = []
    with pytest.raises(ModelError) as caught:
        await listen(model, name, prompt, said)
    # Its cause would hold the whole request, for whatever reports errors to look into.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value, "".join(said)


async def listen(model: LanguageModel, name: str | None, prompt: str, said: list[str]) -> None:
    async with aclosing(model.stream(asking(prompt), model=name, params={})) as reply:
        async for piece in reply:
            if isinstance(piece, Text):
                said.append(piece.text)  # noqa: PERF401  # a comprehension would lose it when the stream fails


def times_asked(upstream: Upstream, name: str) -> int:
    return sum(request.model == name for request in upstream.requests)


# --- a reply


@pytest.mark.parametrize(("prompt", "reply"), [("hello", "Hello, world!"), ("こんにちは", "こんにちは、世界！😀")])
async def test_a_reply_comes_word_by_word_with_its_usage(make_model: MakeModel, prompt: str, reply: str) -> None:
    answer = await stream(make_model(), asking(prompt))
    assert [piece.text for piece in answer if isinstance(piece, Text)] == pieces(reply)
    assert answer[-1] == End("stop", Usage(input_tokens=len(pieces(prompt)), output_tokens=len(pieces(reply))))


async def test_the_whole_conversation_is_sent_exactly(make_model: MakeModel, upstream: Upstream) -> None:
    prompt = asking(" My name is 花子 \n", "{{ 7 * 7 }} \u2028\t👩‍👩‍👧", JAPANESE, system="Be  brief.\r\n")
    answer = await stream(make_model(), prompt)
    assert upstream.requests[-1].messages == prompt.to_openai_messages()
    earlier = [" My name is 花子 \n", "{{ 7 * 7 }} \u2028\t👩‍👩‍👧"]
    assert text_of(answer) == made_reply(["Be  brief.\r\n"], [*earlier, JAPANESE], ["", ""])


async def test_params_are_passed_on_and_nothing_else_is(make_model: MakeModel, upstream: Upstream) -> None:
    params = {"temperature": 0.5, "max_tokens": 20, "stop": ["\n"], "top_k": 40, "repetition_penalty": 1.1}
    await stream(make_model(), asking("hello"), **params, messages=[], model="other", n=3, stream=False)
    received = upstream.requests[-1]
    assert received.params == params
    assert received.model == "test-model"
    assert len(received.messages) == 1


async def test_a_turn_may_name_another_model(make_model: MakeModel, upstream: Upstream) -> None:
    await stream(make_model(), asking("hello"), "another-model")
    assert upstream.requests[-1].model == "another-model"


async def test_reasoning_is_not_part_of_the_text(make_model: MakeModel) -> None:
    answer = await stream(make_model(), asking("hello"), "fault-reasoning")
    assert text_of(answer) == "Hello, world!"
    assert "".join(piece.text for piece in answer if isinstance(piece, Reasoning)) == "Let me think."


async def test_without_usage_the_reply_is_whole_all_the_same(make_model: MakeModel) -> None:
    answer = await stream(make_model(), asking("hello"), "fault-no-usage")
    assert text_of(answer) == "Hello, world!"
    assert answer[-1] == End("stop", None)


async def test_a_server_that_refuses_stream_options_is_asked_without(make_model: MakeModel, upstream: Upstream) -> None:
    model = make_model()
    for expected_requests in (2, 1):
        before = len(upstream.requests)
        assert text_of(await stream(model, asking("hello"), "fault-400-usage")) == "Hello, world!"
        assert len(upstream.requests) - before == expected_requests


async def test_a_reply_of_nothing_is_a_failure_and_not_tried_again(make_model: MakeModel, upstream: Upstream) -> None:
    before = times_asked(upstream, "fault-empty")
    error, _ = await failure(make_model(), "fault-empty")
    assert error.code == "empty_reply"
    assert times_asked(upstream, "fault-empty") - before == 1


@pytest.mark.parametrize("name", ["fault-no-done", "fault-hang-end"])
async def test_a_finished_reply_needs_no_end_mark(
    make_model: MakeModel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.chat.models.openai_stream.LAST_WORDS_SECONDS", 0.05)
    with anyio.fail_after(2):
        assert text_of(await stream(make_model(), asking("hello"), name)) == "Hello, world!"


@pytest.mark.parametrize(
    ("name", "text"),
    [("fault-nul", "A\ufffdB\ufffd C"), ("fault-surrogates", "smile 😀 lone \ufffd last \ufffd")],
)
async def test_text_that_cannot_be_kept_arrives_as_it_was_said(make_model: MakeModel, name: str, text: str) -> None:
    answer = await stream(make_model(), asking("hello"), name)
    assert clean_output(text_of(answer)) == text
    assert all(piece.text for piece in answer if isinstance(piece, Text))


# --- the default model


async def test_without_a_default_the_servers_first_model_answers(make_model: MakeModel, upstream: Upstream) -> None:
    model = make_model(model=None)
    assert model.default_name is None
    before = len(upstream.requests)
    for _ in range(2):
        await stream(model, asking("hello"), None)
    assert [request.path for request in upstream.requests[before:]] == [
        "/v1/models",
        "/v1/chat/completions",
        "/v1/chat/completions",
    ]
    assert upstream.requests[-1].model == model.default_name == "test-model"


async def test_a_server_without_models_says_so(make_model: MakeModel) -> None:
    with Upstream(models=()) as empty:
        error, _ = await failure(make_model(empty.url, model=None), None)
    assert (error.code, "offers no model" in error.detail) == ("model_not_found", True)


@pytest.mark.parametrize("named", [True, False])
async def test_a_bare_failure_at_a_model_that_is_not_listed_says_so(make_model: MakeModel, named: bool) -> None:
    """transformers serve answers 500 to a name that it cannot load, and no more."""
    with Upstream(models=("fault-500",) if named else ("other",)) as server:
        error, _ = await failure(make_model(server.url, retries=0), "fault-500")
        without = await failure(make_model(server.url, retries=0, model="fault-500"), None)
    assert error.code == "model_error"
    assert ("It lists no model named “fault-500”." in error.detail) is not named
    assert without[0].detail == error.detail


async def test_an_address_without_a_path_means_v1(make_model: MakeModel, upstream: Upstream) -> None:
    model = make_model(upstream.url.removesuffix("/v1"))
    assert text_of(await stream(model, asking("hello"))) == "Hello, world!"


# --- failures


@pytest.mark.parametrize(
    ("name", "code", "requests"),
    [
        ("fault-400", "model_bad_request", 1),
        ("fault-401", "model_refused", 1),
        ("fault-403", "model_refused", 1),
        ("fault-404", "model_not_found", 1),
        ("fault-429", "model_rate_limited", 1),  # told to wait a minute
        ("fault-500", "model_error", 3),
        ("fault-html", "model_bad_answer", 1),
        ("fault-redirect", "model_bad_answer", 1),
        ("fault-reset", "model_cut_off", 3),
    ],
)
async def test_failures_before_the_first_word(
    make_model: MakeModel, upstream: Upstream, name: str, code: str, requests: int
) -> None:
    before = times_asked(upstream, name)
    error, said = await failure(make_model(), name)
    assert (error.code, said) == (code, "")
    assert times_asked(upstream, name) - before == requests


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fault-reset-mid", "model_cut_off"),
        ("fault-cut-off", "model_cut_off"),
        ("fault-half-json", "model_bad_answer"),
        ("fault-error-event", "model_error"),
    ],
)
async def test_failures_in_the_middle_keep_what_was_said_and_are_not_retried(
    make_model: MakeModel, upstream: Upstream, name: str, code: str
) -> None:
    before = times_asked(upstream, name)
    error, said = await failure(make_model(), name, "hello")
    assert (error.code, said) == (code, "Hello, world!"[: len(said)])
    assert said
    assert times_asked(upstream, name) - before == 1


@pytest.mark.parametrize(
    ("name", "patience"),
    [("fault-hang", {"first_token_seconds": 0.1}), ("fault-hang-mid", {"next_token_seconds": 0.1})],
)
async def test_a_server_that_falls_silent_is_left(
    make_model: MakeModel, upstream: Upstream, name: str, patience: dict[str, float]
) -> None:
    started = monotonic()
    error, _ = await failure(make_model(**patience), name)
    assert error.code == "model_timeout"
    assert monotonic() - started < 3
    assert await seen(upstream.requests[-1].disconnected.is_set)
    assert times_asked(upstream, name) == 1


async def test_an_address_where_nothing_listens(make_model: MakeModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error, _ = await failure(make_model(f"http://me:{KEY}@127.0.0.1:{port}/v1", api_key=None), "test-model")
    assert error.code == "model_unreachable"
    assert KEY not in error.detail


async def test_an_address_that_never_accepts_is_given_up(make_model: MakeModel) -> None:
    """A listener with a full backlog drops further connections, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        model = make_model(f"http://127.0.0.1:{address[1]}/v1", connect_seconds=0.1, retries=0)
        error, _ = await failure(model, "test-model")
        for each in waiting:
            each.close()
    assert error.code == "model_unreachable"


async def test_a_server_that_speaks_no_http(make_model: MakeModel) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error, _ = await failure(make_model(f"http://127.0.0.1:{port}/v1", retries=0), "test-model")
    assert error.code == "model_bad_answer"


@pytest.mark.parametrize("name", ["fault-500-then-ok", "fault-reset-then-ok", "fault-429-then-ok"])
async def test_a_second_try_may_succeed(make_model: MakeModel, upstream: Upstream, name: str) -> None:
    before = times_asked(upstream, name)
    assert text_of(await stream(make_model(), asking("hello"), name)) == "Hello, world!"
    assert times_asked(upstream, name) - before == 2


async def test_retry_after_decides_when(make_model: MakeModel) -> None:
    """The server says 0 seconds; the pause of a whole minute would not be over in time."""
    with anyio.fail_after(5):
        model = make_model(retry_pause_seconds=60.0)
        prompt = "[fault-429-then-ok] now"
        assert text_of(await stream(model, asking(prompt))) == made_reply([], [prompt], [])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("-1", None)],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait({} if header is None else {"retry-after": header}) == seconds


async def test_every_detail_is_a_short_sentence_for_a_person(make_model: MakeModel) -> None:
    for name in ("fault-400", "fault-401", "fault-429", "fault-500", "fault-html", "fault-redirect"):
        error, _ = await failure(make_model(retries=0), name)
        assert isinstance(error, ChatkeepError)
        assert re.fullmatch(r"[A-Z][^\n]{20,399}\.", error.detail)
    error, _ = await failure(make_model(), "fault-400")
    assert "maximum context length is 4096 tokens" in error.detail


@pytest.mark.parametrize("prompt", ["[fault-400-echo] my secret diary", "[fault-400-echo] 私の秘密の日記です"])
async def test_a_servers_words_are_not_repeated_when_they_quote_the_prompt(make_model: MakeModel, prompt: str) -> None:
    error, _ = await failure(make_model(), "test-model", prompt)
    assert error.detail == "The model server cannot answer this request (HTTP 400)."


# --- secrets


@pytest.mark.parametrize("key", [KEY, SecretStr(KEY), f"{KEY}\n"])
async def test_the_key_is_sent_as_a_bearer_token(
    make_model: MakeModel, upstream: Upstream, key: SecretStr | str
) -> None:
    await stream(make_model(api_key=key), asking("hello"))
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {KEY}"


async def test_the_environments_keys_headers_and_proxies_are_not_used(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer from-the-environment\nX-Other: 1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Upstream() as other:
        model = make_model(other.url, api_key=None)
        for _ in range(2):
            await stream(model, asking("hello"))
        assert set(other.requests[-1].headers) == {
            "host",
            "accept",
            "content-type",
            "content-length",
            "user-agent",
        }


async def test_a_user_and_password_in_the_address_are_basic_authentication(make_model: MakeModel) -> None:
    with Upstream() as other:
        model = make_model(other.url.replace("http://", "http://me:p%40ss@"), api_key=None)
        await stream(model, asking("hello"))
        assert other.requests[-1].headers["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize(
    "fault",
    ["fault-400-echo", "fault-401", "fault-500", "fault-html", "fault-reset-mid", "fault-redirect"],
)
async def test_the_key_and_the_prompt_are_in_no_log_and_no_error(
    make_model: MakeModel, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiohttp.client").debug("what the library says is seen here")
    model = make_model(retries=1)
    await stream(model, asking(DIARY))
    error, _ = await failure(model, fault, DIARY)
    shown = [repr(model), str(vars(model)), str(error), repr(error), str(vars(error)), error.detail, caplog.text]
    for text in (*shown, *traceback.format_exception(error)):
        assert KEY not in text
        assert DIARY not in text
    assert "is seen here" in caplog.text


async def test_a_password_in_the_address_is_in_no_log(make_model: MakeModel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiohttp.client").debug("what the library says is seen here")
    with Upstream() as other:
        model = make_model(other.url.replace("http://", "http://me:hunter2-hunter2@"), api_key=None)
        await stream(model, asking("hello"))
    assert "is seen here" in caplog.text
    assert "hunter2" not in caplog.text + repr(model) + str(vars(model))


@pytest.mark.parametrize("key", ["two\nlines", "clé"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        OpenAICompatibleModel("http://127.0.0.1/v1", key)
    assert key not in refused.value.detail


@pytest.mark.parametrize("url", ["localhost:11434", "ftp://host/v1", "http://", "http://[::1/v1", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CHATKEEP_MODEL_URL"):
        OpenAICompatibleModel(url)


# --- leaving early


async def seen(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    for _ in range(int(seconds / 0.005)):
        if condition():
            return True
        await asyncio.sleep(0.005)
    return False


async def test_closing_the_stream_disconnects_from_the_server(make_model: MakeModel, upstream: Upstream) -> None:
    async with aclosing(make_model().stream(asking(ENGLISH), model="slow-20", params={})) as reply:
        assert isinstance(await anext(reply), Text)
    assert await seen(upstream.requests[-1].disconnected.is_set)


@pytest.mark.parametrize("name", ["slow-100", "fault-hang"])
async def test_cancelling_disconnects_from_the_server(make_model: MakeModel, upstream: Upstream, name: str) -> None:
    before = len(upstream.requests)
    task = asyncio.create_task(stream(make_model(), asking(ENGLISH), name))
    assert await seen(lambda: len(upstream.requests) > before)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await seen(upstream.requests[-1].disconnected.is_set)


async def test_a_cancel_scope_disconnects_from_the_server(make_model: MakeModel, upstream: Upstream) -> None:
    with anyio.move_on_after(0.1) as scope:
        await stream(make_model(), asking(ENGLISH), "slow-100")
    assert scope.cancelled_caught
    assert await seen(upstream.requests[-1].disconnected.is_set)


async def test_one_connection_serves_one_reply_after_another(make_model: MakeModel) -> None:
    with Upstream() as other:
        model = make_model(other.url)
        answers = [text_of(await stream(model, asking(prompt))) for prompt in (ENGLISH, JAPANESE)]
        assert answers == [made_reply([], [prompt], []) for prompt in (ENGLISH, JAPANESE)]
        assert len({request.client_port for request in other.requests}) == 1


async def test_many_replies_stream_at_once(make_model: MakeModel) -> None:
    model = make_model()
    prompts = [f"{JAPANESE} {number}" for number in range(20)]
    answers = await asyncio.gather(*(stream(model, asking(prompt), "slow-1") for prompt in prompts))
    assert [text_of(answer) for answer in answers] == [made_reply([], [prompt], []) for prompt in prompts]
