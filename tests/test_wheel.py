"""The built package, unpacked somewhere else: what is installed is all that is needed."""

import asyncio
import sys
import zipfile
from pathlib import Path

from service.database.database import Database
from service.database.migrations import standing
from tests.support.databases import create_database, drop_database
from tests.support.process import environment

PROJECT = Path(__file__).parents[1]


async def run(*command: str, cwd: Path, **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=cwd,
        env=environment() | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_the_wheel_migrates_a_database_outside_of_the_checkout(server_url: str, tmp_path: Path) -> None:
    await run("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=PROJECT)
    (wheel,) = tmp_path.glob("chatkeep-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
        archive.extractall(site)
    assert {
        "service/py.typed",
        "service/migrations/env.py",
        "service/web/texts.json",
        "service/web/static/chat.js",
    } <= set(names)
    assert not [name for name in names if name.startswith("tests/")]
    assert "License-Expression: Apache-2.0" in metadata
    where = await run("-c", "import service; print(service.__file__)", cwd=tmp_path, PYTHONPATH=str(site))
    assert where.startswith(str(site))
    url = await create_database(server_url)
    try:
        await run(
            *("-m", "service.cli", "db", "upgrade"), cwd=tmp_path, PYTHONPATH=str(site), CHATKEEP_DATABASE_URL=url
        )
        database = await Database.connect(url)
        try:
            assert (await standing(database)).at_head
        finally:
            await database.close()
    finally:
        await drop_database(server_url, url)
