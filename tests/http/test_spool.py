"""Very long answers: on disk while they wait for their clients, and whole when they have come."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from tempfile import TemporaryFile
from typing import IO
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
        monkeypatch.setattr(spool, "_write", lambda _body, _handover: None)
    streams = OpenStreams(write_timeout_seconds=30)

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield BODY
        yield b"little"
        yield BODY

    assert await answered(Response(BODY), streams) == BODY
    stream = Stream(pieces(), streams, StreamTerms(UUID(int=1)))
    assert await answered(stream, streams) == BODY + b"little" + BODY


async def test_one_whose_answer_ends_while_it_is_written_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    writing, ended = threading.Event(), threading.Event()
    files: list[IO[bytes]] = []

    def slowly(**_: object) -> IO[bytes]:
        file = TemporaryFile()  # noqa: SIM115  that it is closed is what is tested
        files.append(file)
        writing.set()
        assert ended.wait(60)
        return file

    monkeypatch.setattr("chatkeep.http.spool.TemporaryFile", slowly)
    task = asyncio.create_task(spool.spooled(b"much"))
    assert await asyncio.to_thread(writing.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended.set()
    # The thread goes on after the task has ended.
    while not files[0].closed:
        await asyncio.sleep(0.01)
