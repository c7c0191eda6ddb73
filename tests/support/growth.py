"""How the processor time of some work grows with its input."""

import math
import time
from collections.abc import Callable

# Four times the input may take this many times as long; work that grows with the square takes sixteen times.
MAX_GROWTH = 10
# Less than this is too little to compare.
MIN_SECONDS = 0.1
TRIES = 3


def require_quick(work: Callable[[], object], at_most: float) -> None:
    """Fail where the work takes more seconds of this thread's processor than that in each of a few tries."""
    tries: list[float] = []
    while len(tries) < TRIES:
        tries.append(_once(work))
        if tries[-1] <= at_most:
            return
    raise AssertionError(f"{tries} s, of at most {at_most}")


def _once(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def require_proportional(work: Callable[[int], Callable[[], object]], size: int, at_most: float = math.inf) -> None:
    """Fail where four times the input takes far more than four times as long, whatever disturbed one of a few tries.

    Args:
        work: makes the work on an input of a size.
        at_most: seconds of processor for four times the size.
    """
    tries: list[list[float]] = []
    while len(tries) < TRIES:
        tries.append([max(_once(work(times * size)), MIN_SECONDS / 4 * times) for times in (1, 4)])
        small, large = map(min, zip(*tries, strict=True))
        if large <= min(MAX_GROWTH * small, at_most):
            return
    raise AssertionError(f"{tries} s for once and four times {size}; at most {at_most} s")
