"""Data folders with an embedded server, and other processes that use them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import psutil
import pytest

from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.database.postgres.postmaster import Postmaster, running_postmaster

CHECKOUT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root has to run the server as somebody else")

ANOTHER_PROCESS = """
import sys
from pathlib import Path
from chatkeep.database.postgres.embedded import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder to make data folders in."""
    folder = open_folder()
    yield folder
    end_servers_below(folder)
    for record in folder.rglob("postgresql.socket-path"):
        shutil.rmtree(record.read_text().strip())
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stopped_database() -> Iterator[Path]:
    """A data folder with a fresh database, to be copied: creating one takes a second."""
    folder = open_folder()
    with EmbeddedPostgres(folder / "data"):
        pass
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def data(place: Path, stopped_database: Path) -> Path:
    """A data folder of the test's own, with a database that is not running."""
    return copy_of(stopped_database, place / "data")


def open_folder() -> Path:
    """Make a folder that root's server can enter, as it cannot pytest's own, and whose path is short.

    It is in memory where there is room: many databases are copied, and each is written to disk.
    """
    memory = Path("/dev/shm")
    roomy = memory.exists() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="ck-", dir=memory if roomy else "/tmp"))
    folder.chmod(0o755)
    return folder


def copy_of(folder: Path, copy: Path) -> Path:
    """Copy with owners and modes, which shutil does not."""
    subprocess.run(["cp", "-a", folder, copy], check=True)
    return copy


def copies_of_programs(data: Path) -> list[Path]:
    """The public programs that lie in a data folder where the originals are behind a closed folder: root's home."""
    return list(data.glob("postgresql-*"))


def end_servers_below(folder: Path) -> None:
    """End what a test has left. Asked before it is killed, a server removes its shared memory."""
    for ending in (signal.SIGQUIT, signal.SIGKILL):
        for process in processes_below(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(ending)
                process.resume()
        psutil.wait_procs(processes_below(folder), timeout=5)


def processes_below(folder: Path) -> list[psutil.Process]:
    """The processes of the servers whose cluster is somewhere in the folder."""
    found = []
    for process in psutil.process_iter(["cwd"]):
        with contextlib.suppress(psutil.Error):
            at_work = (process.info["cwd"] or "").startswith(f"{folder}/")
            if at_work and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def server_of(data: Path) -> Postmaster:
    server = running_postmaster(data / "postgresql")
    assert server is not None, "no server runs"
    return server


def is_running(data: Path) -> bool:
    return running_postmaster(data / "postgresql") is not None


def kill_server(data: Path) -> None:
    """Kill every process of the server at once, as a lack of memory or a stopped machine does."""
    for process in processes_below(data):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def wait_until(happened: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


async def fetch(url: str, sql: str, *values: object) -> Any:
    """Run one statement on a connection of its own, and return the first value it gives."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()


async def crash_while_running(url: str, statement: str) -> None:
    """Have the server lose the process of one session, upon which it ends all and recovers by itself."""
    connection = await asyncpg.connect(url)
    threading.Timer(0.2, os.kill, (connection.get_server_pid(), signal.SIGKILL)).start()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await connection.execute(statement)
    connection.terminate()


class AnotherProcess:
    """Another process of the service on the same data folder, until it is told to leave or killed."""

    def __init__(self, data: Path, script: str = ANOTHER_PROCESS, **options: Any) -> None:
        python, environment = options.pop("python", sys.executable), options.pop("environment", {})
        self.process = subprocess.Popen(
            [python, "-c", script, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path]),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def url(self) -> str:
        """Wait until it has the server."""
        assert self.process.stdout
        line = str(self.process.stdout.readline()).strip()
        if not line:
            assert self.process.stderr
            raise AssertionError(self.process.stderr.read())
        return line

    def leave(self) -> str:
        """Have it stop using the server; returns what else it said."""
        said, complaints = self.process.communicate("\n", timeout=30)
        assert self.process.returncode == 0, complaints
        return str(said)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.process.kill()
        self.process.communicate()
