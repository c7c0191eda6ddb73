"""Steps that are repeated for as long as the process runs."""

import asyncio
from collections.abc import Awaitable, Callable

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
