"""The processes that are killed and told to stop: replicas of the service, and the model server beside them."""

import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.process import SECRET_KEY, Program, Served, environment, started

START_SECONDS = 120
END_SECONDS = 60


class Replica:
    """A `chatkeep serve` that can be killed and started again, on another port each time.

    Args:
        broken: a fault of `tests.crash.broken` that it is to have.
        program: runs the command `chatkeep` of another release; None is this one.
        forked: it need not load its libraries, for who does not look at the seconds.
        settings: CHATKEEP_ variables, in lower case.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        broken: str | None = None,
        program: Sequence[str] | None = None,
        forked: bool = False,
        **settings: object,
    ) -> None:
        self.name = name
        self.url = ""
        self.up = asyncio.Event()
        # How often it was told or made to end: tells a request that nobody is to blame for its broken connection.
        self.endings = 0
        self.log_file = folder / f"{name}.log"
        ours = (sys.executable, "-m", *(("tests.crash.broken", broken) if broken else ("chatkeep.cli",)))
        self._command = None if forked and not broken and not program else (program or ours)
        self._environment = environment(
            **({"secret_key": SECRET_KEY, "cookie_secure": "false", "context_tokens": 512} | settings)
        )
        self._process: Served | None = None

    async def start(self) -> float:
        """Start it; return when it was ready, on the monotonic clock."""
        arguments = ("serve", "--port", "0")
        self._process = await started(self._command, arguments, Path.cwd(), self._environment, self.log_file)
        self.url = await _announced(self._process, self.log_file)
        self.up.set()
        return time.monotonic()

    async def kill(self) -> float:
        """End it without a chance to clean up; return when that was."""
        at = self._about_to_end()
        await self.end(signal.SIGKILL)
        return at

    def wake(self) -> None:
        """Have it go on after SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.up.set()

    def tell(self, number: signal.Signals) -> float:
        """Send a signal that ends it, or has it stand still; return when that was."""
        at = self._about_to_end()
        if self._process is not None:
            self._process.send_signal(number)
        return at

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.tell(number)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for the end and return the exit code.

        Raises:
            TimeoutError: it does not end.
        """
        if self._process is None:
            return 0
        async with asyncio.timeout(END_SECONDS):
            return await self._process.wait()

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def _about_to_end(self) -> float:
        self.up.clear()
        self.endings += 1
        return time.monotonic()


class Replicas:
    """The replicas that a client may turn to."""

    def __init__(self, replicas: Sequence[Replica], chance: random.Random) -> None:
        self.all = list(replicas)
        self._chance = chance

    async def one(self, *, other_than: Replica | None = None) -> Replica:
        """Return one that is up; wait where none is."""
        while True:
            ready = [each for each in self.all if each.up.is_set() and each is not other_than]
            if ready:
                return self._chance.choice(ready)
            waits = [asyncio.create_task(each.up.wait()) for each in self.all if each is not other_than]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def end(self) -> None:
        """End those that still run, at once."""
        for each in self.all:
            await each.kill()


class ModelServer:
    """The language model's stand-in, in a process of its own, from the beginning to the end of a block."""

    def __init__(self, *, pause_ms: int = 20) -> None:
        self.url = ""
        self._command = (sys.executable, "-m", "tests.crash.model", str(pause_ms))
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> str:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE)
        return await _announced(Program(self._process), None)

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


async def _announced(process: Served, log_file: Path | None) -> str:
    """Return the address that a program says it listens at."""
    async with asyncio.timeout(START_SECONDS):
        line = await process.first_line()
    if not line.startswith("listening on http://"):
        code = await process.wait()
        raise RuntimeError(f"exit {code}: {line}{log_file.read_text() if log_file else ''}")
    return line.split()[-1]
