"""What goes wrong under `/v1`, in the shape and with the headers that OpenAI's clients read."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.openai.clients import ApiUser, api_user, api_user_of
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running
from tests.upstream.server import Upstream


@pytest.fixture
async def user(service: RunningService) -> ApiUser:
    return await api_user(service)


MESSAGES = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]'


def error_in(answer: Any) -> dict[str, Any]:
    """Return an error after a look at its shape."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["message"]
    return error


async def test_only_a_token_signs_in(service: RunningService, user: ApiUser) -> None:
    wrong = api_user_of(user.person, "ck_" + "x" * 43, service)
    with pytest.raises(openai.AuthenticationError) as raised:
        await wrong.openai.models.list()
    assert raised.value.code == "not_authenticated"
    # A cookie does not count, and neither does a token in its place.
    for client in (service.client(), user.person.client):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/responses"), ("POST", "/v1/chat/completions")):
            answer = await client.request(method, path, json={"messages": [{"role": "user", "content": "Hi"}]})
            assert answer.status_code == 401, (path, answer.text)
            assert error_in(answer)["type"] == "authentication_error"
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_token_opens_nothing(user: ApiUser) -> None:
    assert (await user.http.get("/v1/models")).status_code == 200
    made = (await user.person.client.get("/api/v1/auth/tokens")).json()["items"][0]
    assert (await user.person.client.delete(f"/api/v1/auth/tokens/{made['id']}")).status_code == 204
    assert (await user.http.get("/v1/models")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("GET", "/v1/nothing", None, 404, "not_found"),
        ("GET", "/v1", None, 404, "not_found"),
        ("GET", "/v1/responses/resp_0", None, 404, "not_found"),
        ("GET", "/v1/responses/resp_" + "0" * 32, None, 404, "not_found"),
        ("GET", "/v1/models/none", None, 404, "not_found"),
        ("POST", "/v1/responses/compact", b'{"model": "m"}', 404, "not_found"),
        ("POST", "/v1/embeddings", b'{"model": "m"}', 404, "not_found"),
        ("POST", "/v1/responses", b'{"input": "Hi"}', 400, "invalid_request"),
        ("POST", "/v1/chat/completions", b'{"messages": [{"role": "user", "content": "Hi"}]}', 400, "invalid_request"),
        ("PUT", "/v1/models", None, 405, "method_not_allowed"),
        ("POST", "/v1/responses", b"{", 400, "invalid_json"),
        ("POST", "/v1/responses", b'{"input": "\\u0000"}', 400, "invalid_text"),
        ("POST", "/v1/responses", b'{"model": "m", "input": 7}', 400, "invalid_request"),
        ("POST", "/v1/responses", b'{"model": "m", "input": "Hi", "metadata": {"x": 1e999}}', 400, "invalid_request"),
        ("POST", "/v1/responses", b'{"model": "m", "input": "Hi", "user": 1e999}', 400, "invalid_request"),
        ("POST", "/v1/responses", b'{"model": "m", "service_tier": [{"x": -1e999}]}', 400, "invalid_request"),
        ("POST", "/v1/responses", b'{"model": "m", "user": ' + b"[" * 99 + b"]" * 99 + b"}", 400, "invalid_request"),
        ("POST", "/v1/chat/completions", MESSAGES + b', "tools": 1e999}', 400, "invalid_request"),
        ("POST", "/v1/chat/completions", MESSAGES + b', "logit_bias": {"7": -1e999}}', 400, "invalid_request"),
        ("POST", "/v1/chat/completions", b"{}", 400, "invalid_request"),
        ("GET", "/v1/responses/resp_" + "0" * 32 + "?stream=perhaps", None, 400, "invalid_request"),
    ],
)
async def test_errors_have_one_shape(
    user: ApiUser, method: str, path: str, content: bytes | None, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json", "X-Request-ID": "mine-1"} if content else {"X-Request-ID": "mine-1"}
    answer = await user.http.request(method, path, content=content, headers=headers)
    assert (answer.status_code, error_in(answer)["code"]) == (status, code), answer.text
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["cache-control"] == "no-store"
    if status == 405:
        assert answer.headers["allow"] == "GET"


NO_ID = "0" * 32
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/tea.png"}}
NO_FILE = {"type": "file", "file": {"file_id": f"file-{NO_ID}"}}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "User", "content": "Hi"}], "messages[0].role"),
        ([{"role": "system", "content": "Be short."}, {"content": "Hi"}], "messages[1].role"),
        ([{"role": "user", "content": "Hi"}, {"role": 7, "content": "Hi"}], "messages[1].role"),
        ([{"role": "user", "content": {"text": "Hi"}}], "messages[0].content"),
        ([{"role": "user", "content": ["Hi"]}], "messages[0].content"),
        ([{"role": "user", "content": 7}], "messages[0].content"),
        ([{"role": "user", "content": [PICTURE]}], "messages"),
        ([{"role": "user", "content": [PICTURE] * 11}], "messages"),
        ([{"role": "user", "content": [NO_FILE]}], "messages"),
        ([{"role": "user", "content": "x"}] * 5001, "messages"),
    ],
)
@pytest.mark.parametrize("store", [True, False])
async def test_a_completions_error_names_its_own_field(user: ApiUser, messages: Any, param: str, store: bool) -> None:
    asked = {"model": "m", "messages": messages, "store": store}
    answer = await user.http.post("/v1/chat/completions", json=asked)
    assert (answer.status_code, error_in(answer)["param"]) == (404 if NO_ID in str(messages) else 400, param)
    assert "input" not in error_in(answer)["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": ["Hi"]}, "input"),
        ({"input": [{"role": "User", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": "Hi"}, {"x": 1}]}, "input[1]"),
        ({"input": [{"role": "user", "content": [PICTURE]}]}, "input"),
        ({"input": "Hi", "previous_response_id": f"resp_{NO_ID}"}, "previous_response_id"),
        ({"input": "Hi", "previous_response_id": "mine"}, "previous_response_id"),
        ({"input": "Hi", "conversation": f"conv_{NO_ID}"}, "conversation"),
        ({"input": "Hi", "conversation": {"id": "mine"}}, "conversation"),
        ({"input": "Hi", "conversation": f"conv_{NO_ID}", "store": False}, "conversation"),
    ],
)
async def test_a_responses_error_names_the_field(user: ApiUser, fields: dict[str, Any], param: str) -> None:
    answer = await user.http.post("/v1/responses", json={"model": "m"} | fields)
    status = 404 if param in ("previous_response_id", "conversation") else 400
    assert (answer.status_code, error_in(answer)["param"]) == (status, param), answer.text


async def test_null_is_as_if_it_were_left_out(user: ApiUser) -> None:
    """Clients write down all their fields."""
    names = ("input", "instructions", "tools", "metadata", "store", "stream", "truncation", "conversation")
    answer = await user.http.post("/v1/responses", json={"model": "m"} | dict.fromkeys(names))
    assert answer.status_code == 200, answer.text
    asked = {"model": "m", "input": [{"type": None, "role": "user", "content": "Hi"}]}
    assert (await user.http.post("/v1/responses", json=asked)).status_code == 200


async def test_the_client_knows_the_id_of_its_request(user: ApiUser) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        await user.openai.responses.retrieve("resp_" + "0" * 32)
    assert raised.value.request_id
    made = await user.openai.responses.create(model="m", input="Hi")
    assert made._request_id


@pytest.fixture
async def small(shared_database_url: str) -> AsyncIterator[RunningService]:
    model = HeldModel("Long ", None)
    async with running(
        shared_database_url, model=model, max_generations=1, max_queued=1, max_body_bytes=100_000
    ) as service:
        yield service


async def test_a_full_service_says_when_to_come_again_and_a_large_body_is_413(small: RunningService) -> None:
    user = await api_user(small)
    busy = [await user.openai.responses.create(model="m", input="Hi", background=True) for _ in range(2)]
    with pytest.raises(openai.RateLimitError) as raised:
        await user.openai.responses.create(model="m", input="Hi")
    assert (raised.value.code, raised.value.response.headers["retry-after"]) == ("too_many_generations", "5")
    assert "x-should-retry" not in raised.value.response.headers
    # Of what was refused there is no trace.
    assert len((await user.person.client.get("/api/v1/conversations")).json()["items"]) == 2
    for each in busy:
        await user.openai.responses.cancel(each.id)
    with pytest.raises(openai.APIStatusError) as too_large:
        await user.openai.responses.create(model="m", input="x" * 200_000)
    assert (too_large.value.status_code, too_large.value.code) == (413, "body_too_large")


async def test_a_long_history_fits_that_is_mostly_structure(user: ApiUser) -> None:
    messages = [{"role": ("user", "assistant")[number % 2], "content": "x"} for number in range(4001)]
    made = await user.openai.chat.completions.create(model="m", messages=messages)
    assert made.choices[0].message.content


async def test_the_models_are_those_of_the_server(shared_database_url: str) -> None:
    with Upstream(models=("tea-1", "org/tea-2")) as upstream:
        async with running(
            shared_database_url, model=OpenAICompatibleModel(upstream.url, model="org/tea-2")
        ) as service:
            user = await api_user(service)
            assert [model.id async for model in user.openai.models.list()] == ["org/tea-2", "tea-1"]
            assert (await user.openai.models.retrieve("org/tea-2")).id == "org/tea-2"
            assert (await user.http.get("/v1/models/org%2Ftea-2")).json()["id"] == "org/tea-2"
            await user.openai.models.list()
            assert [each.path for each in upstream.requests].count("/v1/models") == 1
            made = await user.openai.responses.create(model="tea-1", input="Hi", extra_body={"seed": 7})
            assert made.output_text.startswith("Turn 1. You wrote: Hi")
            assert upstream.requests[-1].model == "tea-1"
            assert upstream.requests[-1].params["seed"] == 7
        url = upstream.url
    # Nothing listens there any more.
    for name in ("named", None):
        async with running(shared_database_url, model=OpenAICompatibleModel(url, model=name)) as service:
            user = await api_user(service)
            if name is not None:
                assert [model.id async for model in user.openai.models.list()] == ["named"]
                continue
            with pytest.raises(openai.InternalServerError) as raised:
                await user.openai.models.list()
            assert (raised.value.status_code, raised.value.code) == (503, "models_unavailable")
