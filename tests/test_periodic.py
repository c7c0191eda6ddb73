"""Steps that are repeated outlive their failures."""

import asyncio
import contextlib

import pytest

from service.errors import DatabaseUnavailable
from service.periodic import run_every


async def test_a_step_that_fails_is_logged_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    calls, done = 0, asyncio.Event()

    async def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseUnavailable("away")
        if calls == 2:
            raise ValueError("a fault of ours")
        done.set()

    task = asyncio.create_task(run_every(0.001, step, name="tidy", at_once=True))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    away, failed = (record for record in caplog.records if "tidy" in record.getMessage())
    assert (away.levelname, failed.levelname) == ("WARNING", "ERROR")
    assert "database_unavailable" in away.getMessage()
    assert "background_step_failed" in failed.getMessage()


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
