"""Requests, whole turns and streams over HTTP, beside bare FastAPI; by the server's processor time."""

import asyncio
import json
import statistics
import time
from typing import Any

import httpx2

from bench.bare_app import PIECES
from bench.measuring import ROUNDS, Figure, medians
from bench.servers import Measured, read_answer, request, send_all

PASSWORD = "benchmarks have passwords"


class Web:
    """The service and the bare application, both running, and somebody who is signed in."""

    def __init__(self, service: Measured, bare: Measured) -> None:
        self.service = service
        self.bare = bare
        self._client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}")

    async def prepare(self) -> None:
        body = {"username": f"bench-{time.time_ns()}", "password": PASSWORD}
        answer = await self._client.post("/api/v1/auth/register", json=body)
        answer.raise_for_status()
        self._cookie = f"sid={self._client.cookies['sid']}"

    async def close(self) -> None:
        await self._client.aclose()

    async def signed_in(self) -> Figure:
        """A trivial request of somebody who is signed in."""
        ours = [request(self.service.port, "GET", "/api/v1/auth/me", Cookie=self._cookie)] * 600
        bare = [request(self.bare.port, "GET", "/me")] * 600
        return await self._paired("a signed-in request (processor time)", 2.0, ours, bare)

    async def turn(self) -> Figure:
        """A whole turn as JSON."""
        conversations = [await self._conversation() for _ in range(240)]
        body = json.dumps({"content": "Hello", "stream": False}).encode()
        paths = [f"/api/v1/conversations/{each}/turns" for each in conversations]
        ours = [request(self.service.port, "POST", paths[n], body, Cookie=self._cookie) for n in range(240)]
        bare = [request(self.bare.port, "POST", "/turns", json.dumps({"content": "Hello"}).encode())] * 240
        return await self._paired("a whole turn (processor time)", 1.6, ours, bare)

    async def streaming(self) -> Figure:
        """Pieces of a stream a second of processor time, and the time to the first byte."""
        conversation = await self._conversation()
        body = json.dumps({"content": "many", "stream": True}).encode()
        path = f"/api/v1/conversations/{conversation}/turns"
        ours = request(self.service.port, "POST", path, body, Cookie=self._cookie)
        bare = request(self.bare.port, "GET", "/stream")
        pairs, firsts = [], []
        for number in range(ROUNDS + 1):
            found = [await _stream(self.service, ours), await _stream(self.bare, bare)]
            if number:
                pairs.append((PIECES / found[0][0], PIECES / found[1][0]))
                firsts.append((found[0][1], found[1][1]))
        ratio, mine, theirs = medians(pairs)
        _, first, bare_first = medians(firsts)
        detail = f"{mine:,.0f} beside {theirs:,.0f} pieces a second"
        detail += f"; first byte {first * 1e3:.1f} beside {bare_first * 1e3:.1f} ms"
        return Figure("streaming (pieces a second of processor time)", ratio, 0.8, detail=detail, at_least=True)

    async def memory(self) -> Figure:
        """What an open stream holds."""
        conversations = [await self._conversation() for _ in range(300)]
        body = json.dumps({"content": "hold", "stream": True}).encode()
        sizes: list[int] = []
        writers: list[Any] = []
        for begin in range(0, 300, 100):
            for each in conversations[begin : begin + 100]:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.service.port)
                path = f"/api/v1/conversations/{each}/turns"
                writer.write(request(self.service.port, "POST", path, body, Cookie=self._cookie))
                await reader.readuntil(b"event: delta")
                writers.append(writer)
            await asyncio.sleep(0.5)
            sizes.append(self.service.memory_bytes())
        for writer in writers:
            writer.close()
        grown = statistics.median([sizes[1] - sizes[0], sizes[2] - sizes[1]]) / 100
        return Figure("memory of an open stream", grown / 1000, 20, "kB")

    async def _conversation(self) -> str:
        answer = await self._client.post("/api/v1/conversations", json={})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def _paired(self, name: str, bar: float, ours: list[bytes], bare: list[bytes]) -> Figure:
        pairs = []
        for number in range(ROUNDS + 1):
            found = (await _cost(self.service, ours), await _cost(self.bare, bare))
            if number:
                pairs.append(found)
        ratio, mine, theirs = medians(pairs)
        return Figure(name, ratio, bar, detail=f"{mine * 1e6:,.0f} µs beside {theirs * 1e6:,.0f} µs")


async def _cost(server: Measured, requests: list[bytes]) -> float:
    """Return the processor seconds of one request."""
    before = server.processor_seconds()
    await send_all(server.port, requests)
    return (server.processor_seconds() - before) / len(requests)


async def _stream(server: Measured, raw: bytes) -> tuple[float, float]:
    """Return the processor seconds of one stream and the seconds until its first byte."""
    before, begun = server.processor_seconds(), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(raw)
    await reader.readuntil(b"\r\n")
    first = time.perf_counter() - begun
    reader._buffer[:0] = b"HTTP/1.1 200 OK\r\n"  # type: ignore[attr-defined]  # the line that was just read
    await read_answer(reader)
    writer.close()
    await asyncio.sleep(0.1)
    return server.processor_seconds() - before, first
