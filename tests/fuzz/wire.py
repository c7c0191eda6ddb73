"""One request over a socket of its own, and as much of the answer as tells what it is."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 200_000
# Longer than the service lets anyone wait for an answer on a busy machine.
ANSWER_SECONDS = 60.0
# A stream that goes on is left: so do most clients.
STREAM_SECONDS = 1.0
# A connection may stay open after the answer: a mutated `Connection: close` says nothing any more.
WITHOUT_BODY = (204, 304)
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        status: 0 where the connection ended without an answer, -1 where nothing came in time.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error, in either shape; `page` for people, and empty where there is none."""
        media_type = self.headers.get("content-type", "").partition(";")[0]
        if media_type == "text/html":
            return "page"
        try:
            found: Any = json.loads(self.body) if "json" in media_type else {}
        except ValueError:
            return ""
        return str(found.get("code") or found.get("error") or "") if isinstance(found, dict) else ""


NOTHING = Answer(0, {}, b"")
LATE = Answer(-1, {}, b"")


async def sent(url: str, payload: bytes) -> Answer:
    """Send bytes and return the answer; what is left of a long one is not waited for."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(payload)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _answer(reader)
    except TimeoutError:
        return LATE
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return NOTHING
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = int(status_line.split(" ")[1])
    if status == 100:
        return await _answer(reader)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    return Answer(status, headers, b"" if status in WITHOUT_BODY else await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    body = b""
    streams = headers.get("content-type", "").startswith("text/event-stream")
    try:
        async with asyncio.timeout(STREAM_SECONDS if streams else ANSWER_SECONDS):
            while len(body) < MAX_ANSWER_BYTES and (piece := await reader.read(65_536)):
                body += piece
                if len(body) >= int(headers.get("content-length", MAX_ANSWER_BYTES)):
                    break
                if "transfer-encoding" in headers and body.endswith(LAST_CHUNK):
                    break
    except (TimeoutError, ConnectionError):
        pass  # what came tells enough
    return body
