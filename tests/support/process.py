"""The `chatkeep` command as its users run it: a process of its own, started, stopped and killed."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

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


class ServeProcess:
    """A running `chatkeep serve`; `log` is what it wrote to standard error so far."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log_file: Path) -> None:
        self._process = process
        self.url = url
        self._log_file = log_file

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await self._process.wait()


@asynccontextmanager
async def serving(folder: Path, *options: str, **settings: object) -> AsyncIterator[ServeProcess]:
    """Run `chatkeep serve` in `folder` until the block ends, on a free port unless the settings name one.

    Args:
        settings: CHATKEEP_ variables, in lower case.
    """
    async with serving_by(CHATKEEP, folder, *options, **settings) as service:
        yield service


@asynccontextmanager
async def serving_by(
    command: Sequence[str], folder: Path, *options: str, **settings: object
) -> AsyncIterator[ServeProcess]:
    """Do as `serving` with another `chatkeep` than the checkout's.

    Args:
        command: how it is called.
    """
    own_port = () if "port" in settings or "--port" in options else ("--port", "0")
    values = {"secret_key": SECRET_KEY, "cookie_secure": "false"} | settings
    log_file = folder / f"serve-{secrets.token_hex(4)}.log"
    with log_file.open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(*command, "serve", *own_port, *options),
            cwd=folder,
            # Applications of the tests are found as those of a user's own folder are.
            env=environment(**values) | ({"PYTHONPATH": str(ROOT)} if PROBE in options else {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    service = ServeProcess(process, "", log_file)
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode()
        if not line.startswith("listening on http://"):
            code = await process.wait()
            raise AssertionError(f"exit {code}: {line}{log_file.read_text()}")
        service.url = line.split()[-1]
        yield service
    finally:
        await service.end()
