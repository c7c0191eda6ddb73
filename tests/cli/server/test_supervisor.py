"""`chatkeep serve --workers 2`, whose processes are killed one after the other."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psutil
import pytest

from chatkeep.cli.server import supervisor
from chatkeep.cli.server.supervisor import Supervisor
from chatkeep.cli.server.worker_process import WorkerProcess
from chatkeep.errors import StartUpError
from tests.support import process as processes
from tests.support.process import CHATKEEP, ROOT, ServeProcess, serving_by
from tests.test_restart import refused

PATIENCE_SECONDS = 60
# Real programs: how they start their workers is what is tested.
serving = partial(serving_by, CHATKEEP)
# Not the port of the operating system's choice: the next start wants the same.
PROBE = ("--app", "tests.support.probe:app")


def workers_of(service: ServeProcess) -> list[psutil.Process]:
    """Return the processes that serve; Python's own helper beside them is none."""
    found = []
    for each in psutil.Process(service.pid).children():
        with suppress(psutil.NoSuchProcess):  # it may go at any moment
            if each.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(each.cmdline()):
                found.append(each)
    return found


async def until_started(service: ServeProcess, count: int) -> list[psutil.Process]:
    """Return the worker processes as soon as so many have started in all."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while service.log.count('"worker_started"') < count:
            await asyncio.sleep(0.1)
    return workers_of(service)


async def until_gone(processes: list[psutil.Process]) -> float:
    """Return how many seconds it took until none of them was there."""
    began = time.monotonic()
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=PATIENCE_SECONDS)
    assert not alive
    return time.monotonic() - began


async def test_workers_do_not_outlive_their_supervisor(database_url: str, tmp_path: Path) -> None:
    settings = {"database_url": database_url, "shutdown_grace_seconds": 600}
    async with serving(tmp_path, "--workers", "2", **settings) as service:
        workers = await until_started(service, 2)
        port = service.url.rpartition(":")[2]
        os.kill(service.pid, signal.SIGKILL)
        # At once, as a supervisor of services would: the port is free, whatever the workers still do.
        async with serving(tmp_path, "--workers", "2", "--port", port, **settings) as next_one:
            await until_gone(workers)
            assert httpx2.get(f"{next_one.url}/readyz").status_code == 200
            assert service.log.count("supervisor_gone") == 2


async def test_a_worker_that_is_still_loading_does_not_outlive_its_supervisor(
    database_url: str, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep.cli", "serve", "--port", "0", "--workers", "2"),
        cwd=tmp_path,
        env=os.environ | {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_SECRET_KEY": "0123456789abcdef" * 3},
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(children := psutil.Process(process.pid).children()) < 3:
            await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    await until_gone(children)


@asynccontextmanager
async def embedded(tmp_path: Path, *options: str) -> AsyncIterator[tuple[ServeProcess, Path]]:
    """Run the service with an embedded server in a folder that root's server can enter."""
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        async with serving(tmp_path, "--migrate", *options, data_dir=folder) as service:
            yield service, Path(folder)


def servers_in(folder: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or ())]


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.long), "2"])
async def test_the_next_start_joins_the_embedded_server_of_a_killed_one(tmp_path: Path, workers: str) -> None:
    async with embedded(tmp_path, "--workers", workers) as (service, folder):
        serving_processes = workers_of(service)
        port = service.url.rpartition(":")[2]
        await service.end(signal.SIGKILL)
        await until_gone(serving_processes)
        async with serving(tmp_path, "--workers", workers, "--port", port, data_dir=folder) as next_one:
            assert httpx2.get(f"{next_one.url}/readyz").status_code == 200
        assert not servers_in(folder)


async def test_a_killed_worker_is_replaced_and_the_service_goes_on(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, "--workers", "2", database_url=database_url) as service:
        first, second = await until_started(service, 2)
        first.kill()
        workers = await until_started(service, 3)
        assert len(workers) == 2
        assert second in workers
        for _ in range(20):
            assert httpx2.get(f"{service.url}/readyz").status_code == 200
        assert await service.end() == 0
        await until_gone(workers)


