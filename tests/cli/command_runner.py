"""The command as its users run it: a process of its own, in an empty folder, told nothing by the environment."""

import asyncio
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass, field
from fcntl import ioctl
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.forks import Fork

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "a key for tests: 0123456789abcdefghijklmnopqrstuvwxyz"
TIMEOUT_SECONDS = 60
ESCAPE = "\x1b"


@dataclass(frozen=True)
class Ran:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as JSON, one object a line; only line feeds end a line."""
        return [json.loads(line) for line in self.out.split("\n") if line]

    @property
    def object(self) -> dict[str, Any]:
        """Standard output as one JSON object."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def objects_of(self, name: str) -> list[dict[str, Any]]:
        """The list of that name in the one JSON object."""
        found: list[dict[str, Any]] = self.object[name]
        return found


@dataclass
class Command:
    """`chatkeep`, in a folder of its own.

    Args:
        folder: the working directory, where a `.env` would be read.
        settings: environment variables, on top of none.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str | bytes, stdin: str | bytes = b"", **settings: str) -> Ran:
        """Run it without a terminal and return what it wrote; a traceback is never among that."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        ran = await asyncio.to_thread(_in_files, arguments, self.folder, self._environment(settings), given)
        assert "Traceback" not in ran.err, ran.err
        return ran

    async def program(self, text: str) -> Ran:
        """Run a Python program where the command would run."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", text],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self._environment({}),
            timeout=TIMEOUT_SECONDS,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def in_shell(self, line: str, **settings: str) -> Ran:
        """Run a line of shell in which `chatkeep` is the command."""
        done = await asyncio.to_thread(
            subprocess.run,
            ["/bin/bash", "-c", f'chatkeep() {{ "$PYTHON" -m chatkeep.cli "$@"; }}; {line}'],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self._environment({"PYTHON": sys.executable, **settings}),
            timeout=TIMEOUT_SECONDS,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def on_terminal(
        self, *arguments: str, columns: int = 100, typed: Sequence[tuple[str, str]] = (), **settings: str
    ) -> Ran:
        """Run it on a terminal of so many columns and return what that showed, in `out`.

        Args:
            typed: pairs of what to wait for and what to type then.
        """
        environment = self._environment({"TERM": "xterm-256color", **settings})
        return await asyncio.to_thread(_on_terminal, arguments, self.folder, environment, columns, typed)

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
        }
        return own | self.settings | settings


def _in_files(
    arguments: Sequence[str | bytes], folder: Path, environment: dict[str, str], standard_input: bytes
) -> Ran:
    with TemporaryDirectory() as own:
        given, out, err = (Path(own, name) for name in ("in", "out", "err"))
        given.write_bytes(standard_input)
        out.touch()
        err.touch()
        code = _ended(Fork(arguments, folder, environment, (str(given), str(out), str(err))).start(), TIMEOUT_SECONDS)
        return Ran(code, out.read_bytes().decode(), err.read_bytes().decode())


def _on_terminal(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], columns: int, typed: Sequence[tuple[str, str]]
) -> Ran:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = Fork(arguments, folder, environment, (os.ttyname(theirs),) * 3).start()
    try:
        shown = _talk(ours, process, typed)
    finally:
        os.close(ours)
        os.close(theirs)
        code = _ended(process, 10)
    return Ran(code, shown.decode().replace("\r\n", "\n"), "")


def _ended(process: BaseProcess, seconds: float) -> int:
    """Return the exit code of a process that has so many seconds to end."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    return process.exitcode


def _talk(terminal: int, process: BaseProcess, typed: Sequence[tuple[str, str]]) -> bytes:
    """Type each text when what it waits for has been shown since the last one; return all that was shown."""
    shown, seen, left = b"", 0, list(typed)
    while ready := select.select([terminal, process.sentinel], [], [], TIMEOUT_SECONDS)[0]:
        if terminal not in ready:
            return shown
        shown += os.read(terminal, 65536)
        if left and (place := shown.find(left[0][0].encode(), seen)) >= 0:
            seen = place + len(left[0][0].encode())
            os.write(terminal, left.pop(0)[1].encode())
    raise AssertionError(f"waited too long after {shown[-200:]!r}")


def without_styles(text: str) -> str:
    """Return a terminal's text without its colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
