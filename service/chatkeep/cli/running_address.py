"""Where the service of an embedded database runs: it says so in the data folder, for commands that talk to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.database.postgres.file_locks import FileLock
from chatkeep.hosts import to_url_host

ADDRESS_FILE = "service.url"
MAX_ADDRESS_BYTES = 2000


class RunningAddress:
    """The address of this process, for as long as it serves."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def tell(self, url: str) -> None:
        """Write the address down; a folder that takes nothing more keeps no service from running."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, url.encode(), 0)


@contextmanager
def address_to_tell(settings: Settings) -> Iterator[RunningAddress]:
    """Hold the file of the address, empty at first. A second service of the same folder leaves it to the first."""
    descriptor = None if settings.database_url is not None else _opened(_file(settings), os.O_RDWR | os.O_CREAT)
    try:
        if descriptor is None or not FileLock.of(descriptor).try_take():
            yield RunningAddress(None)
            return
        os.ftruncate(descriptor, 0)
        yield RunningAddress(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def running_address(settings: Settings) -> str | None:
    """Return the address of the service that runs on the embedded database; None where none is known to run.

    A process that serves holds a lock on the file. So an address that a killed one left, where another database's
    service may answer by now, is not taken.
    """
    descriptor = None if settings.database_url is not None else _opened(_file(settings), os.O_RDWR)
    if descriptor is None:
        return None
    try:
        if FileLock.of(descriptor).try_take():
            return None
        return os.pread(descriptor, MAX_ADDRESS_BYTES, 0).decode() or None
    finally:
        os.close(descriptor)


def configured_address(settings: Settings) -> str:
    """Return where the settings say that the service runs on this machine."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else "::1" if settings.host == "::" else settings.host  # noqa: S104
    return f"http://{to_url_host(host)}:{settings.port or 8000}"


def _file(settings: Settings) -> Path:
    return data_dir(settings) / ADDRESS_FILE


def _opened(file: Path, flags: int) -> int | None:
    try:
        return os.open(file, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        return None
