"""The watch over the event loop: it names who held it, and nobody who did not."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI

from chatkeep.app import loop_watch
from chatkeep.app.loop_watch import LoopWatch, UnderWay
from chatkeep.app.metrics import Metrics
from tests.app.test_metrics import samples
from tests.support.process import CHATKEEP, serving_by
from tests.support.running_service import RunningService, running

Lines = list[MutableMapping[str, Any]]

APPLICATION = """
import re, time
from chatkeep.app import create_app
from chatkeep.config import Settings

app = create_app(Settings.read(), owns_process=True)

@app.get("/sleeps/{seconds}")
async def sleeps(seconds: float):
    time.sleep(seconds)

@app.get("/computes")
async def computes():
    sum(number * number for number in range(6_000_000))

@app.get("/in-c")
async def in_c():
    re.match(r"(a*)*b", "a" * 22)
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The lines of the watch, however the log is set up."""
    captured = structlog.testing.LogCapture()
    monkeypatch.setattr(loop_watch, "log", structlog.wrap_logger(structlog.PrintLogger(), processors=[captured]))
    return captured.entries


@pytest.fixture
async def watch() -> AsyncIterator[LoopWatch]:
    watch = LoopWatch(FastAPI(), Metrics(), UnderWay())
    yield watch
    watch.stop()


def held(lines: Lines) -> Lines:
    return [line for line in lines if line["event"] == "event_loop_blocked"]


async def waits_for(lines: Lines) -> MutableMapping[str, Any]:
    """Return the first line about the loop."""
    async with asyncio.timeout(30):
        while not held(lines):
            await asyncio.sleep(0.05)
    return held(lines)[0]


async def test_a_task_is_named_with_its_line(watch: LoopWatch, told: Lines) -> None:
    async def holds() -> None:
        time.sleep(0.4)  # noqa: ASYNC251  the mistake that is looked for

    await asyncio.sleep(0.1)
    await asyncio.create_task(holds(), name="heavy")
    line = await waits_for(told)
    assert line["holder"] == "task heavy"
    assert re.fullmatch(r"app/test_loop_watch\.py:\d+ holds", line["where"])
    assert line["milliseconds"] >= 300


async def test_a_callback_is_told_of(watch: LoopWatch, told: Lines) -> None:
    await asyncio.sleep(0.1)
    asyncio.get_running_loop().call_soon(time.sleep, 0.4)
    assert (await waits_for(told))["holder"] == "(callback)"


async def test_a_quiet_loop_and_work_elsewhere_are_no_alarm(watch: LoopWatch, told: Lines) -> None:
    await asyncio.to_thread(time.sleep, 1)
    await asyncio.sleep(1)
    assert held(told) == []


async def test_many_alarms_are_few_lines(watch: LoopWatch, told: Lines) -> None:
    async def holds() -> None:
        time.sleep(0.3)  # noqa: ASYNC251  as above

    for _ in range(4):
        await asyncio.sleep(0.1)
        await asyncio.create_task(holds(), name="heavy")
    await asyncio.sleep(0.2)
    assert len([line for line in held(told) if line["holder"] == "task heavy"]) == 1


async def test_requests_are_named_by_route_in_the_log_and_the_figures(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(APPLICATION)
    async with serving_by(
        CHATKEEP, tmp_path, "--app", "slow:app", "--workers", "2", database_url=database_url, log_format="json"
    ) as service:
        async with RunningService(FastAPI(), service.url).client() as client:
            for path in ("/sleeps/0.5", "/computes", "/in-c"):
                assert (await client.get(path)).status_code == 200
                await asyncio.sleep(0.3)
            figures = samples((await client.get("/metrics")).text)
        lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    blocked = {line["holder"]: line["milliseconds"] for line in lines if line["event"] == "event_loop_blocked"}
    assert blocked["GET /sleeps/{seconds}"] >= 400
    assert blocked["GET /computes"] >= 100
    assert blocked["GET /in-c"] >= 100  # no thread runs meanwhile
    name = "chatkeep_event_loop_blocked_seconds_count"
    assert figures[name, (("holder", "GET /sleeps/{seconds}"),)] == 1


async def test_ordinary_use_is_no_alarm(database_url: str, told: Lines) -> None:
    async with running(database_url) as service:
        person = await service.person()
        conversation_id = await person.conversation()
        for _ in range(20):
            await person.say(conversation_id, "Hello")
        lines = [line for line in held(told) if line["holder"].startswith(("GET", "POST"))]
    assert len(lines) <= 1  # a machine that is busy elsewhere
