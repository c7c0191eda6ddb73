"""Several processes that serve one port: started, watched, replaced and ended together.

A worker that dies is replaced: at once the first time, then after longer and longer pauses. One that gives no sign for
`SILENT_SECONDS` is killed first. Before any worker has started, one that cannot is the end of the service.

SIGTERM and SIGINT end the workers in order, a second SIGINT in `HURRY_SECONDS`. SIGHUP replaces them one after the
other, or ends the service where it means that the terminal has gone. SIGTTIN and SIGTTOU make them one more and one
fewer. uvicorn's own supervisor does the same, but its workers outlive it, it starts a worker that fails at once for
ever, and it ends the service where a single replacement fails.
"""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from typing import NoReturn

import structlog

from chatkeep.cli.server.worker_process import WorkerProcess
from chatkeep.errors import StartUpError

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
SILENT_SECONDS = 60.0
# A worker that lived for so long has not died of how it starts.
STEADY_SECONDS = 60.0
MAX_PAUSE_SECONDS = 30.0
MAX_KILLED_STARTS = 3
# Beside the grace, which both the service and the server may use up: for last words, and for the pools to close.
END_SECONDS = 15.0
HURRY_SECONDS = 5.0

ENDING = (signal.SIGTERM, signal.SIGINT)
OTHERS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGTTIN", "SIGTTOU") if hasattr(signal, name))


