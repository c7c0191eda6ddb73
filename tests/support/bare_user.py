"""Commands as a user that nobody has heard of, without an entry in passwd and without a home: as in containers."""

import os
import shutil
import sys

import pytest

UID = 54321

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become another user, with setpriv",
)


def bare_user(*command: str) -> list[str]:
    """Return a command that runs as that user.

    It may use files that are closed to it, and nothing else: the interpreter can be in root's home, and the tests'
    server is behind a socket of its own user. It still has no name and no home.
    """
    powers = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", *powers, *command]


def bare_environment(**settings: str) -> dict[str, str]:
    """Return an environment with a path, these settings and nothing else."""
    return {"PATH": os.environ["PATH"]} | {f"CHATKEEP_{name.upper()}": value for name, value in settings.items()}
