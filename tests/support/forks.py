"""The command in processes that are forked from one which knows its libraries, so that a run need not load them."""

import asyncio
import os
import signal
import sys
import termios
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from multiprocessing import current_process, forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.limits import be_patient

# How long a command waits for its database, where a machine is too busy for what the service waits.
COMMAND_SECONDS = 30.0

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.support.libraries"])


@dataclass(frozen=True)
class Fork:
    """The arguments of a command, and where it reads and writes.

    Args:
        streams: standard input, output and error: a file each, or the same terminal three times.
        output: a pipe in place of the file for standard output.
    """

    arguments: Sequence[str | bytes]
    folder: Path
    environment: dict[str, str]
    streams: tuple[str, str, str]
    output: Connection | None = None

    def start(self) -> ForkServerProcess:
        """Start the command; its exit code is the process's."""
        process = _context.Process(target=self._run, daemon=True)
        process.start()
        return process

    def _run(self) -> None:
        os.setsid()
        self._take_streams()
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        if self.environment.get("PYTHONWARNINGS") == "error":
            warnings.simplefilter("error")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        sys.argv = ["chatkeep", *map(os.fsdecode, self.arguments)]
        # It may have processes of its own, which this library denies to one that does not outlive its parent.
        current_process()._config["daemon"] = False  # type: ignore[attr-defined]

        from chatkeep.cli.main import main  # not earlier, see `tests.support.libraries`

        if self.output is not None:
            _fork_workers()
        else:
            be_patient(COMMAND_SECONDS)
        main()

    def _take_streams(self) -> None:
        for number, path in enumerate(self.streams):
            stream = os.open(path, os.O_RDWR | (os.O_APPEND if number == 2 else 0))
            os.dup2(stream, number)
            os.close(stream)
        if self.output is not None:
            os.dup2(self.output.fileno(), 1)
            self.output.close()
        if os.isatty(0):  # so that Ctrl-C reaches this process and it can ask for a password
            ioctl(0, termios.TIOCSCTTY, 0)
        sys.stdin = os.fdopen(0, encoding="utf-8")
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        # By lines, as Python itself has it.
        sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace")


def _fork_workers() -> None:
    """Have workers of this service come from where it came from itself: given the same, but with libraries loaded.

    Each counts its figures by itself then: how they are counted is chosen as the library of figures is loaded.
    """
    from chatkeep.cli.server import worker_process

    if sys.version_info < (3, 13):  # what is asked of the library here is its own affair
        forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
        worker_process.SPAWN = _context  # type: ignore[assignment]


class ForkedServe:
    """A `chatkeep serve` that was forked, as asyncio has a process of its own. Its workers are no children of its."""

    def __init__(self, arguments: Sequence[str], folder: Path, environment: dict[str, str], log_file: Path) -> None:
        ours, theirs = _context.Pipe(duplex=False)
        streams = (os.devnull, os.devnull, str(log_file))
        self._process = Fork(arguments, folder, environment, streams, output=theirs).start()
        theirs.close()
        self._output = ours
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._has_ended)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        if not self._ended.is_set():
            os.kill(self.pid, number)

    async def first_line(self) -> str:
        """Return the first line that it prints; what it has printed where it ends before that."""
        said = b""
        while b"\n" not in said and (more := await asyncio.to_thread(os.read, self._output.fileno(), 65536)):
            said += more
        return said.partition(b"\n")[0].decode()

    async def wait(self) -> int:
        """Wait for its end and return the exit code, negative where a signal ended it."""
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _has_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()
