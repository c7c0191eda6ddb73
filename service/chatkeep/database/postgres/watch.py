"""Brings the embedded server back when it is gone: killed for want of memory, stopped by a full disk or by hand.

PostgreSQL brings itself back when one of its sessions is killed; only the loss of its first process is met here.

The first start after a death comes at once, the next ones after longer and longer pauses, for ever. How long a pause
may be depends on what is wrong: a server that comes up each time is killed by something else, and a disk may have
room again at any moment.
"""

import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

import structlog

from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.database.postgres.outage import SCARCE_BYTES, Outage, Reason, free_bytes
from chatkeep.errors import EmbeddedServerError

log = structlog.get_logger(__name__)

CHECK_INTERVAL_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.5
# A server that lived for so long has not died of how it was started.
STEADY_SECONDS = 60.0
MAX_PAUSE_SECONDS = {Reason.ENDED: 4.0, Reason.DISK_FULL: 4.0, Reason.NOT_STARTED: 30.0}
# A start cannot be broken off; the next start of the service waits for one that was left behind.
END_SECONDS = 20.0


class Watch:
    """One process's watch over the server that it uses, in a thread of its own, until the block ends.

    Args:
        server: started; this thread alone uses it while the block lasts.
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._folder = server.place.path
        self._file = server.place.outage_file
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="embedded PostgreSQL", daemon=True)
        self._outage = Outage()
        self._up_since = time.monotonic()

    def __enter__(self) -> Self:
        self._server.make_outage_file()
        self._server.tell(_tell)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(END_SECONDS)

    def _watch(self) -> None:
        while not self._ending.wait(CHECK_INTERVAL_SECONDS):
            try:
                if not self._server.is_running():
                    self._bring_back()
            except Exception:
                # A watch that has ended never starts anything again.
                log.exception("embedded_server_watch_failed")

    def _bring_back(self) -> None:
        """Start it until it runs, or until this process ends."""
        lived_seconds = time.monotonic() - self._up_since
        tries = 0 if lived_seconds >= STEADY_SECONDS else self._outage.tries
        self._outage = replace(self._outage, tries=tries)
        reason = self._reason(Reason.ENDED)
        while not self._ending.is_set():
            pause_seconds = self._note(reason)
            log.error("embedded_server_away", reason=reason, next_in_seconds=pause_seconds, tries=self._outage.tries)
            self._pause(pause_seconds, reason)
            if self._ending.is_set() or self._starts():
                return
            reason = self._reason(Reason.NOT_STARTED)

    def _reason(self, otherwise: Reason) -> Reason:
        return Reason.DISK_FULL if free_bytes(self._folder) < SCARCE_BYTES else otherwise

    def _note(self, reason: Reason) -> float:
        """Count a try, have every process know of it, and return how long to wait for it."""
        tries = self._outage.tries + 1
        pause_seconds = pause_before(tries, reason)
        self._write(reason=reason, tries=tries, next_at=time.time() + pause_seconds, is_over=False)
        return pause_seconds

    def _pause(self, seconds: float, reason: Reason) -> None:
        """Wait, but no longer than a disk is full."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0 and not self._ending.wait(min(rest, CHECK_INTERVAL_SECONDS)):
            if reason is Reason.DISK_FULL and free_bytes(self._folder) >= 2 * SCARCE_BYTES:
                return

    def _starts(self) -> bool:
        began = time.monotonic()
        try:
            self._server.start()
        except EmbeddedServerError as error:
            # Its words quote the server's log, which tells of the server and never of stored data.
            log.error("embedded_server_not_started", tries=self._outage.tries, detail=error.detail)  # noqa: TRY400
            return False
        self._up_since = time.monotonic()
        self._write(restarts=self._outage.restarts + 1, restarted_at=time.time(), is_over=True)
        log.warning("embedded_server_restarted", tries=self._outage.tries, seconds=round(self._up_since - began, 2))
        return True

    def _write(self, **changes: object) -> None:
        self._outage = replace(self._outage, written_at=time.time(), **changes)  # type: ignore[arg-type]  # by name
        try:
            self._file.write(self._outage)
        except OSError as error:
            log.warning("embedded_server_outage_not_written", detail=error.strerror)


def pause_before(tries: int, reason: Reason) -> float:
    """Return how many seconds to wait before a try; the first one is 1."""
    if tries == 1:
        return 0.0
    return min(MAX_PAUSE_SECONDS[reason], FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 2, 10))


def _tell(line: str) -> None:
    log.info("embedded_server", detail=line)
