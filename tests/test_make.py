"""`make long` and `make audit`: each part is told, and none hides another."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNREACHABLE = "ERROR:pip_audit._cli:alembic: Dependency not found on PyPI and could not be audited: alembic (1.20.1)"
WEAK = "Found 1 known vulnerability in 1 package\nName Version ID\nalembic 1.20.1 CVE-2030-1"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, in which everything is installed as far as `make` can tell."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements/run.txt", "requirements/dev.txt", "requirements/audit.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in (".venv/bin/python", ".venv/run", ".venv/test", ".venv-audit/ready"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_what_fails_is_told_and_the_rest_is_run(checkout: Path) -> None:
    ran = make(checkout, "long", "LONG=help nothing help")
    assert ran.returncode == 2
    told = ran.stdout.partition("=== make long\n")[2].splitlines()
    assert [line.partition(",")[0] for line in told] == ["help: passed", "nothing: NOT PASSED", "help: passed"]
    assert make(checkout, "long", "LONG=help").returncode == 0


def test_all_that_takes_long_is_in_it() -> None:
    said = subprocess.run(["make", "-n", "long"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "for each in test-long crash fuzz soak audit sbom;" in said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (UNREACHABLE, "make audit: the public advisories cannot be asked about every package from here"),
        (WEAK, "make audit: a package has a known weakness, see above."),
    ],
)
def test_an_audit_that_does_not_pass_says_why_in_one_sentence(checkout: Path, said: str, told: str) -> None:
    program = checkout / ".venv-audit" / "bin" / "pip-audit"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'a warning'\necho '{said}'\nexit 1\n")
    program.chmod(0o755)
    ran = make(checkout, "audit")
    assert ran.returncode == 2
    assert ran.stderr.startswith(told)
    assert ("CVE-2030-1" in ran.stdout) == (said == WEAK)


def test_an_audit_that_passes_shows_what_it_found(checkout: Path) -> None:
    program = checkout / ".venv-audit" / "bin" / "pip-audit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'No known vulnerabilities found'\n")
    program.chmod(0o755)
    ran = make(checkout, "audit")
    assert (ran.returncode, ran.stdout) == (0, "No known vulnerabilities found\n")
