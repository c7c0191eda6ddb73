"""Commands as a user that nobody has heard of, without an entry in passwd and without a home: as in containers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UID = 54321

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user, with setpriv",
)


def bare_user(*command: str) -> list[str]:
    """Return a command that runs as that user.

    Where the interpreter is in a folder closed to others, such as root's home, the user may read all files. It still
    can write none, and has no name.
    """
    powers = [] if _can_run(UID) else ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    return ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", *powers, *command]


def bare_environment(**settings: str) -> dict[str, str]:
    """Return an environment with a path, these settings and nothing else."""
    return {"PATH": os.environ["PATH"]} | {f"CHATKEEP_{name.upper()}": value for name, value in settings.items()}


def open_folder(folder: Path) -> Path:
    """Return a folder, which that user can enter."""
    for each in (folder, *folder.parents[:3]):
        each.chmod(each.stat().st_mode | 0o055)
    return folder


def _can_run(uid: int) -> bool:
    command = [sys.executable, "-c", ""]
    try:
        return subprocess.run(command, user=uid, group=uid, cwd="/", check=False).returncode == 0
    except OSError:
        return False