@pytest.fixture(autouse=True)
def hangup_counts() -> Iterator[None]:
    """Tests that run under nohup would hand an ignored SIGHUP on to what they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_workers_are_renewed_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, "--workers", "2", database_url=database_url) as service:
        before = await until_started(service, 2)
        os.kill(service.pid, signal.SIGHUP)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while service.log.count('"worker_started"') < 4 or len(workers_of(service)) > 2:
                assert httpx2.get(f"{service.url}/readyz", timeout=PATIENCE_SECONDS).status_code in (200, 503)
                await asyncio.sleep(0.05)
        assert not {each.pid for each in before} & {each.pid for each in workers_of(service)}
        assert "worker_died" not in service.log


APP = """
import os, sys, time
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {at_start}
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
    else:
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})
"""


@pytest.mark.parametrize(
    ("at_start", "part"),
    [
        ("raise RuntimeError('not today')", "ended with exit code 1. The log says why."),
        ("os._exit(9)", "ended with exit code 9."),
        ("os.kill(os.getpid(), 9)", "killed (signal 9) before they serve"),
        ("from chatkeep.errors import StartUpError; raise StartUpError('Not today.')", "chatkeep: Not today."),
    ],
)
async def test_workers_that_cannot_start_end_the_service(
    database_url: str, tmp_path: Path, at_start: str, part: str
) -> None:
    (tmp_path / "mine.py").write_text(APP.format(at_start=at_start))
    with pytest.raises(AssertionError) as said:
        async with processes.serving(tmp_path, "--app", "mine:app", "--workers", "2", database_url=database_url):
            pass
    assert "exit 1: " in str(said.value)
    assert part in str(said.value)


async def test_a_replacement_that_cannot_start_is_tried_again_and_the_others_serve_on(
    database_url: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    at_start = f"sys.exit(1) if os.path.exists({str(broken)!r}) else None"
    (tmp_path / "mine.py").write_text(APP.format(at_start=at_start))
    async with serving(tmp_path, "--app", "mine:app", "--workers", "2", database_url=database_url) as service:
        first, second = await until_started(service, 2)
        broken.touch()
        first.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while service.log.count('"worker_died"') < 3:
                await asyncio.sleep(0.1)
        assert httpx2.get(service.url).text == str(second.pid)
        pauses = [float(found) for found in re.findall(r'"next_in_seconds": ([0-9.]+)', service.log)]
        assert pauses == sorted(pauses)
        assert pauses[-1] >= 1
        broken.unlink()
        assert len(await until_started(service, 3)) == 2


async def test_told_to_end_while_it_starts_it_ends(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(APP.format(at_start="time.sleep(600)"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatkeep.cli", "serve", "--port", "0", "--workers", "2", "--app", "mine:app"),
        cwd=tmp_path,
        env=os.environ
        | {
            "CHATKEEP_DATABASE_URL": database_url,
            "CHATKEEP_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
            "CHATKEEP_SHUTDOWN_GRACE_SECONDS": "0",
        },
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(children := psutil.Process(process.pid).children()) < 3:
            await asyncio.sleep(0.01)
    process.terminate()
    assert await process.wait() == 0
    await until_gone(children)


def hang(voice: object) -> None:
    """Start, and give no sign any more."""
    voice.send("started")  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def test_a_worker_that_hangs_is_replaced_and_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "END_SECONDS", 0.5)
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess(hang))
        if len(started) == 3:
            signal.raise_signal(signal.SIGTERM)
        return started[-1]

    Supervisor(start, 1, grace_seconds=0).run()
    assert [each.exit_code() for each in started[:2]] == [-signal.SIGKILL] * 2
    assert all(each.is_dead() for each in started)


def fail(voice: object) -> None:
    sys.exit(7)


def test_a_supervisor_whose_workers_fail_says_so() -> None:
    with pytest.raises(StartUpError, match="exit code 7"):
        Supervisor(lambda: WorkerProcess(fail), 2, grace_seconds=0).run()


async def test_a_terminal_that_goes_takes_the_service_with_it(database_url: str, tmp_path: Path) -> None:
    import pty

    for workers in ("1", "2"):
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", "--wait", sys.executable, "-m", "chatkeep.cli"),
            *("serve", "--port", "0", "--workers", workers, *PROBE),
            cwd=tmp_path,
            env=os.environ
            | {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_SECRET_KEY": "0123456789abcdef" * 3}
            | {"PYTHONPATH": str(ROOT)},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await process.stdout.readline()).startswith(b"listening")
            processes = psutil.Process(process.pid).children(recursive=True)
            os.close(ours)
            await until_gone(processes)
            await process.wait()


async def test_a_refusal_is_one_sentence_with_two_workers(database_url: str, tmp_path: Path) -> None:
    settings = {"database_url": database_url, "auth_user_header": "X-User"}
    assert "CHATKEEP_ALLOW_REGISTRATION=false" in await refused(tmp_path, "--workers", "2", **settings)
