"""The command against a migrated database of the test's own."""

from pathlib import Path

import pytest

from tests.cli.command_runner import SECRET_KEY, Command


@pytest.fixture
def chatkeep(tmp_path: Path, database_url: str) -> Command:
    """The command, with a database that is empty but for its tables."""
    return Command(tmp_path, {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY})


@pytest.fixture
def bare_chatkeep(tmp_path: Path) -> Command:
    """The command, with nothing set."""
    return Command(tmp_path)
