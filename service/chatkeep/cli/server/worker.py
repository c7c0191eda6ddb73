"""One of several processes that serve, started by `Supervisor`: says how it is, and ends when that one is gone."""

# ruff: noqa: PLC0415  loading the service takes a second, and an orphan is not to hold the port for so long

import asyncio
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import structlog

from chatkeep.cli.module_load import loading
from chatkeep.config import Settings
from chatkeep.errors import ChatkeepError

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
# How long a worker without a supervisor may take to say its last words. A killed service loses as much: the text of
# the last flush interval.
ORPHAN_SECONDS = 5.0

STARTED, BEAT = "started", "beat"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Said when the application is loaded.

    Args:
        path: see `mount_path`.
    """

    path: str | None


@dataclass(frozen=True)
class Work:
    """The work of a worker process. It goes there through a pipe: no process list and no file holds a secret.

    Args:
        app: the name of the application, see `application_of`.
        folder: what the workers share while the service runs.
        metrics_listener: where `/metrics` is, if not with everything else.
    """

    settings: Settings
    app: str | None
    listener: socket.socket
    folder: Path
    metrics_listener: socket.socket | None = None

    def __call__(self, supervisor: Connection) -> None:
        """Serve until the supervisor says that it is enough, or is gone."""
        _heed_signals()
        life = _Life(supervisor, self.folder)
        with loading():
            from chatkeep.app.logs import configure_logging
            from chatkeep.cli.mount import mount_path
            from chatkeep.cli.server.application import application_of
            from chatkeep.cli.server.server import serve_here

        self.settings.hand_over()
        configure_logging(self.settings)
        try:
            application = application_of(self.app)
            life.say(Loaded(mount_path(application)))
            serve_here(
                application,
                self.settings,
                self.listener,
                life.began,
                websockets=self.app is not None,
                metrics_listener=self.metrics_listener,
            )
        except ChatkeepError as error:
            life.say(error.detail)
            sys.exit(1)


def _heed_signals() -> None:
    """Obey the supervisor alone: a terminal tells all of its processes of Ctrl-C, and of its own end."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    for name in ("SIGINT", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Life:
    """The pipes between a worker and its supervisor, in both directions."""

    def __init__(self, supervisor: Connection, folder: Path) -> None:
        self._supervisor = supervisor
        self._folder = folder
        self._stop_listening: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beats: asyncio.Task[None] | None = None
        # A supervisor that stands still does not read, and no worker is to wait for it.
        os.set_blocking(supervisor.fileno(), False)
        threading.Thread(target=self._end_as_an_orphan, name="supervisor", daemon=True).start()

    def began(self, stop_listening: Callable[[], None]) -> None:
        """Be told, in the event loop, that the application has started."""
        self._loop, self._stop_listening = asyncio.get_running_loop(), stop_listening
        self.say(STARTED)
        self._beats = self._loop.create_task(self._beat(), name="beats")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.say(BEAT)

    def say(self, word: str | Loaded) -> None:
        """Tell the supervisor; one that cannot hear is not waited for."""
        with suppress(OSError):
            self._supervisor.send(word)

    def _end_as_an_orphan(self) -> None:
        """Wait until the supervisor is gone, however it went, and end this process then.

        The system closes the other end of a pipe, which only the supervisor holds; this works wherever Python runs.
        """
        parent = multiprocessing.parent_process()
        if parent is None:
            return
        parent.join()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._loop is not None and self._stop_listening is not None:
            log.error("supervisor_gone")
            # The port first: the next start wants it at once.
            self._loop.call_soon_threadsafe(self._stop_listening)
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(ORPHAN_SECONDS)
        os._exit(1)
