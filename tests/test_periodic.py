"""Steps that are repeated outlive their failures."""

import asyncio
import contextlib

from structlog.testing import capture_logs

from service.errors import DatabaseUnavailable
from service.periodic import run_every


async def test_a_step_that_fails_is_logged_and_repeated() -> None:
    calls, done = 0, asyncio.Event()

    async def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseUnavailable("away")
        if calls == 2:
            raise ValueError("a fault of ours")
        done.set()

    with capture_logs() as lines:
        task = asyncio.create_task(run_every(0.001, step, name="tidy", at_once=True))
        await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert [(line["event"], line["step"], line["log_level"]) for line in lines] == [
        ("database_unavailable", "tidy", "warning"),
        ("background_step_failed", "tidy", "error"),
    ]


async def test_a_step_rests_first_unless_told_otherwise() -> None:
    calls = 0

    async def step() -> None:
        nonlocal calls
        calls += 1

    task = asyncio.create_task(run_every(3600, step, name="tidy"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert calls == 0
    task.cancel()
