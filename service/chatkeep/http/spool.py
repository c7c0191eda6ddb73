"""Large pieces of answers on disk until their clients have read them.

A turn may have megabytes, and a client may take half a minute for each 64 KB. It does not keep them in memory.
"""

import threading
from collections.abc import AsyncGenerator
from tempfile import TemporaryFile
from typing import IO

import anyio.to_thread

# Smaller ones stay in memory: a thread and a file cost more than they are worth.
MAX_BYTES_IN_MEMORY = 256 * 1024
READ_BYTES = 256 * 1024


class _Handover:
    """A file that a thread writes for a task, which may be cancelled at any moment: one of the two closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._given_up = False

    def give(self, file: "IO[bytes]") -> None:
        with self._lock:
            self._file = file
            if self._given_up:
                file.close()

    def take(self) -> "IO[bytes] | None":
        with self._lock:
            return self._file

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._file is not None:
                self._file.close()


async def spooled(body: bytes) -> "IO[bytes] | None":
    """Write a body down; None where there is no room for it.

    Nobody else can open the file: it has no name, and the system takes it away however the process ends.
    """
    handover = _Handover()
    try:
        await anyio.to_thread.run_sync(_write, body, handover)
    except BaseException:
        handover.give_up()
        raise
    return handover.take()


def _write(body: bytes, handover: _Handover) -> None:
    try:
        file = TemporaryFile(prefix="chatkeep-answer-")  # noqa: SIM115  its reader closes it
    except OSError:  # such as a file system that takes no writes
        return
    try:
        file.write(body)
        file.seek(0)
    except OSError:  # a full disk
        file.close()
        return
    handover.give(file)


async def read_back(file: "IO[bytes]", size: int) -> AsyncGenerator[bytes, None]:
    """Yield the file's bytes in pieces of `size`, and close it."""
    with file:
        while part := await anyio.to_thread.run_sync(file.read, READ_BYTES):
            for start in range(0, len(part), size):
                yield part[start : start + size]
