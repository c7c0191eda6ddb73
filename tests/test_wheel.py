"""The built packages: the same bytes from the same source, and installed all that is needed."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from chatkeep.database.database import Database
from chatkeep.database.migrations import standing
from tests.support.databases import create_database, drop_database
from tests.support.process import environment, serving_by

PROJECT = Path(__file__).parents[1]
SOURCE = (
    *("pyproject.toml", "alembic.ini", "LICENSE", "README.md", "CHANGELOG.md"),
    *("service", "migrations", "docs", "tests/__init__.py"),
)
LITTER = shutil.ignore_patterns("__pycache__")


async def run(*command: str, cwd: Path, **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment() | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def built(folder: Path, *options: str, **variables: str) -> dict[str, str]:
    """Build in `folder` and return the digest of each file by its name."""
    shutil.rmtree(folder / "dist", ignore_errors=True)
    command = (sys.executable, "-m", "hatchling", "build", *options)
    subprocess.run(command, cwd=folder, env=environment() | variables, check=True, capture_output=True)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (folder / "dist").iterdir()}


def copy_source(target: Path) -> Path:
    for name in SOURCE:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, target / name, ignore=LITTER)
        else:
            shutil.copy(PROJECT / name, target / name)
    return target


def worn(folder: Path) -> Path:
    """Leave on a copy what another machine would: other times and rights, another order, a run's litter."""
    for file in sorted(folder.rglob("*"), reverse=True):
        if file.is_file():
            held = file.read_bytes()
            file.unlink()
            file.write_bytes(held)
            file.chmod(0o600)
            os.utime(file, (1e9, 1e9))
    for name in ("service/chatkeep", "migrations"):
        (folder / name / "__pycache__").mkdir()
        (folder / name / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"left")
    return folder


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "elsewhere with spaces").mkdir()
    one = built(copy_source(tmp_path / "one"), TZ="UTC", SOURCE_DATE_EPOCH="1700000000")
    other = worn(copy_source(tmp_path / "elsewhere with spaces" / "other"))
    assert len(one) == 2
    assert built(other, TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1700000000") == one
    assert built(other, TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1700000002") != one


def test_the_source_distribution_gives_the_same_wheel(tmp_path: Path) -> None:
    source = copy_source(tmp_path / "source")
    digests = built(source)
    (archive,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
        packed.extractall(tmp_path / "unpacked", filter="data")
    assert {"LICENSE", "README.md", "CHANGELOG.md", "alembic.ini", "migrations/env.py"} <= names
    assert not [name for name in names if name.startswith("tests/")]
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = built(unpacked, "-t", "wheel")
    assert wheel == {name: digest for name, digest in digests.items() if name.endswith(".whl")}


def test_the_wheel_holds_what_the_service_reads_and_the_licence(tmp_path: Path) -> None:
    wheel = built_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
        licence = archive.read(next(name for name in names if name.endswith("licenses/LICENSE")))
    assert {
        "chatkeep/py.typed",
        "chatkeep/migrations/env.py",
        "chatkeep/web/texts.json",
        "chatkeep/web/static/chat.js",
    } <= set(names)
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".md")]
    assert "License-Expression: Apache-2.0" in metadata
    assert "License-File: LICENSE" in metadata
    assert licence == (PROJECT / "LICENSE").read_bytes()


def built_wheel(folder: Path) -> Path:
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist"))
    subprocess.run(command, cwd=PROJECT, env=environment(), check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("chatkeep-*.whl")
    return wheel


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    """A folder with everything that is installed here but this project: pip takes it for installed there, too."""
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        Path(folder).chmod(0o755)
        for each in Path(sysconfig.get_path("purelib")).iterdir():
            if "chatkeep" not in each.name and each.suffix != ".pth":
                (Path(folder) / each.name).symlink_to(each)
        yield Path(folder)


def documented_install() -> list[str]:
    """Return the README's commands that install the wheel, without the one that builds it."""
    block = next(part for part in (PROJECT / "README.md").read_text().split("```sh\n") if "[embedded]" in part)
    lines = block.partition("```")[0].splitlines()
    assert lines[0].split("#")[0].split() == ["make", "wheel"]
    return [line.split("#")[0].strip() for line in lines[1:]]


async def test_what_the_readme_installs_runs_from_any_folder(server_url: str, packages: Path, tmp_path: Path) -> None:
    wheel = built_wheel(tmp_path)
    *install, serve = documented_install()
    where = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "PIP_NO_INDEX": "1",
    }
    said = await run("/bin/sh", "-ec", "\n".join(install), cwd=tmp_path, **where)
    assert "chatkeep" in said
    wheel.unlink()
    command, *options = serve.replace("~", str(tmp_path)).split()
    assert options == ["serve", "--local", "--migrate"]
    found = await run(
        str(Path(command).parent / "python"), "-c", "import chatkeep; print(chatkeep.__file__)", cwd=tmp_path, **where
    )
    assert found.startswith(str(tmp_path / "chatkeep"))
    await _upgrade(command, server_url, tmp_path, where)
    await _serve(command, tmp_path, packages)


async def _upgrade(command: str, server_url: str, folder: Path, where: dict[str, str]) -> None:
    url = await create_database(server_url)
    try:
        await run(command, "db", "upgrade", cwd=folder, CHATKEEP_DATABASE_URL=url, **where)
        database = await Database.connect(url)
        try:
            assert (await standing(database)).at_head
        finally:
            await database.close()
    finally:
        await drop_database(server_url, url)


async def _serve(command: str, folder: Path, packages: Path) -> None:
    shell = ("/usr/bin/env", f"PYTHONPATH={packages}", command)
    with TemporaryDirectory(prefix="chatkeep-") as data_dir:
        settings = {"data_dir": data_dir, "secret_key": "", "cookie_secure": ""}
        async with serving_by(shell, folder, "--local", "--migrate", **settings) as service:
            page = await asyncio.to_thread(httpx2.get, f"{service.url}/")
            assert page.status_code == 200
            assert "text/html" in page.headers["content-type"]
