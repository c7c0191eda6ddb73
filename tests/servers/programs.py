"""Model servers as processes of their own: found, started, killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

# Names the folder with one virtual environment for each server.
INSTALLED_IN = "CHATKEEP_TEST_SERVERS"
# PyTorch alone takes a quarter of a minute to load where other things run.
START_SECONDS = 300


@dataclass
class ModelServer:
    """One running server.

    Attributes:
        url: its API's address, as `--model-url` takes it.
        log_file: what it wrote.
    """

    process: asyncio.subprocess.Process
    url: str
    log_file: Path

    async def kill(self) -> None:
        """End it and all that it started, as the system does when memory is short."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


def installed(server: str, program: str) -> Path:
    """Return a program of a server's environment; the test is skipped where that is not installed."""
    path = Path(os.environ[INSTALLED_IN]).resolve() / server / "bin" / program
    if not path.exists():
        pytest.skip(f"{server} is not installed: `make test-servers` says why")
    return path


@asynccontextmanager
async def running_server(
    folder: Path, *command: str | Path, port: int, health: str = "/v1/models", key: str | None = None, **settings: str
) -> AsyncIterator[ModelServer]:
    """Run a server in `folder` until the block ends; it is ready once it answers at `health`.

    Args:
        settings: environment variables; of this process's own it has only the path.
    """
    log_file = folder / f"{Path(command[0]).name}-{port}.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **settings}
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = ModelServer(process, f"http://127.0.0.1:{port}/v1", log_file)
    try:
        await _ready(server, f"http://127.0.0.1:{port}{health}", {"Authorization": f"Bearer {key}"} if key else {})
        yield server
    finally:
        await server.kill()


async def _ready(server: ModelServer, url: str, headers: Mapping[str, str]) -> None:
    async with asyncio.timeout(START_SECONDS), httpx2.AsyncClient(trust_env=False) as client:
        while server.process.returncode is None:
            with suppress(httpx2.TransportError):
                if (await client.get(url, headers=headers)).status_code == 200:
                    return
            await asyncio.sleep(0.2)
    raise AssertionError(f"exit {server.process.returncode}: {server.log_file.read_text(errors='replace')}")
