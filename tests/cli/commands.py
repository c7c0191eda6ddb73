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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "a key for tests: 0123456789abcdefghijklmnopqrstuvwxyz"
TIMEOUT_SECONDS = 60
# Makes standard input the terminal of the process, so that Ctrl-C reaches it and it can be asked for a password.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
ESCAPE = "\x1b"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

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
        """Run it in a pipe and return what it wrote; a traceback is never among that."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "service.cli", *arguments],
            input=given,
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self._environment(settings),
            timeout=TIMEOUT_SECONDS,
            # Without a terminal that it could open behind standard input's back.
            start_new_session=True,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
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
            ["/bin/bash", "-c", f'chatkeep() {{ "$PYTHON" -m service.cli "$@"; }}; {line}'],
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
        command = [sys.executable, "-m", "service.cli", *arguments]
        return await asyncio.to_thread(_on_terminal, command, self.folder, environment, columns, typed)

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
        }
        return own | self.settings | settings


def _on_terminal(
    command: Sequence[str], folder: Path, environment: dict[str, str], columns: int, typed: Sequence[tuple[str, str]]
) -> Ran:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = _talk(ours, typed)
    finally:
        os.close(ours)
        code = _ended(process)
    return Ran(code, shown.decode().replace("\r\n", "\n"), "")


def _ended(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _talk(terminal: int, typed: Sequence[tuple[str, str]]) -> bytes:
    """Type each text when what it waits for has been shown since the last one; return all that was shown."""
    shown, seen, left = b"", 0, list(typed)
    while select.select([terminal], [], [], TIMEOUT_SECONDS)[0]:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return shown
        if not read:
            return shown
        shown += read
        if left and (place := shown.find(left[0][0].encode(), seen)) >= 0:
            seen = place + len(left[0][0].encode())
            os.write(terminal, left.pop(0)[1].encode())
    raise AssertionError(f"waited too long after {shown[-200:]!r}")


def without_styles(text: str) -> str:
    """Return what a terminal shows without its colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
