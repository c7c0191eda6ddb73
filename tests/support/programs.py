"""Runs the programs of others as an ordinary user: some of them refuse to run as root."""

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from tests.support.memory import quick_folder

# As the embedded server does, so that its socket can be reached.
ACCOUNTS = ("postgres", "nobody")
# Browsers open no page at this one, which once was another service's.
UNSAFE_PORT = 10_080
PORTS = [port for port in range(10_000, 30_000) if port != UNSAFE_PORT]


def ordinary_user() -> str | None:
    """Return as whom to run them; None is this process's own user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ACCOUNTS if name in known)


@contextmanager
def ordinary_folder() -> Iterator[Path]:
    """Yield a new folder that belongs to that user; not under pytest's own, which root keeps to itself."""
    folder = Path(tempfile.mkdtemp(prefix="chatkeep-part-", dir=quick_folder()))
    if user := ordinary_user():
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port(*, beside: int = 0) -> int:
    """Return a port that nobody listens at, nor at so many next ones.

    The kernel gives none of these to a connection that goes out, as it might one of its own choice before the program
    that is to listen there has started.
    """
    while True:
        port = secrets.choice(PORTS)
        with ExitStack() as taken, suppress(OSError):
            for each in range(port, port + beside + 1):
                taken.enter_context(socket.socket()).bind(("", each))
            return port


async def ran(*command: str | Path, seconds: float = 60) -> None:
    """Run a program to its end; it has to succeed."""
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd="/",
            user=ordinary_user(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        async with asyncio.timeout(seconds):
            code = await process.wait()
        said.seek(0)
        assert code == 0, f"{command[0]} ended with {code}:\n{said.read().decode(errors='replace')}"


@asynccontextmanager
async def running_program(*command: str | Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends."""
    with log.open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd="/",
            user=ordinary_user(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def listens(port: int, *, seconds: float = 20) -> None:
    """Wait until something listens there."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
