"""Any model server that speaks the OpenAI API: vLLM, Ollama, llama.cpp, LM Studio, OpenAI itself."""

import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote

import anyio
import httpx2
from openai import AsyncOpenAI, BadRequestError, UnprocessableEntityError
from pydantic import SecretStr

from service import __version__
from service.chat.models.errors import ModelBadAnswer, ModelError, ModelNotFound, ModelRateLimited
from service.chat.models.openai_events import read_chunks
from service.chat.models.openai_failures import model_errors
from service.chat.models.params import GenerationParams
from service.chat.models.pieces import Text, Usage
from service.chat.prompt import ChatPrompt
from service.errors import ConfigurationError

MODEL_LIST_SECONDS = 10.0
SEND_SECONDS = 30.0
# Told to wait longer than this, it is better to say so than to keep someone waiting.
LONGEST_RETRY_PAUSE_SECONDS = 10.0
# All that leaves for the model server, besides `User-Agent` and `Authorization`.
SENT_HEADERS = ("host", "accept", "content-type", "content-length", "transfer-encoding")
USAGE_WANTED = {"stream_options": {"include_usage": True}}


class OpenAICompatibleModel:
    """A client of `POST /chat/completions`, streamed.

    Args:
        url: where the API is, such as `http://127.0.0.1:11434/v1`; without any path, `/v1` is added.
            A user and password in it are sent as Basic authentication when there is no key.
        api_key: sent as a bearer token; never taken from the environment.
        model: the model for whoever names none; None asks the server once and takes the first that it lists.
        connect_seconds: for the connection.
        first_token_seconds: from the request to the first event, time in the server's queue included.
        next_token_seconds: between two events; the tokens of a model that reasons in silence count as events.
        retries: further tries, before the first token only.
        retry_pause_seconds: before the first retry, doubled before each further one.
        proxy: the address of an HTTP proxy; those of the environment are not used.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: SecretStr | str | None = None,
        model: str | None = None,
        *,
        connect_seconds: float = 5.0,
        first_token_seconds: float = 120.0,
        next_token_seconds: float = 60.0,
        retries: int = 2,
        retry_pause_seconds: float = 0.5,
        proxy: str | None = None,
    ) -> None:
        address = _address(url)
        self._authorization = _authorization(address, api_key)
        self._model = model
        # The names that the server lists, where it was asked for its first.
        self.offered: tuple[str, ...] = ()
        self._first_token_seconds = first_token_seconds
        self._next_token_seconds = next_token_seconds
        self._retries = retries
        self._retry_pause_seconds = retry_pause_seconds
        self._asks_for_usage = True
        self._client = AsyncOpenAI(
            base_url=address.copy_with(username=None, password=None),
            api_key="replaced-by-own-headers",
            max_retries=0,
            http_client=_http_client(self._authorization, connect_seconds, proxy),
        )

    @property
    def default_name(self) -> str | None:
        """The default model's name; None until the server was asked."""
        return self._model

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Text | Usage, None]:
        """Yield the reply as it comes. Closing it early closes the connection, which stops the server.

        Raises:
            ModelError: one of `service.chat.models.errors`, after the retries.
        """
        tries = 0
        while True:
            started = False
            try:
                async with aclosing(self._reply(prompt, model, params)) as reply:
                    async for piece in reply:
                        started = True
                        yield piece
            except ModelError as error:
                pause_seconds = self._pause_before_retry(error, tries)
                # After the first token a retry would say everything twice.
                if started or pause_seconds is None:
                    raise
            else:
                return
            await anyio.sleep(pause_seconds)
            tries += 1

    async def close(self) -> None:
        await self._client.close()

    def _pause_before_retry(self, error: ModelError, tries: int) -> float | None:
        """How long to wait before another try, or None when there is to be none."""
        if not error.worth_retrying or tries >= self._retries:
            return None
        asked_for = error.retry_after_seconds if isinstance(error, ModelRateLimited) else None
        if asked_for is None:
            return self._retry_pause_seconds * (1 << tries)
        return asked_for if asked_for <= LONGEST_RETRY_PAUSE_SECONDS else None

    async def _reply(
        self, prompt: ChatPrompt, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Text | Usage, None]:
        name = model or await self._default_model()
        messages = prompt.to_openai_messages()
        with model_errors(name, [*self._unspoken(), *(message["content"] for message in messages)]):
            deadline = anyio.current_time() + self._first_token_seconds
            with anyio.fail_after(self._first_token_seconds):
                response = await self._ask(name, {**_known(params), "messages": messages})
            async with aclosing(response), aclosing(self._pieces(response, deadline)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _pieces(self, response: httpx2.Response, deadline: float) -> AsyncGenerator[Text | Usage, None]:
        usage = None
        first_wait_seconds = max(0.0, deadline - anyio.current_time())
        async with aclosing(read_chunks(response, first_wait_seconds, self._next_token_seconds)) as chunks:
            async for chunk in chunks:
                usage = chunk.usage or usage
                if chunk.text:
                    yield Text(chunk.text)
        if usage:
            yield usage

    async def _ask(self, name: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Servers from before `stream_options` refuse it by name; then the usage stays unknown."""
        if not self._asks_for_usage:
            return await self._post(name, body)
        try:
            return await self._post(name, {**body, **USAGE_WANTED})
        except (BadRequestError, UnprocessableEntityError) as error:
            if "stream_options" not in error.response.text:
                raise
        self._asks_for_usage = False
        return await self._post(name, body)

    async def _post(self, name: str, body: Mapping[str, Any]) -> httpx2.Response:
        # `extra_body` is sent as it is; the SDK would walk through `messages` against its types, which blocks
        # the event loop for 0.4 ms a message.
        stream = await self._client.chat.completions.create(model=name, messages=[], stream=True, extra_body=body)
        return stream.response

    async def _default_model(self) -> str:
        if self._model is None:
            with model_errors("(the first)", self._unspoken()), anyio.fail_after(MODEL_LIST_SECONDS):
                answer = await self._client.get("/models", cast_to=httpx2.Response)
            self.offered = _listed_models(answer.text)
            self._model = self.offered[0]
        return self._model

    def _unspoken(self) -> list[str]:
        secret = self._authorization.get_secret_value() if self._authorization else ""
        return [secret.partition(" ")[2]] if secret else []


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ConfigurationError("CHATKEEP_MODEL_URL is not an address.") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigurationError("CHATKEEP_MODEL_URL is not an http or https address.")
    return address if address.path.strip("/") else address.copy_with(path="/v1")


def _authorization(address: httpx2.URL, api_key: SecretStr | str | None) -> SecretStr | None:
    secret = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key or ""
    # A key that was read from a file ends in a newline.
    key = secret.strip()
    if not key.isascii() or not key.isprintable():
        # The HTTP library would refuse it too, quoting it in the error.
        raise ConfigurationError("CHATKEEP_MODEL_API_KEY holds characters that no HTTP header can carry.")
    if key:
        return SecretStr(f"Bearer {key}")
    return SecretStr(f"Basic {_basic(address)}") if address.userinfo else None


def _basic(address: httpx2.URL) -> str:
    return base64.b64encode(unquote(address.userinfo.decode()).encode()).decode()


def _http_client(authorization: SecretStr | None, connect_seconds: float, proxy: str | None) -> httpx2.AsyncClient:
    """A client that goes where it is told: no redirects, no proxies and no `.netrc` of the environment.

    Reading has no timeout here: `read_chunks` times events, which a server that sends half a line a minute
    does not get around. The number of connections is the number of generations, which is bounded elsewhere.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(connect=connect_seconds, read=None, write=SEND_SECONDS, pool=connect_seconds),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        follow_redirects=False,
        trust_env=False,
        proxy=proxy,
        verify=httpx2.create_ssl_context(),
        event_hooks={"request": [_own_headers_only(authorization)]},
    )


def _own_headers_only(authorization: SecretStr | None) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Return a hook that drops every header but ours.

    The SDK adds what it finds in OPENAI_API_KEY, OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS,
    and the client its cookies: a key meant for one server would reach another, one user's cookie all users.
    """

    async def drop_others(request: httpx2.Request) -> None:
        headers = {name: request.headers[name] for name in SENT_HEADERS if name in request.headers}
        headers["user-agent"] = f"chatkeep/{__version__}"
        if authorization is not None:
            headers["authorization"] = authorization.get_secret_value()
        request.headers = httpx2.Headers(headers)

    return drop_others


def _known(params: Mapping[str, object]) -> dict[str, object]:
    """The parameters that are ours to pass on; nothing in the history may change `model` or `messages`."""
    return {name: value for name, value in params.items() if name in GenerationParams.model_fields}


def _listed_models(listing: str) -> tuple[str, ...]:
    try:
        names = tuple(str(each["id"]) for each in json.loads(listing)["data"] or ())
    except (ValueError, LookupError, TypeError):
        raise ModelBadAnswer(
            "The model server did not answer with a list of models. The operator should check that "
            "CHATKEEP_MODEL_URL is an OpenAI-compatible address, or name a model in CHATKEEP_MODEL."
        ) from None
    if not names:
        raise ModelNotFound("The model server offers no model. The operator should load one there.")
    return names
