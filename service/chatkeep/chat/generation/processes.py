"""Other processes of the service on this machine: which of them have ended, whatever their leases say."""

import hashlib
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import psutil

# A process's start is told in ticks since a start of the machine that the clock may be set after.
SAME_START = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """One process, as others on the same machine can find it again.

    Args:
        machine: equal for processes that see each other: the same start of the machine, the same container.
        began_at: tells it from a later process with the same number.
    """

    machine: str
    pid: int
    began_at: datetime

    @classmethod
    def this(cls) -> Self:
        return cls(_machine(), os.getpid(), _began_at(psutil.Process()))

    def has_ended(self) -> bool:
        """Tell whether it is sure to have ended; False where it cannot be seen from here."""
        if self.machine != _machine():
            return False
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            return abs(_began_at(process) - self.began_at) > SAME_START
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def _began_at(process: psutil.Process) -> datetime:
    return datetime.fromtimestamp(process.create_time(), UTC)


def _machine() -> str:
    """A digest, so that the database holds no names of machines."""
    parts = [platform.node(), _read("/proc/sys/kernel/random/boot_id") or str(int(psutil.boot_time()))]
    try:
        # Two containers may share all else, and number their processes apart.
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:
        parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
