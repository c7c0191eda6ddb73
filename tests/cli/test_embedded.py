"""Commands where no database is configured: each starts the embedded server, and leaves it as it found it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.cli.command_runner import Command


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        yield Path(folder)


async def test_commands_share_the_embedded_server_and_stop_it(bare_chatkeep: Command, folder: Path) -> None:
    own = ("--data-dir", str(folder))
    assert (await bare_chatkeep("db", "upgrade", *own)).code == 0
    made = await bare_chatkeep("user", "create", "alice", "--random-password", "--role", "admin", *own)
    assert made.code == 0
    # What takes its time is told beside the result, never in it.
    assert "Starting PostgreSQL" in made.err
    assert len(made.lines) == 1
    listed = await bare_chatkeep("user", "list", CHATKEEP_DATA_DIR=str(folder))
    assert listed.lines[1].split()[:2] == ["alice", "admin"]
    found = await bare_chatkeep("doctor", *own)
    assert "The embedded server is PostgreSQL" in found.out
    assert "✓ There is an administrator who can sign in." in found.out
    assert not _processes_in(folder)


async def test_the_server_is_stopped_though_nobody_hears_of_it(bare_chatkeep: Command, folder: Path) -> None:
    assert (await bare_chatkeep.in_shell(f"chatkeep db upgrade --data-dir {folder} 2> /dev/full")).code == 0
    for nowhere in (">(true)", "/dev/full"):
        ran = await bare_chatkeep.in_shell(f"chatkeep db current --data-dir {folder} 2> {nowhere}")
        assert (ran.code, len(ran.lines)) == (0, 1), nowhere
        assert not _processes_in(folder), nowhere


def _processes_in(folder: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or ())]
