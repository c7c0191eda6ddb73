"""Where a server of the tests' own keeps its data, so that nothing waits for a disk."""

import os
import shutil
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
# For the data of some servers, on a machine that has other things to hold.
PLENTY_BYTES = 4 * 1024**3


def quick_folder() -> str | None:
    """Return where a server's data costs least: in memory where there is plenty; None is where temporary files go.

    A database is made and dropped for many a test, and on a disk both wait for it. What a disk keeps is asked of the
    servers that are killed, which have theirs on one.
    """
    if not os.access(MEMORY, os.W_OK):
        return None
    free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    return str(MEMORY) if free >= PLENTY_BYTES else None
