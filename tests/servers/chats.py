"""`chatkeep serve` and `chatkeep doctor` in front of a model server, as somebody would run them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.cli.command_runner import Command
from tests.servers.programs import ModelServer
from tests.support.events import Event, streaming
from tests.support.process import SECRET_KEY, serving
from tests.support.running_service import Person, register


@dataclass
class Said:
    """A turn that was followed while it was streamed.

    Attributes:
        events: as they came.
        turn: as the history has it afterwards.
    """

    events: list[Event]
    turn: dict[str, Any]

    @property
    def streamed(self) -> str:
        return "".join(event.data["text"] for event in self.events if event.name == "delta")

    @property
    def reply(self) -> str:
        return str(self.turn["reply"]["content"])

    @property
    def items(self) -> list[dict[str, Any]]:
        return self.turn["reply"]["items"] or []

    @property
    def failure(self) -> tuple[str, str]:
        """The code and the sentence of a turn that failed."""
        assert self.turn["status"] == "failed", self.turn
        return self.turn["error"]["code"], self.turn["error"]["detail"]


@asynccontextmanager
async def chatting(folder: Path, database_url: str, model_url: str, **settings: object) -> AsyncIterator[Person]:
    """Run the service in front of a model server until the block ends; yield a user of it."""
    values = {"database_url": database_url, "model_url": model_url, "flush_interval_ms": 50} | settings
    async with (
        serving(folder, **values) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=120, trust_env=False) as client,
    ):
        name = f"user-{secrets.token_hex(6)}"
        yield Person(client, (await register(client, name)).json()["id"], name)


async def ask(person: Person, content: str, **body: Any) -> Said:
    """Take a turn of a conversation of its own, to its end."""
    conversation = await person.conversation()
    async with streaming(person, conversation, content, **body) as events:
        seen = [event async for event in events]
    (turn,) = await person.turns(conversation)
    return Said(seen, turn)


async def ask_and_kill(person: Person, content: str, server: ModelServer, *, once: str, **body: Any) -> Said:
    """Take a turn, and kill a server as soon as so much was streamed."""
    conversation, seen = await person.conversation(), list[Event]()
    async with streaming(person, conversation, content, **body) as events:
        async for event in events:
            seen.append(event)
            if "".join(each.data["text"] for each in seen if each.name == "delta").startswith(once):
                await server.kill()
    (turn,) = await person.turns(conversation)
    return Said(seen, turn)


async def model_findings(folder: Path, database_url: str, model_url: str, **settings: str) -> list[tuple[str, str]]:
    """Return what `chatkeep doctor` finds about the model server: how bad each finding is, and its words."""
    command = Command(folder, {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY})
    given = {f"CHATKEEP_{name.upper()}": value for name, value in {"model_url": model_url, **settings}.items()}
    ran = await command("doctor", "--json", **given)
    found = [each for each in ran.objects_of("findings") if each["area"] == "Model"]
    return [(each["level"], each["what"]) for each in found]
