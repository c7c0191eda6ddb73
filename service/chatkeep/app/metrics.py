"""Figures for Prometheus, of one process or of all workers together."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from chatkeep.errors import ConfigurationError

# Kept in memory, and writable where nothing else is: in a container with a read-only root.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the folder that is made in it is private
# Set for workers that share one address, before they begin; the folder is empty then.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BLOCKED_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NO_FOLDER = (
    "Several workers add up their figures in a folder, and no folder for temporary files can be written. Mount one at "
    "/tmp (docker run --tmpfs /tmp), name one in TMPDIR, or set CHATKEEP_WORKERS=1."
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """The figures of one application; names end in their unit."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "chatkeep_http_requests",
            "Requests answered, by route and status; status 0 where the client went away before.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "chatkeep_http_request_seconds",
            "Time until the last byte; for a stream, as long as it was open.",
            ["method", "route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.refused = Counter(
            "chatkeep_http_refused",
            "Connections and requests that the server refused before the application saw them, by the code of why.",
            ["code"],
            registry=self.registry,
        )
        self.loop_blocked_seconds = Histogram(
            "chatkeep_event_loop_blocked_seconds",
            "Times of 100 ms and more in which one request or task held the event loop, and everybody else waited.",
            ["holder"],
            buckets=BLOCKED_SECONDS,
            registry=self.registry,
        )
        self.turns = Counter("chatkeep_turns", "Turns ended, by status.", ["status"], registry=self.registry)
        self.running = Gauge(
            "chatkeep_generations",
            "Replies being generated or waiting for it.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "chatkeep_generations_waiting",
            "Replies of those that the model has not been asked for yet: others come first.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def request_refused(self, code: str) -> None:
        self.refused.labels(code).inc()

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        # Whatever a client makes up is one figure, not one each.
        known = method if method in METHODS else "(other)"
        counter, histogram = self._of_request(known, route, status)
        counter.inc()
        histogram.observe(seconds)

    def _of_request(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Return the two figures: finding them among their siblings costs more than counting."""
        key = (method, route, status)
        if (found := self._found.get(key)) is None:
            found = self.requests.labels(method, route, status), self.request_seconds.labels(method, route)
            self._found[key] = found
        return found

    def generation_began(self) -> None:
        self.running.inc()
        self.waiting.inc()

    def generation_asked(self) -> None:
        self.waiting.dec()

    def generation_ended(self, status: str) -> None:
        self.running.dec()
        self.turns.labels(status).inc()

    def text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        folder = os.environ.get(SHARED_FOLDER)
        if folder is None:
            return generate_latest(self.registry)
        _forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library does not say its types here
        return generate_latest(registry)


def metrics_of(app: object) -> Metrics | None:
    """Return the figures of an application of `create_app`; another one has none."""
    found = getattr(getattr(app, "state", None), "metrics", None)
    return found if isinstance(found, Metrics) else None


@contextmanager
def share_metrics() -> Iterator[Path]:
    """Have processes that are started in this block count together, in the folder that is yielded.

    Raises:
        ConfigurationError: there is no folder for it.
    """
    with _temporary_folder() as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[SHARED_FOLDER]


def _temporary_folder() -> "TemporaryDirectory[str]":
    for parent in (None, SHARED_MEMORY):
        try:
            return TemporaryDirectory(prefix="chatkeep-metrics-", dir=parent, ignore_cleanup_errors=True)
        except OSError:
            continue
    raise ConfigurationError(NO_FOLDER)


def _forget_the_dead(folder: Path) -> None:
    """Leave out what killed workers were doing: nobody else says for them that they ended."""
    for file in folder.glob("gauge_live*_*.db"):
        found = re.fullmatch(r".*_(\d+)", file.stem)
        if found is not None and not psutil.pid_exists(int(found[1])):
            mark_process_dead(int(found[1]), str(folder))  # type: ignore[no-untyped-call]  # as above
