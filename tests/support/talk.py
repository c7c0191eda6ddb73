"""People who chat while something happens to the database, and what they were told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx2

from tests.support.running_service import Person, RunningService
from tests.support.urls import driver_url

# The service promises 5; the rest is for a machine that is busy with other things.
WHOLE_SECONDS = 15


@dataclass
class Talk:
    """People who chat without a pause, and what they were told."""

    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    async def go_on(self, person: Person) -> None:
        conversation = await person.conversation()
        for number in range(100_000):
            body = {"content": f"{person.username} {number}", "stream": False}
            answer = await person.client.post(f"/api/v1/conversations/{conversation}/turns", json=body)
            self.statuses[answer.status_code] += 1
            if answer.status_code == 201 and answer.json()["status"] == "complete":
                self.acknowledged.append(answer.json()["id"])
            elif answer.status_code != 201:
                self.refusals[answer.json()["code"]] += 1
                await asyncio.sleep(0.05)
            if answer.status_code == 409:  # the turn before was begun, and the answer to it was lost
                assert answer.json()["code"] == "turn_in_progress"

    async def more(self, count: int = 20) -> None:
        """Wait until so many more turns were acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def talking(service: RunningService, people: int = 4) -> AsyncIterator[Talk]:
    talk = Talk()
    tasks = [asyncio.create_task(talk.go_on(await service.person())) for _ in range(people)]
    try:
        yield talk
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def readiness(service: RunningService, status: int, *, seconds: float = WHOLE_SECONDS) -> httpx2.Response:
    """Wait until `/readyz` answers so."""
    async with asyncio.timeout(seconds):
        while (answer := await service.client().get("/readyz")).status_code != status:
            await asyncio.sleep(0.05)
    return answer


async def require_kept(url: str, talk: Talk) -> None:
    """Every turn that was acknowledged is there, once and whole."""
    connection = await asyncpg.connect(driver_url(url))
    rows = await connection.fetch("SELECT id::text, status, count(*) OVER (PARTITION BY prompt) AS alike FROM turns")
    await connection.close()
    kept = {row["id"]: row for row in rows}
    assert not [each for each in talk.acknowledged if each not in kept or kept[each]["status"] != "complete"]
    assert {row["alike"] for row in rows} == {1}
    assert set(talk.statuses) <= {201, 409, 503}, talk.refusals
