"""A model server that sends exactly the bytes that it is told to, framed as it is told to."""

import asyncio
import json
import re
import socket
import ssl
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

STOP_SECONDS = 10
_EVENT = re.compile(rb".+?(?:\r\n\r\n|\n\n|\r\r|$)", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """An answer, and how it is sent.

    Attributes:
        content_type: None sends no such header.
        framing: `length` with Content-Length; `close` ends with the connection; `reset` breaks it in place of an
            answer, and `cut` after the body.
        encoding: how the body is compressed.
        bytes_at_once: None sends event by event.
        pauses: seconds after the event of a number; events are counted from 0, and -1 is before the first.
        open_seconds: for how long the answer does not end after its body.
        when: sent only to requests that have such a member.
    """

    body: str | bytes = ""
    status: int = 200
    content_type: str | None = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Literal["chunked", "length", "close", "reset", "cut"] = "chunked"
    encoding: Literal["gzip", "deflate"] | None = None
    bytes_at_once: int | None = None
    pauses: Mapping[int, float] = field(default_factory=dict)
    open_seconds: float = 0.0
    when: str | None = None

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else self.body.encode("utf-8", "surrogatepass")

    def parts(self) -> list[bytes]:
        step = self.bytes_at_once
        return [self.raw[at : at + step] for at in range(0, len(self.raw), step)] if step else _EVENT.findall(self.raw)


class RawServer:
    """Lives as long as a `with` block, in a thread of its own.

    Args:
        answers: by the requested model's name: the answers to its first requests, the last to all further ones.
        listed: the answer to `GET …/models`.
        tls: what it shows of itself; None speaks plain http.
    """

    def __init__(
        self,
        answers: Mapping[str, tuple[Answer, ...]],
        listed: Answer | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answers = dict(answers)
        self.listed = listed or Answer('{"data": []}', content_type="application/json")
        self._tls = tls
        self.asked: Counter[str] = Counter()
        # Each request: its first line, its headers in lower case, its body.
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._socket, ssl=self._tls))
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_stopped())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._answer_one(reader, writer):
                    pass
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Tell whether the connection can go on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(raw) if raw else {}
        self.requests.append((head[0], headers, body))
        answer = self._answer_to(head[0], body)
        if answer.framing == "reset":
            _reset(writer)
            return False
        await _send(writer, answer)
        return answer.framing in ("chunked", "length")

    def _answer_to(self, line: str, body: Mapping[str, Any]) -> Answer:
        if line.startswith("GET"):
            return self.listed
        name = str(body.get("model"))
        before = self.asked[name]
        self.asked[name] += 1
        *first, last = self.answers[name]
        for answer in first:
            if answer.when is not None:
                if answer.when in body:
                    return answer
            elif before == 0:
                return answer
            else:
                before -= 1
        return last


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(_head(answer))
    press = zlib.compressobj(wbits=31 if answer.encoding == "gzip" else 15) if answer.encoding else None
    framed = _chunked if answer.framing in ("chunked", "cut") else bytes
    await asyncio.sleep(answer.pauses.get(-1, 0))
    for number, part in enumerate(answer.parts()):
        sent = press.compress(part) + press.flush(zlib.Z_SYNC_FLUSH) if press else part
        writer.write(framed(sent))
        await writer.drain()
        await asyncio.sleep(answer.pauses.get(number, 0))
    await asyncio.sleep(answer.open_seconds)
    if answer.framing == "cut":
        _reset(writer)
    elif answer.framing == "chunked":
        writer.write((_chunked(press.flush()) if press else b"") + b"0\r\n\r\n")
        await writer.drain()


async def _stopped() -> None:
    """Wait until every connection is closed."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):  # as a closed transport, with or without TLS, takes some rounds of the loop to go
        await asyncio.sleep(0)


def _head(answer: Answer) -> bytes:
    headers = dict(answer.headers)
    if answer.content_type is not None:
        headers["content-type"] = answer.content_type
    if answer.encoding:
        headers["content-encoding"] = answer.encoding
    if answer.framing == "length":
        headers["content-length"] = str(len(answer.raw))
    elif answer.framing == "close":
        headers["connection"] = "close"
    else:
        headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {answer.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _chunked(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part) if part else b""


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
