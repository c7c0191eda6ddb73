"""The `chatkeep` command as its users run it: a process of its own, started, stopped and killed."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.support.forks import ForkedServe

SECRET_KEY = "a key for tests: 0123456789abcdefghijklmnopqrstuvwxyz"
# For a machine that has other things to do: it makes a database first.
START_SECONDS = 180
CHATKEEP = (sys.executable, "-m", "chatkeep.cli")
ROOT = Path(__file__).parents[2]
# An application of the tests that tells what its settings are.
PROBE = "tests.support.probe:app"


def environment(**settings: object) -> dict[str, str]:
    """Return the environment without this machine's settings, and with `settings` as CHATKEEP_ variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CHATKEEP_", "DATABASE_"))}
    return inherited | {f"CHATKEEP_{name.upper()}": str(value) for name, value in settings.items()}


class Served(Protocol):
    """What there is to know and do of a process, however it was started."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, number: signal.Signals, /) -> None: ...

    async def first_line(self) -> str: ...

    async def wait(self) -> int: ...


class ServeProcess:
    """A running `chatkeep serve`; `log` is what it wrote to standard error so far."""

    def __init__(self, process: Served, log_file: Path) -> None:
        self._process = process
        self.url = ""
        self._log_file = log_file

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self._process.send_signal(number)
        return await self._process.wait()


class Program:
    """A `chatkeep serve` that was started as a program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.wait = process.wait

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def first_line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode()


async def started(
    command: Sequence[str] | None, arguments: Sequence[str], folder: Path, variables: dict[str, str], log_file: Path
) -> Served:
    """Start a command.

    Args:
        command: how it is called; None is the checkout's `chatkeep`, which need not load its libraries, nor need its
            workers: most of a start would be that.
    """
    if command is None:
        log_file.touch()
        return ForkedServe(arguments, folder, variables, log_file)
    with log_file.open("a") as log:
        process = await asyncio.create_subprocess_exec(
            *(*command, *arguments), cwd=folder, env=variables, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    return Program(process)


def serving(folder: Path, *options: str, **settings: object) -> AbstractAsyncContextManager[ServeProcess]:
    """Run `chatkeep serve` in `folder` until the block ends, on a free port unless the settings name one.

    It is a process of its own, see `started`.

    Args:
        settings: CHATKEEP_ variables, in lower case.
    """
    return serving_by(None, folder, *options, **settings)


@asynccontextmanager
async def serving_by(
    command: Sequence[str] | None, folder: Path, *options: str, **settings: object
) -> AsyncIterator[ServeProcess]:
    """Do as `serving` with a program that is started for it.

    Args:
        command: how it is called; `CHATKEEP` is the checkout's.
    """
    own_port = () if "port" in settings or "--port" in options else ("--port", "0")
    values = {"secret_key": SECRET_KEY, "cookie_secure": "false"} | settings
    # Applications of the tests are found as those of a user's own folder are.
    variables = environment(**values) | ({"PYTHONPATH": str(ROOT)} if PROBE in options else {})
    log_file = folder / f"serve-{secrets.token_hex(4)}.log"
    process = await started(command, ("serve", *own_port, *options), folder, variables, log_file)
    service = ServeProcess(process, log_file)
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.first_line()
        if not line.startswith("listening on http://"):
            code = await process.wait()
            raise AssertionError(f"exit {code}: {line}{service.log}")
        service.url = line.split()[-1]
        yield service
    finally:
        await service.end()
