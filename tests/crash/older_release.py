"""An older release of the service, out of the history of this repository, in an environment of its own."""

import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The last state of the first release's tables, and the revision of the database that it needs.
COMMIT = "f125dc590562"
REVISION = "0011"


class CannotInstall(Exception):
    """Says what is missing."""


@dataclass(frozen=True, slots=True)
class OlderRelease:
    """An installed release.

    Attributes:
        program: what runs its command.
        revision: of the database.
    """

    program: Sequence[str]
    revision: str


def install(folder: Path) -> OlderRelease:
    """Install the first release into a folder: a minute, and what it needs from PyPI.

    Raises:
        CannotInstall: this checkout has no history, or PyPI cannot be reached.
    """
    source, environment = folder / "older", folder / "older-environment"
    source.mkdir()
    archive = _run(["git", "-C", str(ROOT), "archive", COMMIT])
    _run(["tar", "-x", "-C", str(source)], given=archive)
    venv.create(environment, with_pip=True, symlinks=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "-r", str(source / "requirements" / "run.txt")])
    _run([*pip, "--require-hashes", "-r", str(source / "requirements" / "dev.txt")])
    _run([*pip, "--no-deps", "--no-build-isolation", "-e", str(source)])
    return OlderRelease((str(environment / "bin" / "chatkeep"),), REVISION)


def _run(command: Sequence[str], *, given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise CannotInstall(f"`{' '.join(command[:5])} …` failed: {said[-1]}")
    return done.stdout
