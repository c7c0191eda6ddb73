"""The service and bare FastAPI, each a process of its own, on the same database and with the same model server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx2

from bench import plain_schema
from bench.bare_app import USERNAME
from bench.model_app import at_once
from bench.run import Run
from bench.servers import Measured, listening, request, server

PASSWORD = "benchmarks have passwords"
SECRET = "a key for benchmarks: 0123456789abcdefghijklmnopqrstuvwxyz"
SETTINGS = {
    "CHATKEEP_SECRET_KEY": SECRET,
    "CHATKEEP_COOKIE_SECURE": "false",
    "CHATKEEP_LOG_LEVEL": "warning",
    "CHATKEEP_MAX_REGISTRATIONS_PER_HOUR": "100000",
    "CHATKEEP_SHUTDOWN_GRACE_SECONDS": "0",
}
# Of cases that measure something else than the limit.
MANY_GENERATIONS = {"CHATKEEP_MAX_GENERATIONS": "500"}
TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Web:
    """The service and the bare application, both running, and somebody who is signed in."""

    run: Run
    service: Measured
    bare: Measured
    client: httpx2.AsyncClient

    @property
    def cookie(self) -> str:
        return f"sid={self.client.cookies['sid']}"

    async def conversations(self, many: int) -> list[str]:
        """Make conversations, as the service's for its user and in the plain tables."""
        return [await self._conversation() for _ in range(many)]

    async def _conversation(self) -> str:
        answer = await self.client.post("/api/v1/conversations", json={})
        answer.raise_for_status()
        made = str(answer.json()["id"])
        connection = self.run.server.connection
        user_id = await connection.fetchval("SELECT id FROM users WHERE username_key = $1", USERNAME)
        await connection.execute(plain_schema.CREATE_CONVERSATION, UUID(made), user_id)
        return made

    async def delete(self, conversation_ids: Sequence[str]) -> None:
        """Delete conversations, and wait until nothing is generated: it would be measured with what comes next."""
        for each in conversation_ids:
            (await self.client.delete(f"/api/v1/conversations/{each}")).raise_for_status()
        while "\nchatkeep_generations 0.0\n" not in (await self.client.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(TICK_SECONDS)

    def turn(self, conversation_id: str, model: str, content: str, *, stream: bool) -> bytes:
        """Return the request that takes a turn of the service."""
        return turn_request(self.service.port, self.cookie, conversation_id, model, content, stream=stream)

    def bare_turn(self, conversation_id: str, model: str, content: str, *, stream: bool) -> bytes:
        """Return the same request to the bare application."""
        path = f"/conversations/{conversation_id}/turns{'/streamed' if stream else ''}"
        body = json.dumps({"content": content, "stream": stream, "model": model}).encode()
        return request(self.bare.port, "POST", path, body, Cookie=self.cookie)


def turn_request(port: int, cookie: str, conversation_id: str, model: str, content: str, *, stream: bool) -> bytes:
    body = json.dumps({"content": content, "stream": stream, "model": model}).encode()
    return request(port, "POST", f"/api/v1/conversations/{conversation_id}/turns", body, Cookie=cookie)


async def registered(client: httpx2.AsyncClient, name: str) -> str:
    """Make an account, and return its cookie."""
    body = {"username": f"bench-{time.time_ns()}-{name}", "password": PASSWORD}
    answer = await client.post("/api/v1/auth/register", json=body)
    answer.raise_for_status()
    return f"sid={answer.cookies['sid']}"


@asynccontextmanager
async def web(run: Run) -> AsyncIterator[Web]:
    """Start the model server, the service as `chatkeep serve` runs it, and the bare application."""
    with ExitStack() as stack:
        model = stack.enter_context(server("bench.model_app:application"))
        url = f"http://127.0.0.1:{model.port}/v1"
        service = stack.enter_context(service_of(run, url, **MANY_GENERATIONS))
        environment = {"BENCH_DATABASE_URL": run.url, "BENCH_MODEL_URL": url}
        bare = stack.enter_context(server("bench.bare_app:application", **environment))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
            await registered(client, "web")
            yield Web(run, service, bare, client)


def service_of(run: Run, model_url: str, **more: str) -> AbstractContextManager[Measured]:
    """Run one process of the service.

    Args:
        more: settings beside those of every benchmark.
    """
    own = {"CHATKEEP_DATABASE_URL": run.url, "CHATKEEP_MODEL_URL": model_url, "CHATKEEP_MODEL": at_once(1)}
    return listening("-m", "chatkeep.cli", "serve", "--port", "0", **SETTINGS, **own, **more)
