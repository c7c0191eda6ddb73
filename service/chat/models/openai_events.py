"""The events of a streamed chat completion, read one by one.

The SDK's own reader hides whether a stream ended with `[DONE]` or was merely cut off, and builds a large
object for every token; httpx2's reader gives the events as they are and bounds their size.

Source: OpenAI API reference, Chat completions, Streaming; WHATWG HTML, Server-sent events.
"""

import json
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import anyio
import httpx2

from service.chat.models.errors import ModelBadAnswer, ModelCutOff, ModelError
from service.chat.models.pieces import Usage

# After `finish_reason` only the usage and [DONE] may follow; nobody is kept waiting for a server without.
LAST_WORDS_SECONDS = 5.0
# A connection can be used again only once its answer was read to the end, which comes with [DONE] or not soon.
END_SECONDS = 0.1
# The last two escape httpx2 unmapped: https://github.com/pydantic/httpx2/issues/854
BROKEN_CONNECTION = (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event: text (often none: roles, reasoning), whether the reply is whole, what it cost."""

    text: str = ""
    finished: bool = False
    usage: Usage | None = None


async def read_chunks(
    response: httpx2.Response, first_wait_seconds: float, next_wait_seconds: float
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of a whole reply.

    Raises:
        TimeoutError: no event within the wait.
        ModelCutOff: the stream ended before `finish_reason` and before [DONE].
        ModelBadAnswer, ModelError: an event is not a chunk, or is an error.
        httpx2.RequestError, ssl.SSLError, anyio.EndOfStream: the connection broke, or carries no event stream.
    """
    wait_seconds, finished = first_wait_seconds, False
    async with aclosing(_events(response)) as events:
        while data := await _next_event(events, wait_seconds, finished):
            chunk = read_chunk(data)
            finished = finished or chunk.finished
            wait_seconds = LAST_WORDS_SECONDS if finished else next_wait_seconds
            yield chunk


async def _events(response: httpx2.Response) -> AsyncGenerator[str, None]:
    async for event in httpx2.EventSource(response):
        if event.data:
            yield event.data


async def _next_event(events: AsyncGenerator[str, None], wait_seconds: float, finished: bool) -> str | None:
    """Return the next event's data, or None at the end of a whole reply."""
    try:
        with anyio.fail_after(wait_seconds):
            data = await anext(events, None)
    except (TimeoutError, *BROKEN_CONNECTION):
        if finished:
            return None
        raise
    if data is None and not finished:
        raise ModelCutOff("The model server ended the connection in the middle of its reply.")
    if data is not None and data.startswith("[DONE]"):
        await _read_to_the_end(events)
        return None
    return data


async def _read_to_the_end(events: AsyncGenerator[str, None]) -> None:
    with suppress(*BROKEN_CONNECTION), anyio.move_on_after(END_SECONDS):
        await anext(events, None)


def read_chunk(data: str) -> Chunk:
    """Return what one event says.

    Raises:
        ModelBadAnswer: it is not JSON, or not a chat completion chunk.
        ModelError: it is the server's error; its words are not repeated, for they may quote the prompt.
    """
    event = _json_object(data)
    if event.get("error"):
        raise ModelError("The model server reported an error in the middle of its reply.")
    choice = _first_choice(event)
    return Chunk(
        text=_text(choice),
        finished=choice.get("finish_reason") is not None,
        usage=_usage(event.get("usage")),
    )


def _json_object(data: str) -> Mapping[str, object]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise ModelBadAnswer("The model server sent an event that is not whole JSON.") from None
    return _object(event)


def _object(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ModelBadAnswer("The model server sent an event that is not part of a chat completion.")
    return value


def _first_choice(event: Mapping[str, object]) -> Mapping[str, object]:
    """Without any choice, as in the event that carries the usage, everything is absent."""
    choices = event.get("choices") or []
    if not isinstance(choices, Sequence) or isinstance(choices, str):
        raise ModelBadAnswer("The model server sent an event that is not part of a chat completion.")
    return _object(choices[0]) if choices else {}


def _text(choice: Mapping[str, object]) -> str:
    """`content` alone: `reasoning_content`, which some servers send beside it, is not part of the reply."""
    content = _object(choice.get("delta")).get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ModelBadAnswer("The model server sent a reply that is not text.")
    return content


def _usage(value: object) -> Usage | None:
    """Counts that are absent or odd are unknown, which is no reason to lose a reply."""
    if not isinstance(value, Mapping):
        return None
    asked, answered = value.get("prompt_tokens"), value.get("completion_tokens")
    if not isinstance(asked, int) or not isinstance(answered, int) or min(asked, answered) < 0:
        return None
    return Usage(input_tokens=asked, output_tokens=answered)