class _Place:
    """A worker's place, which another one takes when it dies."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker: WorkerProcess | None = worker
        self.successor: WorkerProcess | None = None
        self.failures = 0
        self.due = 0.0

    def vacate(self, worker: WorkerProcess) -> float:
        """Count a death, and return how long to wait before the next start."""
        self.failures = 1 if worker.lived_seconds() >= STEADY_SECONDS else self.failures + 1
        pause = 0.0 if self.failures == 1 else min(MAX_PAUSE_SECONDS, 2.0 ** (self.failures - 2))
        self.worker, self.due = None, time.monotonic() + pause
        return pause


class Supervisor:
    """The process that starts workers and serves nothing itself.

    Args:
        start: starts a worker.
        count: how many.
        grace_seconds: how long replies may go on when the service is told to stop.
    """

    def __init__(self, start: Callable[[], WorkerProcess], count: int, *, grace_seconds: float) -> None:
        self._start = start
        self._count = count
        self._end_seconds = 2 * grace_seconds + END_SECONDS
        self._places: list[_Place] = []
        self._retired: list[WorkerProcess] = []
        self._renewals: deque[_Place] = deque()
        self._told: deque[int] = deque()
        self._ending = False
        self._up = False
        self._on_terminal = has_terminal()
        self._looked_at = time.monotonic()

    def run(self) -> None:
        """Run until the process is told to end.

        Raises:
            StartUpError: the workers cannot start.
        """
        with self._heeding_signals():
            try:
                for _ in range(self._count):
                    self._places.append(_Place(self._start()))
                while not self._ending:
                    self._wait()
                    self._obey()
                    self._look_after_all()
            finally:
                self._end()

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (*ENDING, *OTHERS)}
        for number, handle in before.items():
            if number in ENDING or handle is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, lambda number, _frame: self._told.append(number))
        try:
            yield
        finally:
            for number, handle in before.items():
                signal.signal(number, handle)

    def _wait(self) -> None:
        """Wait until a worker says something or dies, but no longer than a tick."""
        workers = self._workers()
        handles = [handle for each in workers for handle in each.handles()]
        connection.wait(handles, TICK_SECONDS)
        now = time.monotonic()
        stood_still = now - self._looked_at > TICK_SECONDS + SILENT_SECONDS / 2
        self._looked_at = now
        for worker in workers:
            worker.hear()
            if stood_still:
                worker.heard_at = now  # it was this process that heard nothing: it was stopped, or the machine slept
            self._up = self._up or worker.started

    def _workers(self) -> list[WorkerProcess]:
        current = [each for place in self._places for each in (place.worker, place.successor) if each is not None]
        return [*current, *self._retired]

    def _obey(self) -> None:
        while self._told:
            match self._told.popleft():
                case signal.SIGTERM | signal.SIGINT:
                    self._ending = True
                case number if number == getattr(signal, "SIGHUP", None):
                    self._ending = self._ending or self._on_terminal
                    self._renewals = deque(self._places)
                case number if number == getattr(signal, "SIGTTIN", None):
                    self._places.append(_Place(self._start()))
                case _:
                    self._remove_place()

    def _remove_place(self) -> None:
        if len(self._places) > 1:
            place = self._places.pop()
            for worker in (place.worker, place.successor):
                if worker is not None:
                    self._retire(worker)

    def _retire(self, worker: WorkerProcess) -> None:
        worker.tell_to_end(self._end_seconds)
        self._retired.append(worker)

    def _look_after_all(self) -> None:
        for place in self._places:
            self._look_after(place)
        self._renew()
        for worker in list(self._retired):
            if worker.is_dead():
                self._retired.remove(worker)
            elif worker.is_overdue():
                worker.kill("worker_does_not_end")

    def _look_after(self, place: _Place) -> None:
        worker = place.worker
        if worker is None:
            if time.monotonic() >= place.due:
                place.worker = self._start()
        elif worker.is_dead():
            self._replace(place, worker)
        elif worker.silent_seconds() > SILENT_SECONDS:
            worker.kill("worker_silent")

    def _replace(self, place: _Place, worker: WorkerProcess) -> None:
        pause = place.vacate(worker)
        # Killed from outside, for want of memory as a rule, it may start the next time; what it says itself is final.
        if not self._up and (worker.exit_code() >= 0 or place.failures >= MAX_KILLED_STARTS):
            _refuse(worker)
        log.error(
            "worker_died",
            worker=worker.pid,
            exit_code=worker.exit_code(),
            started=worker.started,
            detail=worker.refusal,
            next_in_seconds=pause,
        )

    def _renew(self) -> None:
        """Start the successor of one worker, and have that one end when its successor has started."""
        while self._renewals and self._renewals[0] not in self._places:
            self._renewals.popleft()
        if not self._renewals:
            return
        place = self._renewals[0]
        if place.successor is None:
            place.successor = self._start()
        elif place.successor.started:
            if place.worker is not None:
                self._retire(place.worker)
            place.worker, place.successor, place.failures = place.successor, None, 0
            self._renewals.popleft()
        elif place.successor.is_dead():
            log.error("workers_not_renewed", exit_code=place.successor.exit_code(), detail=place.successor.refusal)
            place.successor = None
            self._renewals.clear()

    def _end(self) -> None:
        """Have all workers end in order, and kill those that do not."""
        for worker in self._workers():
            worker.tell_to_end(self._end_seconds)
        while living := [each for each in self._workers() if not each.is_dead()]:
            connection.wait([each.sentinel for each in living], TICK_SECONDS)
            hurry = signal.SIGINT in self._told
            self._told.clear()
            for worker in living:
                if hurry:
                    worker.hurry(HURRY_SECONDS)
                if worker.is_overdue():
                    worker.kill("worker_does_not_end")


def has_terminal() -> bool:
    """Tell whether this process hangs on a terminal, which tells it by SIGHUP when it goes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _refuse(worker: WorkerProcess) -> NoReturn:
    if worker.refusal is not None:
        raise StartUpError(worker.refusal)
    code = worker.exit_code()
    if code < 0:
        raise StartUpError(
            f"The service does not start: its processes are killed (signal {-code}) before they serve. If the "
            "machine runs out of memory, give it more, or lower CHATKEEP_WORKERS."
        )
    raise StartUpError(f"The service does not start: a worker process ended with exit code {code}. The log says why.")
