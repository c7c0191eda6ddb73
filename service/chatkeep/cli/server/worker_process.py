"""A worker process, as its supervisor sees it."""

import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import structlog

from chatkeep.cli.server.worker import BEAT, STARTED, Loaded

log = structlog.get_logger(__name__)

SPAWN = multiprocessing.get_context("spawn")


class WorkerProcess:
    """A process, what it has said, and when it was heard last; times are on the monotonic clock.

    Args:
        work: what it does, with the connection that it speaks on.
        loaded: told where its application has the service, see `mount_path`.
    """

    def __init__(
        self, work: Callable[[Connection], None], loaded: Callable[[str | None], None] = lambda _path: None
    ) -> None:
        self._loaded = loaded
        self._voice, theirs = SPAWN.Pipe(duplex=False)
        self._process: SpawnProcess = SPAWN.Process(target=work, args=(theirs,), name="worker")
        with _without_interruption():
            self._process.start()
        theirs.close()
        self.started = False
        self.refusal: str | None = None
        self.heard_at = self._began = time.monotonic()
        self._end_by: float | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def sentinel(self) -> int:
        """Ready when the process has ended."""
        return self._process.sentinel

    def handles(self) -> Iterator[Connection | int]:
        """Yield the handles that become ready when there is something to hear, or when the process has ended."""
        yield self.sentinel
        if not self._voice.closed:
            yield self._voice

    def hear(self) -> None:
        """Take in what it has said since the last time."""
        try:
            while not self._voice.closed and self._voice.poll():
                self._take_in(self._voice.recv())
        except (EOFError, OSError):
            self._voice.close()

    def _take_in(self, word: str | Loaded) -> None:
        self.heard_at = time.monotonic()
        if isinstance(word, Loaded):
            self._loaded(word.path)
        elif word == STARTED:
            self.started = True
            log.info("worker_started", worker=self.pid)
        elif word != BEAT:
            self.refusal = word

    def is_dead(self) -> bool:
        """Tell whether it has ended; what it said last is heard then."""
        if self._process.exitcode is None:
            return False
        self.hear()
        return True

    def exit_code(self) -> int:
        """Return the exit code of a dead process, negative where a signal ended it."""
        return self._process.exitcode or 0

    def lived_seconds(self) -> float:
        return time.monotonic() - self._began

    def silent_seconds(self) -> float:
        """Return for how long a worker that has started gives no sign; how long a start takes is not limited."""
        return time.monotonic() - self.heard_at if self.started else 0.0

    def tell_to_end(self, within_seconds: float) -> None:
        """Send SIGTERM, at most once."""
        if self._end_by is None:
            self._end_by = time.monotonic() + within_seconds
            self._process.terminate()

    def hurry(self, within_seconds: float) -> None:
        """Give it less time to end."""
        self._end_by = min(self._end_by or math.inf, time.monotonic() + within_seconds)

    def is_overdue(self) -> bool:
        """Tell whether it was told to end, and has not in time."""
        return self._end_by is not None and time.monotonic() > self._end_by

    def kill(self, reason: str) -> None:
        """End it without a chance to clean up, and say why."""
        if not self._killed and not self.is_dead():
            log.error(reason, worker=self.pid)
            self._killed = True
            self._process.kill()


@contextmanager
def _without_interruption() -> Iterator[None]:
    """Start a process so that Ctrl-C does not reach it before it can heed it: see `Work`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
