"""A model server that says as many pieces as the model's name asks for: `40-at-once`, `40-one-by-one`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

PIECE_PAUSE_SECONDS = 0.001
HEADERS = [(b"content-type", b"text/event-stream")]

Message = MutableMapping[str, Any]


def application() -> Callable[..., Awaitable[None]]:
    return answer


async def answer(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Stream the reply to `POST …/chat/completions` as the name of its model says."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    number, _, pace = json.loads(body)["model"].partition("-")
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    for event in [*[_chunk({"content": "some "})] * int(number), _chunk({}, "stop"), b"data: [DONE]\n\n"]:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        if pace == "one-by-one":
            await asyncio.sleep(PIECE_PAUSE_SECONDS)
    await send({"type": "http.response.body", "body": b""})


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(document).encode() + b"\n\n"
