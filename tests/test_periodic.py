"""Steps that are repeated outlive their failures."""

import asyncio
import contextlib

import pytest
from structlog.testing import CapturingLogger

from chatkeep import periodic
from chatkeep.errors import DatabaseUnavailable


async def test_a_step_that_fails_is_logged_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, done, lines = 0, asyncio.Event(), CapturingLogger()
    monkeypatch.setattr(periodic, "log", lines)

    async def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseUnavailable("away")
        if calls == 2:
            raise ValueError("a fault of ours")
        done.set()

    task = asyncio.create_task(periodic.run_every(0.001, step, name="tidy", at_once=True))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert [(line.method_name, *line.args, line.kwargs["step"]) for line in lines.calls] == [
        ("warning", "database_unavailable", "tidy"),
        ("exception", "background_step_failed", "tidy"),
    ]


async def test_a_step_rests_first_unless_told_otherwise() -> None:
    calls = 0

    async def step() -> None:
        nonlocal calls
        calls += 1

    task = asyncio.create_task(periodic.run_every(3600, step, name="tidy"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert calls == 0
    task.cancel()
