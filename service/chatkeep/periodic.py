"""Steps that are repeated for as long as the process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog

from chatkeep.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

# Of the interval, after a step that took longer than it.
MIN_REST_SHARE = 0.25


async def run_every(seconds: float, step: Callable[[], Awaitable[object]], *, name: str, at_once: bool = False) -> None:
    """Begin `step` `seconds` after it last began, until the task is cancelled. A failed step is logged and repeated.

    Args:
        name: of the step, in the log.
        at_once: begin with a step, and not with a rest.
    """
    clock = asyncio.get_running_loop().time
    rest = 0.0 if at_once else seconds
    while True:
        await asyncio.sleep(rest)
        began = clock()
        try:
            await step()
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", step=name, detail=error.detail)
        except Exception:
            # These loops keep promises: one that has ended would never keep them again.
            log.exception("background_step_failed", step=name)
        rest = max(seconds - (clock() - began), seconds * MIN_REST_SHARE)


def repeat(
    stack: AsyncExitStack, seconds: float, step: Callable[[], Awaitable[object]], *, name: str, at_once: bool = False
) -> None:
    """Run a step every so many seconds until the stack closes. Arguments: as of `run_every`."""
    task = asyncio.create_task(run_every(seconds, step, name=name, at_once=at_once), name=name)
    stack.push_async_callback(cancelled, task)


async def cancelled(task: "asyncio.Task[None]") -> None:
    """End a task, and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
