"""Requests and whole turns over HTTP, beside bare FastAPI on the same kind of socket with the same payload."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2

from bench.measurements import Effort, Figure, Sides
from bench.servers import Measured, request, send_all, server

PASSWORD = "benchmarks have passwords"
SECRET = "a key for benchmarks: 0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Web:
    """The service and the bare application, both running, and somebody who is signed in."""

    effort: Effort
    service: Measured
    bare: Measured
    client: httpx2.AsyncClient

    @property
    def cookie(self) -> str:
        return f"sid={self.client.cookies['sid']}"

    async def conversation(self) -> str:
        answer = await self.client.post("/api/v1/conversations", json={})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def delete(self, conversation_ids: Sequence[str]) -> None:
        """Delete conversations, and wait until nothing is generated: it would be measured with what comes next."""
        for each in conversation_ids:
            (await self.client.delete(f"/api/v1/conversations/{each}")).raise_for_status()
        while "\nchatkeep_generations 0.0\n" not in (await self.client.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def turn(self, conversation_id: str, content: str, *, stream: bool) -> bytes:
        """Return the request that takes a turn."""
        body = json.dumps({"content": content, "stream": stream}).encode()
        path = f"/api/v1/conversations/{conversation_id}/turns"
        return request(self.service.port, "POST", path, body, Cookie=self.cookie)


@asynccontextmanager
async def web(
    url: str, effort: Effort, application: str = "bench.service_app:application", **more: str
) -> AsyncIterator[Web]:
    """Start both.

    Args:
        more: settings of the service beside those of every benchmark.
    """
    settings = {
        "CHATKEEP_DATABASE_URL": url,
        "CHATKEEP_SECRET_KEY": SECRET,
        "CHATKEEP_COOKIE_SECURE": "false",
        "CHATKEEP_LOG_LEVEL": "warning",
        "CHATKEEP_MAX_GENERATIONS": "500",
        "CHATKEEP_SHUTDOWN_GRACE_SECONDS": "0",
        **more,
    }
    with ExitStack() as stack:
        service = stack.enter_context(server(application, **settings))
        bare = stack.enter_context(server("bench.bare_app:application", BENCH_DATABASE_URL=url))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
            body = {"username": f"bench-{time.time_ns()}", "password": PASSWORD}
            (await client.post("/api/v1/auth/register", json=body)).raise_for_status()
            yield Web(effort, service, bare, client)


async def signed_in(web: Web) -> list[Figure]:
    """A trivial request of somebody who is signed in: theirs is one look-up more than the bare one's."""
    many = web.effort.of(600)
    ours = [request(web.service.port, "GET", "/api/v1/auth/me", Cookie=web.cookie)] * many
    figures = []
    for path, name, bar in (
        ("/me", "a signed-in request (processor time)", 2.0),
        ("/me/looked-up", "  beside a bare look-up and the same answer", None),
    ):
        bare = [request(web.bare.port, "GET", path, Cookie=web.cookie)] * many
        processor, _ = await _paired(web, ours, bare)
        figures.append(processor.ratio(name, bar))
    return figures


async def whole_turn(web: Web) -> list[Figure]:
    """A whole turn as JSON, answered by the demonstration model without its pauses."""
    many = web.effort.of(200)
    conversations = [await web.conversation() for _ in range(many)]
    ours = [web.turn(each, "Hello", stream=False) for each in conversations]
    body = json.dumps({"content": "Hello", "stream": False}).encode()
    figures = []
    for path, name, bar in (
        ("/turns", "a whole turn", 1.6),
        ("/turns/kept-first", "  beside one whose prompt is kept first", None),
    ):
        bare = [request(web.bare.port, "POST", path, body, Cookie=web.cookie)] * many
        processor, waited = await _paired(web, ours, bare)
        figures += [
            processor.ratio(f"{name} (processor time)", bar),
            waited.ratio(f"{name} (time, one after the other)", bar),
        ]
    return figures


async def _paired(web: Web, ours: Sequence[bytes], bare: Sequence[bytes]) -> tuple[Sides, Sides]:
    """Return processor time and time of a request, of rounds in which a few of each side take turns."""
    processor, waited = Sides(), Sides()
    for number in range(web.effort.rounds + 1):
        found = [[0.0, 0.0], [0.0, 0.0]]
        for first in range(0, len(ours), 20):
            for side, (measured, requests) in enumerate(((web.service, ours), (web.bare, bare))):
                before, begun = measured.processor_seconds(), time.perf_counter()
                await send_all(measured.port, requests[first : first + 20])
                found[0][side] += measured.processor_seconds() - before
                found[1][side] += time.perf_counter() - begun
        if number:
            for sides, (mine, theirs) in zip((processor, waited), found, strict=True):
                sides.pairs.append((mine / len(ours), theirs / len(ours)))
    return processor, waited
