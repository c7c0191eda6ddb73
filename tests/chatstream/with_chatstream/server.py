"""A ChatStream server as a process of its own: started, stopped, killed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.chatstream.front_end import FrontEnd
from tests.support.process import SECRET_KEY, environment
from tests.support.running_service import PASSWORD

ROOT = Path(__file__).parents[3]
START_SECONDS = 120


@dataclass
class ChatStreamProcess:
    process: asyncio.subprocess.Process
    url: str
    log_file: Path
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def log(self) -> str:
        """Return the server's standard error."""
        return self.log_file.read_text()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    def tab(self, cookies: httpx2.Cookies | None = None) -> FrontEnd:
        client = httpx2.AsyncClient(base_url=self.url, cookies=cookies, timeout=30)
        self.clients.append(client)
        return FrontEnd(client)

    async def person(self, name: str) -> FrontEnd:
        """Register a user; return a tab of theirs."""
        front = self.tab()
        answer = await front.client.post("/api/v1/auth/register", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return front

    async def busy(self) -> int:
        """Return how many places of ChatStream's queue are taken."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=30) as client:
            worker = (await client.get("/get_load")).json()["chatstream_workers"][0]
        return int(worker["processing"]) + int(worker["waiting"])

    async def idle(self) -> None:
        """Wait until ChatStream has all of its places back."""
        async with asyncio.timeout(10):
            while await self.busy():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def chatstream(
    folder: Path, database_url: str, *, model: str = "echo", app: str = "tests.chatstream.with_chatstream.app"
) -> AsyncIterator[ChatStreamProcess]:
    """Run the `app` of a module, in `folder`, until the block ends."""
    settings = {
        "database_url": database_url,
        "secret_key": SECRET_KEY,
        "cookie_secure": "false",
        "cookie_name": "chatkeep",
        "lease_seconds": 2,
        "flush_interval_ms": 50,
    }
    log_file = folder / "chatstream.log"
    with log_file.open("a") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chatstream.with_chatstream.announced", app),
            cwd=folder,
            env=environment(**settings) | {"CHATSTREAM_MODEL": model, "PYTHONPATH": f"{ROOT}:{folder}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    found = ChatStreamProcess(process, await _address(process, log_file), log_file)
    try:
        yield found
    finally:
        for client in found.clients:
            await client.aclose()
        await found.end(signal.SIGKILL)


async def _address(process: asyncio.subprocess.Process, log_file: Path) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        # ChatStream prints, too.
        while line := (await process.stdout.readline()).decode():
            if line.startswith("listening on "):
                return line.split()[-1]
    raise _not_started(await process.wait(), log_file)


def _not_started(code: int, log_file: Path) -> AssertionError:
    return AssertionError(f"exit {code}: {log_file.read_text()}")
