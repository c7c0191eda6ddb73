"""A model server that says as many words as the model's name asks for: `40-at-once`, `40-in-one`, `100-every-25-ms`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Any

PIECE_CHARACTERS = 5
HEADERS = [(b"content-type", b"text/event-stream")]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def at_once(pieces: int) -> str:
    """Return the name of the model that says so many pieces without a pause."""
    return f"{pieces}-at-once"


def in_one(pieces: int) -> str:
    """Return the name of the model that says the same in one piece."""
    return f"{pieces}-in-one"


def every(milliseconds: int, pieces: int) -> str:
    """Return the name of the model that pauses before each piece but the first."""
    return f"{pieces}-every-{milliseconds}-ms"


def application() -> Callable[..., Awaitable[None]]:
    return answer


async def answer(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    """Stream the reply to `POST …/chat/completions` as the name of its model says."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    name = json.loads(body)["model"] if body else at_once(1)
    number, _, pace = name.partition("-")
    seconds = int(pace.split("-")[1]) / 1000 if pace.startswith("every") else 0.0
    pieces = [f"w{each % 1000:03} " for each in range(int(number))]
    pieces = ["".join(pieces)] if pace == "in-one" else pieces
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    gone = asyncio.ensure_future(receive())
    try:
        for position, event in enumerate(_events(pieces)):
            if seconds and 0 < position < len(pieces):
                await asyncio.wait([gone], timeout=seconds)
                if gone.done():
                    return  # the client has left
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


def _events(pieces: Sequence[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield _chunk({"content": piece})
    yield _chunk({}, "stop")
    yield b"data: [DONE]\n\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(document).encode() + b"\n\n"
