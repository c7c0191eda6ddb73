"""The command in processes that are forked from one which knows its libraries, so that a run need not load them."""

import os
import signal
import sys
import termios
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# Nothing of `chatkeep.cli` itself: it looks at its terminal and its environment as it is loaded.
LIBRARIES = ["alembic", "asyncpg", "pydantic_settings", "rich.table", "chatkeep.app", "sqlalchemy.ext.asyncio", "typer"]

_context = get_context("forkserver")
_context.set_forkserver_preload(LIBRARIES)


@dataclass(frozen=True)
class Fork:
    """The arguments of a command, and where it reads and writes.

    Args:
        streams: standard input, output and error: a file each, or the same terminal three times.
    """

    arguments: Sequence[str | bytes]
    folder: Path
    environment: dict[str, str]
    streams: tuple[str, str, str]

    def start(self) -> ForkServerProcess:
        """Start the command; its exit code is the process's."""
        process = _context.Process(target=self._run, daemon=True)
        process.start()
        return process

    def _run(self) -> None:
        os.setsid()
        for number, path in enumerate(self.streams):
            stream = os.open(path, os.O_RDWR)
            os.dup2(stream, number)
            os.close(stream)
        if os.isatty(0):  # so that Ctrl-C reaches this process and it can ask for a password
            ioctl(0, termios.TIOCSCTTY, 0)
        sys.stdin = os.fdopen(0, encoding="utf-8")
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace")
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        warnings.simplefilter("error")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["chatkeep", *map(os.fsdecode, self.arguments)]

        from chatkeep.cli.main import main  # not earlier, see LIBRARIES

        main()
