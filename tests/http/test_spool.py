"""Very long answers: on disk while they wait for their clients, and whole when they have come."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chatkeep.http import spool
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.streams import Stream, StreamsLast

BODY = bytes(range(256)) * 8_000


async def answered(response: Response, streams: OpenStreams) -> bytes:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await StreamsLast(app, streams=streams)({"type": "http", "method": "GET", "headers": []}, receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert not sent[-1].get("more_body", False)
    assert all(each.get("more_body") for each in sent[1:-1])
    assert max(len(each["body"]) for each in sent[1:]) <= 65_536
    return b"".join(each["body"] for each in sent[1:])


@pytest.mark.parametrize("room", [True, False])
async def test_a_very_long_answer_is_sent_whole(monkeypatch: pytest.MonkeyPatch, room: bool) -> None:
    if not room:
        monkeypatch.setattr(spool, "_written", lambda _: None)
    streams = OpenStreams(write_timeout_seconds=30)

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield BODY
        yield b"little"
        yield BODY

    assert await answered(Response(BODY), streams) == BODY
    stream = Stream(pieces(), streams, StreamTerms(UUID(int=1)))
    assert await answered(stream, streams) == BODY + b"little" + BODY
