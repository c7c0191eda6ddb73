"""Clients of a service under load: requests over kept connections, each timed from the moment at which it was due."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read whole; of a header that comes twice, the first one."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass
class Times:
    """Seconds by kind of request, of those that were answered and of those that were refused."""

    answered: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, kind: str, status: int, seconds: float) -> None:
        self.statuses[kind, status] += 1
        (self.answered if status < 300 else self.refused)[kind].append(seconds)

    def kinds(self) -> list[str]:
        return sorted({kind for kind, _ in self.statuses})


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all do not exceed; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Connections:
    """Kept connections to one server, as many as are used at once.

    A request waits for nothing here: where no connection is free, another one is opened.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, raw: bytes) -> Answer:
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(raw)
            answer = await _read(reader)
        except BaseException:
            writer.close()
            raise
        if answer.headers.get(b"connection") == b"close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return answer

    async def timed(self, times: Times, kind: str, raw: bytes, due: float | None = None) -> Answer | None:
        """Ask, and note how long that took since `due`; a broken connection counts as status 599."""
        begun = time.perf_counter() if due is None else due
        try:
            answer = await self.ask(raw)
        except (OSError, asyncio.IncompleteReadError):
            times.add(kind, 599, time.perf_counter() - begun)
            return None
        times.add(kind, answer.status, time.perf_counter() - begun)
        return answer

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    fields: dict[bytes, bytes] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(b":")
        fields.setdefault(name.lower(), value.strip())
    return Answer(int(status.split()[1]), fields, await _body(reader, fields))


async def _body(reader: asyncio.StreamReader, fields: Mapping[bytes, bytes]) -> bytes:
    if b"content-length" in fields:
        return await reader.readexactly(int(fields[b"content-length"]))
    body = bytearray()
    if fields.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    return bytes(body)
