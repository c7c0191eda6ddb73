"""The README as somebody follows it: `make run`, the session with curl, a restart, a model, a database, a handler."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.docs.claims import runs
from tests.docs.documents import ROOT, Block, block_with
from tests.docs.sessions import Learned, exchanges
from tests.docs.shell import (
    ADMIN_PASSWORD,
    DATABASE_URL,
    ENVIRONMENT,
    Shell,
    end_group,
    replaced,
    says_something,
    served_at,
)
from tests.sessions.applications import served
from tests.support.parts import required_program
from tests.upstream import Upstream

DOCUMENTED_URL = "http://127.0.0.1:8000"


@asynccontextmanager
async def made(command: str, folder: Path, **settings: str) -> AsyncIterator[str]:
    """Run a `make …` in this checkout until the block ends with Ctrl-C; yield the service's address."""
    out = folder / "made.out"
    with out.open("w") as said:
        process = await asyncio.create_subprocess_exec(
            *make(command),
            cwd=ROOT,
            env=bare_environment(folder) | settings,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(120):
            while "listening on" not in out.read_text():
                assert process.returncode is None, out.read_text()
                await asyncio.sleep(0.1)
        yield served_at(out.read_text())
    finally:
        await asyncio.to_thread(end_group, process.pid, signal.SIGINT)
        await process.wait()


def make(command: str) -> list[str]:
    """Return `make …` with the environment that runs these tests: nothing is installed anew."""
    name, *words = shlex.split(command, comments=True)
    assert name == "make"
    folder = Path(sys.executable).parent
    elsewhere = [] if folder == ROOT / ".venv" / "bin" else [f"BIN={folder}"]
    return [required_program("make"), "-o", ".venv/run", "-o", ".venv/test", *elsewhere, *words]


def bare_environment(folder: Path) -> dict[str, str]:
    """Return the environment without this machine's settings: data in `folder`, a port that is free."""
    ours = ("CHATKEEP_", "DATABASE_", "MAKE", "MFLAGS", "SERVE", "TESTS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "HOME": str(folder),
        "CHATKEEP_DATA_DIR": str(folder / "data"),
        "CHATKEEP_PORT": "0",
        "CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that."""
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@runs("README.md", "auth/register", "What is my name?")
async def test_the_session_with_curl_and_the_restart_in_it(blocks: list[Block], data_folder: Path) -> None:
    """Also the command to begin with: what the session talks to is `make run`."""
    required_program("curl")
    shell, learned, variables = Shell(data_folder / "shell"), Learned(), list[str]()
    for block in blocks:
        async with made("make run", data_folder) as url:
            for exchange in exchanges(block.text):
                command = learned.command(exchange)
                if re.match(r"\w+=", command):
                    variables.append(command)
                    continue
                script = "\n".join([*variables, command]).replace(DOCUMENTED_URL, url)
                learned.compare(exchange, await shell.run(script.replace("curl ", "curl -s ")))


@runs("README.md", "make test", weaker="`make test` is this very run: only what it would do is looked at")
def test_the_two_commands_to_begin_with(block: Block, data_folder: Path) -> None:
    """`make run` is run above."""
    run, test = block.text.splitlines()
    assert shlex.split(run, comments=True) == ["make", "run"]
    assert DOCUMENTED_URL in run
    said = subprocess.run(
        [*make(test), "--dry-run"],
        cwd=ROOT,
        env=bare_environment(data_folder),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.split()[1:3] == ["-m", "pytest"]
    assert said.split()[-1] == "tests"


@runs("README.md", ".venv/bin/activate")
def test_the_command_is_put_on_the_path(block: Block) -> None:
    line = block.text.replace(".venv/bin/", shlex.quote(f"{Path(sys.executable).parent}/"))
    script = f"{line.strip()}\ncommand -v chatkeep\nchatkeep --version"
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.splitlines()[0] == str(Path(sys.executable).parent / "chatkeep")
    assert said.splitlines()[1].startswith("chatkeep ")


@runs(
    "README.md", "make wheel", weaker="installs all that the service needs anew: tests/test_wheel.py builds and runs it"
)
def test_the_command_without_the_checkout(block: Block, data_folder: Path) -> None:
    build, venv, install, serve = block.text.splitlines()
    environment = bare_environment(data_folder)
    said = subprocess.run([*make(build), "--dry-run"], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr
    folder = shlex.split(venv)[-1]
    assert shlex.split(install, comments=True)[:2] == [f"{folder}/bin/pip", "install"]
    assert shlex.split(serve) == [f"{folder}/bin/chatkeep", "serve", "--local", "--migrate"]


@runs("README.md", "--model llama3.2")
async def test_a_model_server(block: Block, data_folder: Path) -> None:
    with_make, with_command = block.text.splitlines()
    with Upstream(models=("llama3.2", "other")) as upstream:
        command = replaced(with_make, {"http://127.0.0.1:11434/v1": upstream.url})
        async with made(command, data_folder) as url:
            await says_something(url, "admin", ADMIN_PASSWORD)
        assert {each.model for each in upstream.requests if each.model} == {"llama3.2"}
    with Upstream(api_key="the key") as upstream:
        settings = ENVIRONMENT | {
            "CHATKEEP_DATA_DIR": str(data_folder / "data"),
            "CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD,
        }
        shell = Shell(data_folder / "shell", settings)
        replacements = {
            "CHATKEEP_MODEL_API_KEY=…": "CHATKEEP_MODEL_API_KEY='the key'",
            "https://api.example.org/v1": upstream.url,
            " …": "",
        }
        try:
            await shell.run(replaced(with_command, replacements))
            await says_something(shell.served_at, "admin", ADMIN_PASSWORD)
        finally:
            shell.stop_serving()


@runs("README.md", "export CHATKEEP_DATABASE_URL")
async def test_a_database_of_ones_own(block: Block, empty_database_url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"CHATKEEP_COOKIE_SECURE": "false"})
    replacements = {
        DATABASE_URL: shlex.quote(empty_database_url),
        "CHATKEEP_ADMIN_PASSWORD=…": f"CHATKEEP_ADMIN_PASSWORD='{ADMIN_PASSWORD}'",
        "--host 0.0.0.0": "--host 127.0.0.1",
    }
    assert "or plain `alembic upgrade head`" in block.text
    environment = shell.environment | {"CHATKEEP_DATABASE_URL": empty_database_url}
    migrating = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"), cwd=ROOT, env=environment
    )
    assert await migrating.wait() == 0
    try:
        await shell.run(replaced(block.text, replacements))
        await says_something(shell.served_at, "admin", ADMIN_PASSWORD)
    finally:
        shell.stop_serving()


def today() -> str:
    return f"{datetime.now().astimezone():%d %B %Y}"


@runs("README.md", "class DatedRequestHandler")
async def test_a_request_handler(block: Block, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = today()
    with Upstream() as upstream:
        for name, value in (
            ENVIRONMENT
            | {
                "CHATKEEP_DATABASE_URL": database_url,
                "CHATKEEP_MODEL_URL": upstream.url,
                "CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD,
            }
        ).items():
            monkeypatch.setenv(name, value)
        names: dict[str, Any] = {"__name__": "mine"}
        exec(compile(block.text, block.place, "exec"), names)
        async with served(names["app"]) as running:
            await says_something(running.url, "admin", ADMIN_PASSWORD)
        shown = [each.messages[0] for each in upstream.requests if each.messages]
    assert shown[0]["role"] == "system"
    assert any(day in str(shown[0]["content"]) for day in (begun, today()))


@runs("README.md", "--app mine:app")
async def test_the_request_handler_in_a_file(block: Block, tmp_path: Path) -> None:
    handler, begun = block_with("README.md", "class DatedRequestHandler"), today()
    with Upstream() as upstream, TemporaryDirectory(prefix="chatkeep-") as data_dir:
        settings = {"CHATKEEP_DATA_DIR": data_dir, "CHATKEEP_MODEL_URL": upstream.url}
        shell = Shell(tmp_path / "shell", settings | {"CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD})
        (shell.folder / "mine.py").write_text(handler.text)
        try:
            await shell.run(block.text)
            await says_something(shell.served_at, "admin", ADMIN_PASSWORD)
        finally:
            shell.stop_serving()
        shown = [each.messages[0] for each in upstream.requests if each.messages]
    assert any(day in str(shown[0]["content"]) for day in (begun, today()))
