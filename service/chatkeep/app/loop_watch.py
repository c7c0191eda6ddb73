"""The watch over the event loop: it names the request or task that holds it, while everybody else waits.

A timer in the loop notes the time, and a thread looks whether it still does. Where it does not, the thread reads which
task runs and at which line: the only moment at which that can be told.
"""

import asyncio
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

from chatkeep.app.metrics import METHODS, Metrics
from chatkeep.http.root_path import path_within

log = structlog.get_logger(__name__)

Task = asyncio.Task[Any]

BLOCKED_SECONDS = 0.1
TICK_SECONDS = 0.05
MAX_SHOWN_ROUTES = 5
SAMPLE_SECONDS = 0.02
# The same holder has one line in this time, with a count.
LOG_SECONDS = 10.0
MANY = "(many)"
UNKNOWN = "(unknown)"
CALLBACK = "(callback)"


class UnderWay:
    """The requests of one application that are being answered, by the task that does so, and the last that were."""

    def __init__(self) -> None:
        self._scopes: dict[Task | None, Scope] = {}
        self._ended: deque[tuple[float, Scope]] = deque(maxlen=4)

    def begin(self, scope: Scope) -> Task | None:
        task = asyncio.current_task()
        self._scopes[task] = scope
        return task

    def end(self, task: Task | None) -> None:
        if (scope := self._scopes.pop(task, None)) is not None:
            self._ended.append((time.monotonic(), scope))

    def of(self, task: Task) -> Scope | None:
        return self._scopes.get(task)

    def since(self, moment: float) -> list[Scope]:
        """Return those that were being answered at that time of the monotonic clock or later."""
        return [*self._scopes.values(), *(scope for ended, scope in self._ended if ended >= moment)]


@dataclass
class _Stillness:
    """The observations of one time that the loop stood still."""

    holders: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, holder: str, where: str) -> None:
        self.holders[holder, where] += 1

    def holder(self) -> tuple[str, str]:
        """Return the code that held it for most of the time, and where; `MANY` where there were many short pieces."""
        by_name: Counter[str] = Counter()
        for (name, _), count in self.holders.items():
            by_name[name] += count
        name, count = by_name.most_common(1)[0]
        if 2 * count <= by_name.total():
            return MANY, ""
        return name, max((each for each in self.holders if each[0] == name), key=self.holders.__getitem__)[1]


class LoopWatch:
    """Watches the loop that it is started in, until it is stopped.

    Args:
        metrics: told of each time.
    """

    def __init__(self, app: FastAPI, metrics: Metrics, under_way: UnderWay) -> None:
        self._app = app
        self._metrics = metrics
        self._under_way = under_way
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._over = threading.Event()
        self._ticked_at, self._worked = time.monotonic(), time.thread_time()
        self._still = _Stillness()
        self._logged_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        self._thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._timer.cancel()
        self._over.set()
        self._thread.join()

    # In the loop

    def _tick(self) -> None:
        now, worked = time.monotonic(), time.thread_time()
        stood, work = now - self._ticked_at, worked - self._worked
        still, self._still = self._still, _Stillness()
        self._ticked_at, self._worked = now, worked
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        if stood >= BLOCKED_SECONDS + TICK_SECONDS and _was_held(still, stood, work):
            self._report(stood - TICK_SECONDS, still, now - stood)

    def _report(self, seconds: float, still: _Stillness, since: float) -> None:
        routes = sorted({self._route(scope) for scope in self._under_way.since(since)})
        if still.holders:
            holder, where = still.holder()
        else:
            holder, where = (routes[0] if len(routes) == 1 else UNKNOWN), ""
        self._metrics.loop_blocked_seconds.labels(holder).observe(seconds)
        now = time.monotonic()
        if now - self._logged_at.get(holder, -LOG_SECONDS) < LOG_SECONDS:
            self._unlogged[holder] += 1
            return
        self._logged_at[holder] = now
        log.warning(
            "event_loop_blocked",
            milliseconds=round(seconds * 1000),
            holder=holder,
            where=where,
            under_way=routes[:MAX_SHOWN_ROUTES],
            others_since_last_line=self._unlogged.pop(holder, 0),
        )

    # In the thread

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS if self._is_late() else TICK_SECONDS):
            if self._is_late():
                self._look()

    def _is_late(self) -> bool:
        return time.monotonic() - self._ticked_at > BLOCKED_SECONDS

    def _look(self) -> None:
        still = self._still
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  documented; the name is a warning
        task = asyncio.current_task(self._loop)
        if frame is not None and (task is not None or not _is_waiting(frame)):
            still.add(CALLBACK if task is None else self._name(task), _place(frame))

    def _name(self, task: Task) -> str:
        """Return the route, or the name that a task of ours was given; names that asyncio makes up are one."""
        scope = self._under_way.of(task)
        if scope is not None:
            return self._route(scope)
        name = task.get_name()
        return "(task)" if name.startswith("Task-") else f"task {name}"

    def _route(self, scope: Scope) -> str:
        """Return the route's template: in a path are ids, and whatever a stranger wrote there."""
        method = scope["method"] if scope["method"] in METHODS else "(other)"
        inner = {**scope, "path": path_within(scope), "root_path": ""}
        routes = (each for each in self._app.routes if each.matches(inner)[0] is not Match.NONE)
        return f"{method} {getattr(next(routes, None), 'path', '(none)')}"


def _was_held(still: _Stillness, stood: float, work: float) -> bool:
    """Tell whether the loop's own work held it: by computing, or by waiting while the thread could look often.

    Otherwise neither of them ran: the machine was busy with something else, or slept.
    """
    return work >= BLOCKED_SECONDS or 2 * still.holders.total() * SAMPLE_SECONDS >= stood - BLOCKED_SECONDS


@contextmanager
def watch_loop(app: FastAPI) -> Iterator[None]:
    """Watch the running loop until the block ends."""
    watch = LoopWatch(app, app.state.metrics, app.state.under_way)
    try:
        yield
    finally:
        watch.stop()


def _place(frame: FrameType) -> str:
    """Return the innermost line of this project, or the innermost of all, as `folder/file.py:12 function`."""
    own = Path(__file__).resolve().parents[1].as_posix()
    found: FrameType | None = frame
    while found is not None and not found.f_code.co_filename.startswith(own):
        found = found.f_back
    shown = found or frame
    path = Path(shown.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{shown.f_lineno} {shown.f_code.co_name}"


def _is_waiting(frame: FrameType) -> bool:
    """Tell whether the loop waits for something to happen: asyncio's in a selector, uvloop's outside of Python."""
    return Path(frame.f_code.co_filename).name in ("selectors.py", "runners.py", "base_events.py")
