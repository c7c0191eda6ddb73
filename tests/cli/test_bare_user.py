"""A user without a home or a name, and a root file system that cannot be written: as in hardened containers."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from chatkeep.app import metrics
from chatkeep.app.metrics import share_metrics
from chatkeep.errors import ConfigurationError
from tests.support.bare_user import as_root, bare_environment, bare_user
from tests.support.process import SECRET_KEY

SECONDS = 90
CHATKEEP = (sys.executable, "-m", "chatkeep.cli")


async def ran(command: list[str], environment: dict[str, str]) -> tuple[int | None, str]:
    """Run a command in `/` to its end and return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd="/", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    assert b"Traceback" not in said, said.decode()
    return process.returncode, said.decode()


async def served(command: list[str], environment: dict[str, str]) -> str:
    """Run a service in `/` until it is ready, end it, and return what it wrote to its log."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd="/", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        line = (await process.stdout.readline()).decode()
        if line.startswith("listening on"):
            assert httpx2.get(f"{line.split()[-1]}/readyz").status_code == 200
            process.terminate()
        log = (await process.stderr.read()).decode()
        code = await process.wait()
    assert (line[:9], code) == ("listening", 0), log
    return log


@as_root
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_user_without_a_home_serves_from_a_database_server(database_url: str, workers: str) -> None:
    environment = bare_environment(database_url=database_url, secret_key=SECRET_KEY)
    await served(bare_user(*CHATKEEP, "serve", "--port", "0", "--workers", workers), environment)


@as_root
async def test_a_user_without_a_home_runs_the_commands(database_url: str) -> None:
    environment = bare_environment(database_url=database_url, secret_key=SECRET_KEY)
    for command in (["db", "upgrade"], ["doctor"], ["user", "list"], ["audit", "verify"], ["stats"]):
        code, said = await ran(bare_user(*CHATKEEP, *command), environment)
        assert code == 0, said


@as_root
async def test_without_a_home_or_a_database_server_it_says_what_to_set(database_url: str) -> None:
    for command in (["serve"], ["serve", "--local"], ["db", "upgrade"], ["doctor"]):
        code, said = await ran(bare_user(*CHATKEEP, *command), bare_environment(secret_key=SECRET_KEY))
        assert code == 1
        assert "no home folder" in said
        assert "CHATKEEP_DATA_DIR" in said
    environment = bare_environment(secret_key=SECRET_KEY, data_dir="~/here", database_url=database_url)
    code, said = await ran(bare_user(*CHATKEEP, "serve"), environment)
    assert code == 1
    assert "CHATKEEP_DATA_DIR: there is no home folder for ~" in said


@as_root
async def test_a_port_that_only_root_may_take_is_one_sentence(database_url: str) -> None:
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    if int(first) <= 1:
        pytest.skip("everybody may take any port here")
    environment = bare_environment(database_url=database_url, secret_key=SECRET_KEY)
    code, said = await ran(bare_user(*CHATKEEP, "serve", "--port", str(int(first) - 1)), environment)
    assert code == 1
    assert "only root, or a process with CAP_NET_BIND_SERVICE" in said


def read_only_root(*command: str) -> list[str]:
    """Return a command that runs where nothing can be written but what is in memory: `/dev/shm`."""
    words = " ".join(f"'{each}'" for each in command)
    folders = "mount -o remount,bind,ro / && for each in $(findmnt -rno TARGET | grep -v -e ^/proc -e ^/sys -e ^/dev)"
    return ["unshare", "--mount", "sh", "-c", f"{folders}; do mount -o remount,bind,ro $each; done; exec {words}"]


def can_remount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("findmnt") is None:
        return False
    tried = read_only_root("sh", "-c", "! touch /tmp/chatkeep-test-read-only && ! touch /chatkeep-test-read-only")
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


remountable = pytest.mark.skipif(not can_remount(), reason="a file system cannot be made read-only here")


@remountable
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_read_only_root_is_enough(database_url: str, workers: str) -> None:
    environment = bare_environment(database_url=database_url, secret_key=SECRET_KEY)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [*CHATKEEP, "serve", "--port", "0", "--workers", workers]
    await served(read_only_root(*bare_user(*command)), environment)
    code, said = await ran(read_only_root(*bare_user(*CHATKEEP, "doctor")), environment)
    assert code == 0
    assert "No folder for temporary files can be written" in said


def test_without_any_folder_several_workers_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr("tempfile.tempdir", str(nowhere))
    monkeypatch.setattr(metrics, "SHARED_MEMORY", nowhere)
    with pytest.raises(ConfigurationError, match="--tmpfs /tmp"), share_metrics():
        pass
