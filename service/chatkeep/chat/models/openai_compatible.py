"""Any model server that speaks the OpenAI API: vLLM, Ollama, llama.cpp, LM Studio, OpenAI itself."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from chatkeep.chat.file_parts import kinds_of_parts, parts_of
from chatkeep.chat.items import JsonItem, files_left_out_item, pictures_left_out_item
from chatkeep.chat.models.errors import ModelBadAnswer, ModelError, ModelNotFound, ModelTakesNoFiles, ModelTakesNoImages
from chatkeep.chat.models.model_list import NAME_ONE, first_to_chat, listed_models
from chatkeep.chat.models.openai_address import endpoints, own_headers
from chatkeep.chat.models.openai_connection import (
    BROKEN_CONNECTION,
    MAX_LIST_BYTES,
    MAX_REFUSAL_BYTES,
    Connection,
    read_text,
)
from chatkeep.chat.models.openai_errors import MAX_NAME_CHARACTERS, Failures, refuses_usage
from chatkeep.chat.models.openai_stream import ReplyStream
from chatkeep.chat.models.params import GenerationParams
from chatkeep.chat.models.pieces import End, Item, Piece
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chat.models.retries import Retries
from chatkeep.config import Settings

MODEL_LIST_SECONDS = 10.0
REFUSAL_SECONDS = 10.0
USAGE_WANTED = {"stream_options": {"include_usage": True}}
# Statuses of a server that has no list.
NO_LIST = (400, 404, 405, 501)


class OpenAICompatibleModel:
    """A client of `POST /chat/completions`, streamed.

    Args:
        url: where the API is, such as `http://127.0.0.1:11434/v1`; without any path, `/v1` is added. It may end in
            `/chat/completions` and have a query. A user and password in it are sent as Basic authentication when
            there is no key.
        api_key: sent as a bearer token; never taken from the environment.
        model: the model where a turn names none; None asks the server and takes the first that it lists to chat with.
        connect_seconds: for the connection.
        first_token_seconds: for how long nothing may come before the first piece, and how long loading may take.
        next_token_seconds: for how long nothing may come after it. Any byte is a sign of life.
        retries: further tries, before the first piece only.
        retry_pause_seconds: before the first retry, doubled before each further one.
        proxy: the address of an HTTP proxy; those of the environment are not used.

    Raises:
        ConfigurationError: an address or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: SecretStr | str | None = None,
        model: str | None = None,
        *,
        connect_seconds: float = 5.0,
        first_token_seconds: float = 600.0,
        next_token_seconds: float = 120.0,
        retries: int = 2,
        retry_pause_seconds: float = 0.5,
        proxy: SecretStr | str | None = None,
    ) -> None:
        self._endpoints = endpoints(url)
        self._headers = own_headers(url, api_key)
        proxy = SecretStr(proxy) if isinstance(proxy, str) else proxy
        self._connection = Connection(self._headers, connect_seconds, proxy)
        self._model = model
        # The names that the server lists, where it was asked for its first.
        self.offered: tuple[str, ...] = ()
        self._first_token_seconds = first_token_seconds
        self._next_token_seconds = next_token_seconds
        self._retries = retries
        self._retry_pause_seconds = retry_pause_seconds
        self._asks_for_usage = True

    @classmethod
    def of(cls, settings: Settings, *, first_token_seconds: float | None = None, retries: int = 2) -> Self:
        """Return the model that the settings name; `model_url` is set."""
        return cls(
            settings.model_url or "",
            settings.model_api_key,
            settings.model,
            first_token_seconds=first_token_seconds or settings.model_first_token_seconds,
            next_token_seconds=settings.model_next_token_seconds,
            retries=retries,
            proxy=settings.model_proxy,
        )

    @property
    def default_name(self) -> str | None:
        """The default model's name; None until the server was asked."""
        return self._model

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the reply as it comes. Closing it early closes the connection, which stops the server.

        A model that takes no pictures or PDFs is asked again without those of earlier prompts, and an item says so.

        Raises:
            ModelError: one of `chatkeep.chat.models.errors`, after the retries.
        """
        retries = Retries(self._retries, self._retry_pause_seconds, self._first_token_seconds)
        body = {**_known(params), **prompt.tools, "messages": prompt.to_openai_messages_with_files()}
        left_out: list[JsonItem] = []
        while True:
            started = False
            try:
                reply = await self._open(model, body)
                try:
                    while pieces := await reply.read():
                        started = True
                        for piece in pieces:
                            while left_out and not isinstance(piece, End):
                                yield Item(left_out.pop(0))
                            yield piece
                    await reply.finish()
                finally:
                    reply.close()
            except (ModelTakesNoImages, ModelTakesNoFiles) as error:
                told = None if started else _leave_out_earlier(prompt, error)
                if told is None:
                    raise
                left_out.append(told)
                body["messages"] = prompt.to_openai_messages_with_files()
                continue
            except ModelError as error:
                # After the first piece a retry would say everything twice.
                pause_seconds = None if started else retries.pause_after(error)
                if pause_seconds is None:
                    raise (error if started else await self._explained(error, model or self._model)) from None
            else:
                return
            await asyncio.sleep(pause_seconds)

    async def _explained(self, error: ModelError, name: str | None) -> ModelError:
        """Add to a bare failure that the server lists no such model: some fail at one without a word."""
        if type(error) is not ModelError or name is None:
            return error
        try:
            listed = await self.list_models()
        except ModelError:
            return error
        if name in listed:
            return error
        return ModelError(f"{error.detail} It lists no model named “{name[:MAX_NAME_CHARACTERS]}”.")

    async def list_models(self) -> list[str]:
        """Return the names of the models that the server lists.

        Raises:
            ModelError: it does not answer, or lists none.
        """
        return [str(entry["id"]) for entry in await self._entries()]

    async def close(self) -> None:
        await self._connection.close()

    async def _open(self, model: str | None, body: Mapping[str, Any]) -> ReplyStream:
        """Ask for a reply; where the default that the server listed is gone, for that of its list of now."""
        name = model or await self._default_model()
        try:
            return await self._ask(name, body)
        except ModelNotFound:
            if model is not None or name not in self.offered:
                raise
            self._model = None
            if await self._default_model() == name:
                raise
        return await self._ask(await self._default_model(), body)

    async def _ask(self, name: str, body: Mapping[str, Any]) -> ReplyStream:
        """Servers from before `stream_options` refuse it by name; then the usage stays unknown."""
        messages = body["messages"]
        failures = Failures(name, [*self._secrets(), *_texts_of(messages)], self._has_key, kinds_of_parts(messages))
        asked = {"model": name, "stream": True, **body}
        if self._asks_for_usage:
            response, refusal = await self._post({**asked, **USAGE_WANTED}, failures)
            if refusal is None or not refuses_usage(refusal):
                return self._reply(response, refusal, failures)
        response, refusal = await self._post(asked, failures)
        if refusal is None:
            # Not before: the word may have been quoted from a prompt.
            self._asks_for_usage = False
        return self._reply(response, refusal, failures)

    def _reply(self, response: aiohttp.ClientResponse, refusal: str | None, failures: Failures) -> ReplyStream:
        if refusal is not None:
            raise failures.of_status(response.status, response.headers, refusal)
        return ReplyStream(
            response,
            failures,
            first_seconds=self._first_token_seconds,
            next_seconds=self._next_token_seconds,
        )

    async def _post(self, body: Mapping[str, Any], failures: Failures) -> tuple[aiohttp.ClientResponse, str | None]:
        """Return the answer, and its text where it is a refusal."""
        with _told_by(failures):
            async with asyncio.timeout(self._first_token_seconds):
                response = await self._connection.post(self._endpoints.completions, body)
            if response.status < 300:
                return response, None
            return response, await _refusal(response)

    async def _default_model(self) -> str:
        if self._model is None:
            entries = await self._entries()
            self._model = first_to_chat(entries)
            self.offered = tuple(str(entry["id"]) for entry in entries)
        return self._model

    async def _entries(self) -> list[Mapping[str, Any]]:
        return listed_models(await self._listing())

    async def _listing(self) -> str:
        failures = Failures("(the first)", self._secrets(), self._has_key)
        with _told_by(failures):
            async with asyncio.timeout(MODEL_LIST_SECONDS):
                response = await self._connection.get(self._endpoints.models)
                text = await read_text(response, MAX_LIST_BYTES)
        if response.status in NO_LIST:
            raise ModelBadAnswer(
                f"The model server does not list its models (HTTP {response.status}). {NAME_ONE}, or check "
                "CHATKEEP_MODEL_URL, which usually ends in /v1."
            )
        if response.status >= 300:
            raise failures.of_status(response.status, response.headers, text[:MAX_REFUSAL_BYTES])
        return text

    @property
    def _has_key(self) -> bool:
        return bool(self._secrets())

    def _secrets(self) -> list[str]:
        values = (value.get_secret_value() for name, value in self._headers.items() if name != "User-Agent")
        return [value.removeprefix("Bearer ").removeprefix("Basic ") for value in values]


@contextmanager
def _told_by(failures: Failures) -> Iterator[None]:
    try:
        yield
    except BROKEN_CONNECTION as error:
        raise failures.of_transport(error) from None


def _leave_out_earlier(prompt: ChatPrompt, error: ModelError) -> JsonItem | None:
    """Leave out files of earlier prompts that the model does not take; return the item that says so, if any."""
    if isinstance(error, ModelTakesNoImages):
        names = prompt.leave_out_earlier_pictures()
        return pictures_left_out_item(names) if names else None
    names = prompt.leave_out_earlier_pdfs()
    return files_left_out_item(names) if names else None


async def _refusal(response: aiohttp.ClientResponse) -> str:
    """Return the body of a refusal; one that does not come is none, and the status says enough."""
    try:
        async with asyncio.timeout(REFUSAL_SECONDS):
            return await read_text(response, MAX_REFUSAL_BYTES)
    except BROKEN_CONNECTION:
        return ""
    finally:
        response.close()


def _known(params: Mapping[str, object]) -> dict[str, object]:
    """The parameters that are ours to pass on; nothing in the history may change `model` or `messages`."""
    return {name: value for name, value in params.items() if name in GenerationParams.model_fields}


def _texts_of(messages: list[Any]) -> list[str]:
    """Every text that is sent, which no error may repeat."""
    contents = [message.get("content") for message in messages]
    texts = [part.get("text") for part in parts_of(messages)]
    return [text for text in (*contents, *texts) if isinstance(text, str)]
