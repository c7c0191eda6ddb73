"""`chatkeep doctor` beside a running service: who waits for a reply, and for what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from chatkeep.cli.doctor.findings import Findings, Level
from chatkeep.cli.doctor.load import look_at_load
from chatkeep.config import Settings
from tests.support.process import serving
from tests.upstream import Upstream

REPLIES = 3
ACCOUNT = {"username": "alice", "password": "tests have long passwords"}


async def ask(url: str, client: httpx2.AsyncClient) -> None:
    """Begin replies that wait for their first word, each in a conversation of its own."""
    assert (await client.post(f"{url}/api/v1/auth/register", json=ACCOUNT)).status_code == 201
    for _ in range(REPLIES):
        conversation = (await client.post(f"{url}/api/v1/conversations", json={})).json()["id"]
        body = {"content": "[slow-60000] Hello", "stream": True}
        async with client.stream("POST", f"{url}/api/v1/conversations/{conversation}/turns", json=body) as answer:
            assert answer.status_code == 200


async def found(settings: Settings) -> Findings:
    findings = Findings()
    await asyncio.to_thread(look_at_load, settings, findings)
    return findings


async def test_it_says_when_the_limit_makes_people_wait(tmp_path: Path, database_url: str) -> None:
    limits: dict[str, object] = {"max_generations": 1, "shutdown_grace_seconds": 0}
    with Upstream() as upstream:
        async with serving(tmp_path, database_url=database_url, model_url=upstream.url, **limits) as service:
            settings = Settings.read(port=httpx2.URL(service.url).port, **limits)
            assert not list(await found(settings))
            async with httpx2.AsyncClient(trust_env=False, headers={"Origin": service.url}) as client:
                await ask(service.url, client)
            (warning,) = await found(settings)
            assert warning.level is Level.WARNING
            assert warning.what.startswith("2 replies wait for others to end, not for the model")
            assert "CHATKEEP_MAX_GENERATIONS=1" in warning.what
            (note,) = await found(settings.model_copy(update={"max_generations": 100}))
            assert note.level is Level.NOTE
            assert note.what.startswith("2 replies wait for the model server")


async def test_a_service_that_is_not_there_is_passed_over() -> None:
    assert not list(await found(Settings.read(port=1)))


@asynccontextmanager
async def listening(body: bytes, *, times: int = 1) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run somebody else's server; yield its port and the requests that it has had."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(times):
                writer.write(body)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()


@pytest.mark.parametrize("value", [b"...", b"1e999", b"-1", b"1" * 5000, b"", b"NaN", b"\xff"])
async def test_what_else_may_answer_there_says_nothing(value: bytes) -> None:
    async with listening(b"chatkeep_generations_waiting " + value + b"\n") as (port, _):
        assert not list(await found(Settings.read(port=port)))


async def test_an_answer_without_an_end_is_left() -> None:
    async with listening(b"x" * 65_536, times=10_000) as (port, requests):
        assert not list(await found(Settings.read(port=port)))
        assert len(requests) == 1


async def test_a_token_is_sent_to_nobody_of_whom_it_is_not_known_that_they_are_the_service(tmp_path: Path) -> None:
    async with listening(b"") as (port, requests):
        own = {"port": port, "data_dir": tmp_path, "metrics_token": "a-token-of-the-monitoring-0123456789"}
        assert not list(await found(Settings.read(**own)))
        assert not requests
