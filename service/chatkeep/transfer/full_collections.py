"""Python's full garbage collections, put off while a file is read.

A full collection looks at everything that is in memory in one step, in which no other thread runs, the one that answers
requests neither. It comes each time that memory has grown by a quarter, and a parsed file of 5 MB is a million things:
a dozen steps of up to a quarter of a second. What is parsed has no cycles to be found, and goes when it has been read.
"""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Threat: imports that follow each other without a gap would keep what others leave in cycles for good.
MAX_PUT_OFF_SECONDS = 30
NEVER = 2**31 - 1

_lock = threading.Lock()
_readers = 0
_since = 0.0
_usual = gc.get_threshold()


@contextmanager
def full_collections_put_off() -> Iterator[None]:
    """Have collections of what is new alone until the block ends, and every other thread's of its kind.

    Where that has gone on for `MAX_PUT_OFF_SECONDS`, a block that begins changes nothing.
    """
    joined = _join()
    try:
        yield
    finally:
        if joined:
            _leave()


def _join() -> bool:
    global _readers, _since, _usual  # noqa: PLW0603  the collector is the process's, too
    with _lock:
        if _readers and time.monotonic() - _since > MAX_PUT_OFF_SECONDS:
            return False
        if not _readers:
            _since, _usual = time.monotonic(), gc.get_threshold()
            gc.set_threshold(_usual[0], _usual[1], NEVER)
        _readers += 1
        return True


def _leave() -> None:
    global _readers  # noqa: PLW0603
    with _lock:
        _readers -= 1
        if not _readers:
            gc.set_threshold(*_usual)
