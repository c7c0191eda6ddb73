"""Small disks that can be filled: file systems in memory, which only root may mount."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.parts import missing

BLOCK = bytes(2**16)


class SmallDisk:
    """A mounted file system, and the file that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filling = folder / "filling"

    def fill(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError), self._filling.open("ab", buffering=0) as file:
            while True:
                file.write(BLOCK)
        with suppress(OSError), self._filling.open("ab", buffering=0) as file:
            while True:
                file.write(BLOCK[:512])

    def make_room(self) -> None:
        self._filling.unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk of its own; without the right to, skip the test, or fail it where parts are required."""
    folder = Path(tempfile.mkdtemp(prefix="ck-disk-"))
    folder.chmod(0o755)
    if not _is_mounted(folder, megabytes):
        folder.rmdir()
        missing("A small disk (mount, as root)")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def _is_mounted(folder: Path, megabytes: int) -> bool:
    if os.geteuid() != 0:
        return False
    options = f"size={megabytes}m,mode=755"
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
        )
    except FileNotFoundError:
        return False
    return mounted.returncode == 0
