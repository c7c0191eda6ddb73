"""docs/clients.md: each recipe is run as it stands, against a running service with the demonstration model."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import yaml

from chatkeep.chat.models import DemonstrationModel
from tests.docs.claims import runs
from tests.docs.documents import Block
from tests.openai.clients import ApiUser, api_user
from tests.support.process import environment
from tests.support.running_service import RunningService, running

DOCUMENT = "docs/clients.md"
ADDRESS, TOKEN = "https://chat.example.org/v1", "ck_…"
EXPORTS = f"export OPENAI_BASE_URL={ADDRESS}\nexport OPENAI_API_KEY={TOKEN}"


@dataclass
class Reader:
    """Somebody who has set the two variables, and runs what the page shows."""

    user: ApiUser
    url: str
    variables: dict[str, str]

    async def run(self, *command: str) -> str:
        """Return what a command prints."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment() | self.variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        return printed.decode()

    async def python(self, block: Block) -> str:
        return await self.run(sys.executable, "-c", block.text)

    async def prompts(self) -> list[list[str]]:
        """Return the prompts of each conversation's active path, the newest conversation first."""
        listed = (await self.user.person.client.get("/api/v1/conversations")).json()["items"]
        paths = [await self.user.person.turns(each["id"], order="asc") for each in listed]
        return [[turn["prompt"]["content"] for turn in path] for path in paths]


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A model that takes its time, so that a stream can be left in its middle."""
    async with running(shared_database_url, model=DemonstrationModel(pause_seconds=0.01)) as service:
        yield service


@pytest.fixture
async def reader(service: RunningService) -> Reader:
    user = await api_user(service)
    return Reader(user, service.url, {"OPENAI_BASE_URL": f"{service.url}/v1", "OPENAI_API_KEY": user.token})


@runs(DOCUMENT, "export OPENAI_BASE_URL")
async def test_the_variables_are_all_that_changes(reader: Reader, block: Block) -> None:
    assert block.text.strip() == EXPORTS
    script = block.text.replace(ADDRESS, reader.variables["OPENAI_BASE_URL"]).replace(TOKEN, reader.user.token)
    reader.variables = {}
    ask = "from openai import OpenAI; print([each.id for each in OpenAI().models.list()])"
    assert await reader.run("bash", "-c", f'{script}\n"{sys.executable}" -c "{ask}"') == "['demonstration']\n"


@runs(DOCUMENT, "previous_response_id=first.id")
async def test_responses(reader: Reader, block: Block) -> None:
    assert "turn **2**" in await reader.python(block)
    assert await reader.prompts() == [["My name is Alice.", "What is my name?"]]


@runs(DOCUMENT, "starting_after=seen")
async def test_a_stream_that_survives(reader: Reader, block: Block) -> None:
    printed = await reader.python(block)
    listed = (await reader.user.person.client.get("/api/v1/conversations")).json()["items"]
    turn = (await reader.user.person.turns(listed[0]["id"]))[0]
    assert turn["status"] == "complete"
    assert printed
    assert turn["reply"]["content"].endswith(printed)


@runs(DOCUMENT, "client.conversations.create")
async def test_conversations(reader: Reader, block: Block) -> None:
    lines = (await reader.python(block)).splitlines()
    assert lines[:2] == ["user I like green tea.", "user Which teas do I like?"]
    assert lines[2].startswith("assistant ")


@runs(DOCUMENT, 'for prompt in ("My name is Alice."')
async def test_chat_completions(reader: Reader, block: Block) -> None:
    assert "turn **2**" in await reader.python(block)
    assert await reader.prompts() == [["My name is Alice.", "What is my name?"]]


@runs(DOCUMENT, "curl -s")
async def test_without_a_library(reader: Reader, block: Block) -> None:
    assert '"chat.completion"' in await reader.run("bash", "-c", block.text)
    assert await reader.prompts() == [["Hello"]]


async def asks_as_a_front_end(reader: Reader, url: str, key: str) -> None:
    """Ask as front ends do: for the models, and then for the answer to a whole history, streamed."""
    ask = (
        "from openai import OpenAI; from sys import argv; client = OpenAI(base_url=argv[1], api_key=argv[2]);"
        "model = client.models.list().data[0].id;"
        "said = [('user', 'One'), ('assistant', '1'), ('user', 'Two')];"
        "said = [dict(role=role, content=content) for role, content in said];"
        "print(len(list(client.chat.completions.create(model=model, messages=said, stream=True))))"
    )
    reader.variables = {}
    assert int(await reader.run(sys.executable, "-c", ask, url.replace(ADDRESS, f"{reader.url}/v1"), key)) > 2
    assert await reader.prompts() == [["One\n\n1\n\nTwo"]]


@runs(
    DOCUMENT, "ENABLE_OPENAI_API", weaker="takes Open WebUI, as the document says of what was tried: it is asked for it"
)
async def test_open_webui(reader: Reader, block: Block) -> None:
    script = block.text.replace(TOKEN, reader.user.token)
    printed = await reader.run("bash", "-c", f"{script}\nenv")
    found = dict(line.partition("=")[::2] for line in printed.splitlines())
    await asks_as_a_front_end(reader, found["OPENAI_API_BASE_URL"], found["OPENAI_API_KEY"])


@runs(DOCUMENT, "endpoints:", weaker="takes LibreChat, as the document says of what was tried: it is asked for it")
async def test_librechat(reader: Reader, block: Block) -> None:
    [endpoint] = yaml.safe_load(block.text)["endpoints"]["custom"]
    assert (endpoint["apiKey"], endpoint["models"]["fetch"]) == ("user_provided", True)
    await asks_as_a_front_end(reader, endpoint["baseURL"], reader.user.token)
