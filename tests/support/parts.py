"""Programs of others that tests meet: PgBouncer, PostgreSQL's own server, nginx, and whatever else is installed.

Where one is missing its tests are skipped, and fail where CHATKEEP_TEST_PARTS_REQUIRED is set, as in CI.
"""

import os
import shutil
from glob import glob
from typing import NoReturn

import pytest

PARTS_REQUIRED = "CHATKEEP_TEST_PARTS_REQUIRED"

# Where Debian puts what is not on everybody's PATH; of PostgreSQL's versions, the newest.
FOLDERS = ("/usr/sbin", "/usr/local/sbin")
POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"


def required_program(name: str) -> str:
    """Return the path of an installed program; without it skip the test, or fail it where parts are required."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *FOLDERS, *_postgres_folders()))
    return shutil.which(name, path=places) or missing(name)


def missing(name: str) -> NoReturn:
    """Skip the running test for want of a part, or fail it where parts are required."""
    if os.environ.get(PARTS_REQUIRED):
        pytest.fail(f"{name} is not installed, and {PARTS_REQUIRED} is set")
    pytest.skip(f"{name} is not installed")


def _postgres_folders() -> list[str]:
    return sorted(glob(POSTGRES_FOLDERS), key=_version, reverse=True)


def _version(folder: str) -> float:
    number = folder.split("/")[-2]
    return float(number) if number.replace(".", "", 1).isdigit() else 0.0
