"""Large pieces of answers on disk until their clients have read them.

A turn may have megabytes, and a client may take half a minute for each 64 KB. It does not keep them in memory.
"""

from collections.abc import AsyncGenerator
from tempfile import TemporaryFile
from typing import IO

import anyio.to_thread

# Smaller ones stay in memory: a thread and a file cost more than they are worth.
MAX_BYTES_IN_MEMORY = 256 * 1024
READ_BYTES = 256 * 1024


async def spooled(body: bytes) -> "IO[bytes] | None":
    """Write a body down; None where there is no room for it.

    Nobody else can open the file: it has no name, and the system takes it away however the process ends.
    """
    return await anyio.to_thread.run_sync(_written, body)


def _written(body: bytes) -> "IO[bytes] | None":
    try:
        file = TemporaryFile(prefix="chatkeep-answer-")  # noqa: SIM115  whoever reads it closes it
    except OSError:  # such as a file system that takes no writes
        return None
    try:
        file.write(body)
        file.seek(0)
    except OSError:  # a full disk
        file.close()
        return None
    return file


async def read_back(file: "IO[bytes]", size: int) -> AsyncGenerator[bytes, None]:
    """Yield what was written down, in pieces of `size`, and close the file."""
    with file:
        while part := await anyio.to_thread.run_sync(file.read, READ_BYTES):
            for start in range(0, len(part), size):
                yield part[start : start + size]
