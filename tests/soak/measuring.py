"""The memory, file descriptors, threads and connections to the database of a service's processes."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.database.postgres.data_folders import processes_below

MB = 2**20
MEMORY, DESCRIPTORS, THREADS = "memory, MB", "file descriptors", "threads"
CONNECTIONS, PROCESSES = "connections", "processes"
POSTGRES = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: `values[(process, measure)]`, at so many seconds since the beginning."""

    at: float
    values: Mapping[tuple[str, str], float]


class Processes:
    """The processes of one `chatkeep serve`, and those of its embedded PostgreSQL."""

    def __init__(self, pid: int, data: Path) -> None:
        parent = psutil.Process(pid)
        workers = [each for each in parent.children(recursive=True) if _serves(each)]
        self._named = {"supervisor" if workers else "service": parent} | {
            f"worker {number}": each for number, each in enumerate(workers, 1)
        }
        self._data = data

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._named.items()}

    def gone(self) -> list[str]:
        """Return the names of those that live no more."""
        return [name for name, each in self._named.items() if not each.is_running()]

    def look(self, at: float) -> Sample:
        values: dict[tuple[str, str], float] = {}
        for name, process in self._named.items():
            with contextlib.suppress(psutil.Error):
                values[name, MEMORY] = process.memory_info().rss / MB
                values[name, DESCRIPTORS] = process.num_fds()
                values[name, THREADS] = process.num_threads()
        return Sample(at, values | dict(self._of_postgres()))

    def _of_postgres(self) -> Iterator[tuple[tuple[str, str], float]]:
        memory, connections, processes = 0.0, 0, 0
        for each in processes_below(self._data):
            with contextlib.suppress(psutil.Error):
                # What it shares with the others is counted by none: it fills up to its fixed size.
                memory += each.memory_full_info().uss / MB
                connections += any("[local]" in word for word in each.cmdline())
                processes += 1
        yield (POSTGRES, MEMORY), memory
        yield (POSTGRES, CONNECTIONS), connections
        yield (POSTGRES, PROCESSES), processes


def _serves(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "resource_tracker" not in " ".join(process.cmdline())
    return False
