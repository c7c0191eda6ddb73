"""Threads for hashing, in lanes: work for people who are known here never waits for strangers' work."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Lane(Enum):
    """For whom something is hashed; the first lane goes first."""

    # The browser or the place has signed in to this account before, or somebody is signed in.
    KNOWN = "known"
    # A password for an account, from a browser and a place that never signed in to it.
    SIGN_IN = "sign-in"
    # The first hash of a new account: anybody may ask for one.
    NEW = "new"


STRANGERS = (Lane.SIGN_IN, Lane.NEW)


class HashLanes:
    """Two threads. One works for known people only; the other one for strangers, too, when nobody known waits.

    So a flood of strangers (denial of service) takes half of the threads, and of the two lanes of strangers neither
    waits for the other: they take turns.
    """

    def __init__(self) -> None:
        self._reserved = ThreadPoolExecutor(1, thread_name_prefix="hash-known")
        self._shared = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._waiting: dict[Lane, deque[_Job]] = {lane: deque() for lane in Lane}
        self._order = deque(STRANGERS)
        self._choosing = threading.Lock()

    def submit(self, lane: Lane, work: Callable[[], Answer]) -> "Future[Answer]":
        """Have the work done in its lane's turn.

        Raises:
            RuntimeError: the lanes are closed.
        """
        job = _Job(work)
        self._waiting[lane].append(job)
        # Each job asks each thread that may do it; a thread that is asked in vain goes on at once.
        self._shared.submit(self._do_next, shared=True)
        if lane is Lane.KNOWN:
            self._reserved.submit(self._do_next, shared=False)
        return job.future

    def close(self) -> None:
        for threads in (self._reserved, self._shared):
            threads.shutdown(wait=False, cancel_futures=True)

    def _do_next(self, *, shared: bool) -> None:
        job = self._next(shared=shared)
        if job is not None:
            job.do()

    def _next(self, *, shared: bool) -> "_Job | None":
        with self._choosing:
            if self._waiting[Lane.KNOWN]:
                return self._waiting[Lane.KNOWN].popleft()
            for lane in tuple(self._order) if shared else ():
                if self._waiting[lane]:
                    self._order.remove(lane)
                    self._order.append(lane)
                    return self._waiting[lane].popleft()
        return None


class _Job:
    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.future: Future[Any] = Future()

    def do(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return  # the caller has given up
        try:
            self.future.set_result(self._work())
        except BaseException as error:  # noqa: BLE001  it is raised where the answer is waited for
            self.future.set_exception(error)
