"""Why the embedded server is away, and when it is started again: kept where every process of the service can read it.

Written by `watch`, in the process that uses the server; read by workers and by `chatkeep doctor`.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from chatkeep.database.postgres.privileges import ServerUser, open_private

# Written whole when the watch begins and only overwritten later: that needs no room on a disk that is full.
RECORD_BYTES = 512
# Less than PostgreSQL takes for its next piece of log.
SCARCE_BYTES = 16 * 1024 * 1024
# So little is nothing: the next page of a table does not fit.
FULL_BYTES = 512 * 1024
# The record that is written each time a start or a pause begins; a start takes as long as recovery does.
STALE_SECONDS = 600


class Reason(StrEnum):
    """Why it is away."""

    ENDED = "ended"
    NOT_STARTED = "not_started"
    DISK_FULL = "disk_full"


@dataclass(frozen=True, slots=True)
class Outage:
    """The knowledge of a server's watch.

    Args:
        tries: starts since the server was last well for a while; 0 while it is well.
        next_at: when the next try begins, in seconds since the epoch; in the past while one is under way.
        written_at: when this was written.
        restarts: how often the server was brought back since the watch began.
        restarted_at: when that was last; 0 where it never was.
    """

    reason: Reason = Reason.ENDED
    tries: int = 0
    next_at: float = 0.0
    written_at: float = 0.0
    restarts: int = 0
    restarted_at: float = 0.0
    is_over: bool = True

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Take only numbers and known words: the file is in the hands of the server's user."""
        return cls(
            reason=Reason(found["reason"]),
            tries=int(found["tries"]),
            next_at=float(found["next_at"]),
            written_at=float(found["written_at"]),
            restarts=int(found["restarts"]),
            restarted_at=float(found["restarted_at"]),
            is_over=bool(found["is_over"]),
        )

    def sentence(self) -> str:
        """Say it to anybody: no path, no text of the server's log."""
        seconds = round(self.next_at - time.time())
        when = f"begins in {seconds} s" if seconds > 0 else "is under way"
        full = " Its disk is full: free some space." if self.reason is Reason.DISK_FULL else ""
        return f"The database server is away and is being started again: try {self.tries} {when}.{full}"


class OutageFile:
    """The file of a data folder that holds its server's outage."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self, user: ServerUser) -> None:
        """Reserve the room, and forget what was known before."""
        descriptor = open_private(self._path, user, os.O_WRONLY)
        try:
            _write(descriptor, Outage(written_at=time.time()))
        finally:
            os.close(descriptor)

    def write(self, outage: Outage) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            _write(descriptor, outage)
        finally:
            os.close(descriptor)

    def read(self) -> Outage | None:
        """Return the record that was written last; None where it is unknown, or half of it was overwritten."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return Outage.of(json.loads(os.read(descriptor, RECORD_BYTES)))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        finally:
            os.close(descriptor)

    def current(self) -> Outage | None:
        """Return the outage that lasts; None where there is none, or the process that wrote of it is gone."""
        outage = self.read()
        if outage is None or outage.is_over:
            return None
        is_stale = time.time() - max(outage.written_at, outage.next_at) > STALE_SECONDS
        return None if is_stale else outage


def free_bytes(folder: Path) -> int:
    """Return how much the disk of a folder has left for others than root."""
    return shutil.disk_usage(folder).free


def _write(descriptor: int, outage: Outage) -> None:
    os.pwrite(descriptor, json.dumps(asdict(outage)).ljust(RECORD_BYTES).encode(), 0)
