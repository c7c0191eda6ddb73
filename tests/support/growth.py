"""How the processor time of some work grows with its input."""

import time
from collections.abc import Callable

# Four times the input may take this many times as long; work that grows with the square takes sixteen times.
MAX_GROWTH = 10
# Less than this is too little to compare.
MIN_SECONDS = 0.1
TRIES = 3


def seconds_of(work: Callable[[], object]) -> float:
    """Return the least processor time of this thread that the work took in a few tries."""
    return min(_once(work) for _ in range(TRIES))


def _once(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def require_proportional(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """Fail where four times the input takes far more than four times as long.

    Args:
        work: makes the work on an input of a size.

    Returns:
        Seconds of processor for four times the size.
    """
    seconds = [max(seconds_of(work(times * size)), MIN_SECONDS / 4 * times) for times in (1, 4)]
    assert seconds[1] <= MAX_GROWTH * seconds[0], seconds
    return seconds[1]
