"""The systemd unit: what systemd's own checks say of it, and that it is of one piece with the service."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chatkeep.app.draining import DELIVERY_SECONDS
from chatkeep.config import Settings
from chatkeep.secret_files import PREFIX
from tests.deploy.files import PROJECT, documented, unit

UNIT = PROJECT / "deploy" / "chatkeep.service"
# systemd's own scale from 0 to 10. What is left is what a service on a network needs.
MAX_EXPOSED = 1.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@needs_systemd
def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    # The program is not installed where the unit looks for it; everything else is as it is.
    there = UNIT.read_text().replace("/opt/chatkeep/bin/chatkeep", "/bin/true")
    (tmp_path / UNIT.name).write_text(there)
    command = ("systemd-analyze", "verify", "--recursive-errors=no", tmp_path / UNIT.name)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@needs_systemd
def test_little_of_the_system_is_open_to_it() -> None:
    command = ("systemd-analyze", "security", "--offline=yes", "--no-pager", UNIT)
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    exposure = re.search(r"exposure level for chatkeep\.service: ([\d.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= MAX_EXPOSED


def test_it_is_killed_only_after_the_usual_grace() -> None:
    grace = Settings.model_fields["shutdown_grace_seconds"].default
    assert grace + DELIVERY_SECONDS < int(unit()["TimeoutStopSec"][-1])
    # The main process stops the others in order: told themselves, workers would not drain.
    assert unit()["KillMode"] == ["mixed"]


def test_the_documented_commands_make_what_it_reads() -> None:
    (commands,) = documented("systemd")
    prefix, folder = unit()["LoadCredential"][0].split(":")
    made = re.findall(rf"> {folder}/(\w+)", commands)
    assert made
    assert {f"{prefix}_{name}".removeprefix(PREFIX) for name in made} <= set(Settings.model_fields)
    assert f"touch {unit()['EnvironmentFile'][0]}" in commands
    assert unit()["ExecStart"][0].split()[0] == "/opt/chatkeep/bin/chatkeep"
    assert "python3 -m venv /opt/chatkeep" in commands
    assert str(UNIT.relative_to(PROJECT)) in commands
