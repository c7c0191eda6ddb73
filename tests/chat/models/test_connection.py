"""Where the client goes: addresses, proxies, certificates, and when it asks again."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from chatkeep.chat.models import openai_connection, retries
from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from chatkeep.errors import ConfigurationError
from tests.chat.models.heard import hear
from tests.chat.models.streams import STOP, refusal, says
from tests.support.programs import ordinary_folder
from tests.support.tls import Certificates
from tests.upstream.raw import Answer, RawServer

KEY = "sk-secret-4f9c2e71"
FINE = Answer(says("fine") + STOP)

MakeModel = Callable[..., OpenAICompatibleModel]


@pytest.fixture
async def make_model() -> AsyncIterator[MakeModel]:
    made: list[OpenAICompatibleModel] = []

    def make(url: str, **options: Any) -> OpenAICompatibleModel:
        made.append(OpenAICompatibleModel(url, **{"model": "m", "retry_pause_seconds": 0.001, **options}))
        return made[-1]

    yield make
    for model in made:
        await model.close()


def listing(*names: str) -> Answer:
    return Answer(json.dumps({"data": [{"id": name} for name in names]}), 200, "application/json")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api", "/api/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1?team=a%26b&x=1", "/v1/chat/completions?team=a%26b&x=1"),
        ("/x/deployments/d/chat/completions?api-version=1", "/x/deployments/d/chat/completions?api-version=1"),
    ],
)
async def test_an_address_may_be_written_in_several_ways(make_model: MakeModel, path: str, asked: str) -> None:
    with RawServer({"m": (FINE,)}) as server:
        model = make_model(server.url.removesuffix("/v1") + path)
        assert (await hear(model, "hello")).text == "fine"
        assert server.requests[-1][0] == f"POST {asked} HTTP/1.1"
        await model.list_models()
        assert server.requests[-1][0] == f"GET {asked.replace('/chat/completions', '/models')} HTTP/1.1"


async def test_a_key_goes_into_azures_own_header_where_the_address_is_azures(make_model: MakeModel) -> None:
    with RawServer({"m": (FINE,)}) as server:
        for query, name, value in (("", "authorization", f"Bearer {KEY}"), ("?api-version=1", "api-key", KEY)):
            await hear(make_model(server.url + query, api_key=KEY), "hello")
            sent = server.requests[-1][1]
            assert {each for each in sent if KEY in sent[each]} == {name}
            assert sent[name] == value


async def test_a_proxy_is_the_one_that_is_named(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with RawServer({"m": (FINE,)}) as proxy:
        address = proxy.url.removesuffix("/v1").replace("http://", "http://me:p%40ss@")
        model = make_model("http://model.invalid/v1", proxy=SecretStr(address))
        assert (await hear(model, "hello")).text == "fine"
        line, headers, _ = proxy.requests[-1]
        assert line == "POST http://model.invalid/v1/chat/completions HTTP/1.1"
        assert headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert "p@ss" not in repr(model) + str(vars(model))
    error = (await hear(make_model("https://model.invalid/v1", proxy=address, retries=0), "hello")).error
    assert error is not None
    assert (error.code, "CHATKEEP_MODEL_PROXY" in error.detail) == ("model_unreachable", True)


def test_a_proxy_that_cannot_be_used_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="CHATKEEP_MODEL_PROXY") as refused:
        OpenAICompatibleModel("http://127.0.0.1/v1", proxy="socks5://me:geheim@h:1")
    assert "geheim" not in refused.value.detail


async def test_a_certificate_of_ones_own_authority_is_trusted_by_its_file(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ordinary_folder() as folder:
        await Certificates(folder).make()
        shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown.load_cert_chain(folder / "server.crt", folder / "server.key")
        with RawServer({"m": (FINE,)}, tls=shown) as server:
            url = server.url.replace("127.0.0.1", "localhost")
            openai_connection._tls.cache_clear()
            error = (await hear(make_model(url, retries=0), "hello")).error
            assert error is not None
            assert (error.code, "SSL_CERT_FILE" in error.detail) == ("model_unreachable", True)
            monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))
            openai_connection._tls.cache_clear()
            assert (await hear(make_model(url, retries=0), "hello")).text == "fine"
    openai_connection._tls.cache_clear()


async def test_a_default_that_the_server_no_longer_has_is_asked_for_again(make_model: MakeModel) -> None:
    gone = refusal(404, {"error": {"message": "The model `old` does not exist"}})
    with RawServer({"old": (FINE, gone), "new": (FINE,)}, listing("old")) as server:
        model = make_model(server.url, model=None)
        assert (await hear(model, "hello")).text == "fine"
        still = (await hear(model, "hello")).error
        assert (still and still.code) == "model_not_found"
        server.listed = listing("nomic-embed-text", "new")
        assert (await hear(model, "hello")).text == "fine"
        assert (model.default_name, model.offered) == ("new", ("nomic-embed-text", "new"))
        assert server.asked == {"old": 3, "new": 1}


async def test_a_name_of_ones_own_is_not_replaced_by_the_default(make_model: MakeModel) -> None:
    with RawServer({"old": (refusal(404, {"detail": "Not Found"}),)}, listing("new")) as server:
        for model, name in ((make_model(server.url, model="old"), None), (make_model(server.url, model=None), "old")):
            error = (await hear(model, "hello", name)).error
            assert (error and error.code) == "model_not_found"
        assert server.asked == {"old": 2}


async def test_without_a_list_and_a_name_the_error_says_what_to_set(make_model: MakeModel) -> None:
    for listed in (refusal(404, {"detail": "Not Found"}), Answer("<html>", 200, "text/html"), listing("bge-m3")):
        with RawServer({}, listed) as server:
            error = (await hear(make_model(server.url, model=None), "hello")).error
            assert error is not None
            assert "should name the model in CHATKEEP_MODEL" in error.detail


async def test_retries_do_not_multiply_those_of_a_gateway(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Answer("{}", 500, "application/json", framing="length", pauses={-1: 0.02})
    with RawServer({"m": (slow,)}) as server:
        for within_seconds, requests in ((60.0, 3), (0.01, 1)):
            monkeypatch.setattr(retries, "RETRY_WITHIN_SECONDS", within_seconds)
            server.asked.clear()
            await hear(make_model(server.url), "hello")
            assert server.asked["m"] == requests


async def test_loading_is_not_waited_for_without_end(make_model: MakeModel) -> None:
    loading = refusal(503, {"error": {"message": "Loading model"}})
    with RawServer({"m": (loading,)}) as server:
        error = (await hear(make_model(server.url, first_token_seconds=0.2, retry_pause_seconds=0.05), "hello")).error
        assert (error and error.code) == "model_loading"
        assert server.asked["m"] > 1


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
async def test_what_came_before_a_connection_broke_is_not_lost(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A loop may tell of the last bytes and of the break at once."""

    async def asked(url: str) -> list[tuple[str, str | None]]:
        model = OpenAICompatibleModel(url, model="m")
        heard = [await hear(model, "hello") for _ in range(20)]
        await model.close()
        return [(each.text, each.error.code if each.error else None) for each in heard]

    def run(url: str) -> list[tuple[str, str | None]]:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asked(url))

    with RawServer({"m": (Answer(says("all ", "of ", "it"), framing="cut"),)}) as server:
        assert set(await asyncio.to_thread(run, server.url)) == {("all of it", "model_cut_off")}
