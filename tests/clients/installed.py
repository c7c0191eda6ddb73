"""The programs of users, run as they run them: in environments of their own, which `make test-clients` makes."""

import asyncio
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.openai.clients import ApiUser, api_user
from tests.support.process import environment
from tests.support.running_service import RunningService

# Names the folder with the clients' virtual environment and their node_modules.
INSTALLED_IN = "CHATKEEP_TEST_CLIENTS"
PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 120


@dataclass
class Client:
    """A user of clients.

    Args:
        url: of the API, with `/v1`.
        folder: where programs in JavaScript are put, beside what they import.
    """

    user: ApiUser
    url: str
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        path = os.pathsep.join([str(installed() / "node_modules" / ".bin"), os.environ["PATH"]])
        return {
            "OPENAI_BASE_URL": self.url,
            "OPENAI_API_KEY": self.user.token,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "HOME": str(self.folder),
            "PATH": path,
        }

    async def run(self, *command: str | Path, **variables: str) -> str:
        """Return what a program prints."""
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=self.folder,
            env=environment() | self.variables | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(SECONDS):
            printed, complaints = await process.communicate()
        assert process.returncode == 0, f"{command}:\n{printed.decode()}\n{complaints.decode()}"
        return printed.decode()

    async def python(self, program: str | Path, *arguments: str, **variables: str) -> str:
        """Run a program of a file, or as it stands."""
        given = (program,) if isinstance(program, Path) else ("-c", program)
        return await self.run(installed() / "bin" / "python", *given, *arguments, **variables)

    async def node(self, program: str | Path, *arguments: str, **variables: str) -> str:
        """Run a module of a file, or as it stands; it imports what is installed."""
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(installed() / "node_modules")
        file = self.folder / "program.mjs"
        if isinstance(program, Path):
            for each in PROGRAMS.glob("*.mjs"):
                shutil.copy(each, self.folder)
            file = self.folder / program.name
        else:
            file.write_text(program)
        return await self.run(modules / ".bin" / "node", file, *arguments, **variables)

    async def conversations(self) -> list[dict[str, Any]]:
        """Return the kept conversations, newest first."""
        answer = await self.user.person.client.get("/api/v1/conversations")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def paths(self) -> list[list[tuple[str, str]]]:
        """Return prompt and reply of each turn of each conversation's active path, the newest conversation first."""
        found: list[list[tuple[str, str]]] = []
        for each in await self.conversations():
            turns = await self.user.person.turns(each["id"], order="asc")
            found.append([(turn["prompt"]["content"], (turn["reply"] or {"content": ""})["content"]) for turn in turns])
        return found

    async def prompts(self) -> list[list[str]]:
        """Return the prompts of each path."""
        return [[prompt for prompt, _ in path] for path in await self.paths()]


@dataclass
class Part:
    """A part of a program that was run: its user, and what it told."""

    client: Client
    found: Any


async def parts_of(service: RunningService, folder: Path, program: Path, **variables: str) -> dict[str, Part]:
    """Run each function of a program whose name ends in `_part`, each with a user of its own.

    In one process: what such a program imports takes longer than what it does.
    """
    names = re.findall(r"^(?:async def|async function) (\w+_part)", program.read_text(), re.MULTILINE)
    clients = {name: Client(await api_user(service), f"{service.url}/v1", folder) for name in names}
    run = clients[names[0]].node if program.suffix == ".mjs" else clients[names[0]].python
    printed = await run(program, *(f"{name}={client.user.token}" for name, client in clients.items()), **variables)
    found = json.loads(printed.splitlines()[-1])
    return {name.removesuffix("_part"): Part(client, found[name]) for name, client in clients.items()}


def installed() -> Path:
    return Path(os.environ[INSTALLED_IN]).resolve()
