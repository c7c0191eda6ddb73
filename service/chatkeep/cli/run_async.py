"""The one place where a command enters an event loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def run_async(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run `work` to its end and return its answer. Ctrl-C cancels it, so that it closes what it has opened.

    Of errors that tasks raised together the first is raised: a reader mends one at a time anyway.
    """
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
