"""A lock on a file, which the kernel drops when its last holder is gone, however it went."""

import os
import sys
from pathlib import Path

from chatkeep.database.postgres.privileges import ServerUser, open_private

if sys.platform != "win32":
    import fcntl


class FileLock:
    """One open file and its `flock`. Two of them on one file exclude each other, also within one process.

    The descriptor is closed in programs that this process starts, unless they are given it on purpose.
    The file stays where it is for good: a lock on a name that was unlinked in between excludes nobody.
    """

    def __init__(self, path: Path, user: ServerUser) -> None:
        self.descriptor = open_private(path, user, os.O_RDWR)

    @classmethod
    def of(cls, descriptor: int) -> "FileLock":
        """Return the lock of a file that is open already."""
        lock = cls.__new__(cls)
        lock.descriptor = descriptor
        return lock

    def take(self) -> None:
        """Wait until nobody else holds it, and hold it alone."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def try_take(self) -> bool:
        """Hold it alone if nobody else holds it.

        A shared lock that was held before is lost when this fails: the kernel converts in two steps.
        """
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Hold it together with others that share it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let go; a program that was given the descriptor still holds it."""
        os.close(self.descriptor)


def is_free(path: Path, user: ServerUser) -> bool:
    """Whether nobody holds the lock on that file right now."""
    lock = FileLock(path, user)
    try:
        return lock.try_take()
    finally:
        lock.release()
