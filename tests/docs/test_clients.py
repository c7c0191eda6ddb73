"""docs/clients.md: each recipe is run as it stands, against a running service with the demonstration model."""

import ast
import asyncio
import json
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import yaml
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from chatkeep.chat.models import DemonstrationModel
from tests.docs.claims import runs
from tests.docs.documents import Block
from tests.openai.clients import ApiUser, api_user
from tests.support.process import environment
from tests.support.running_service import RunningService, running
from tests.support.settled import settle

DOCUMENT = "docs/clients.md"
ADDRESS, TOKEN = "https://chat.example.org/v1", "ck_…"
MCP_ADDRESS = "https://chat.example.org/mcp"
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


async def titles_found(reader: Reader, service: RunningService, url: str, headers: dict[str, str]) -> list[str]:
    """Search the reader's history at a documented address, with documented headers."""
    conversation = (await reader.user.person.client.post("/api/v1/conversations", json={"title": "Tea"})).json()["id"]
    await reader.user.person.say(conversation, "Is sencha a green tea?")
    assert url == MCP_ADDRESS
    given = {name: value.replace(TOKEN, reader.user.token) for name, value in headers.items()}
    assert given != headers
    async with (
        httpx2.AsyncClient(headers=given, verify=False) as http,
        Client(streamable_http_client(f"{service.url}/mcp", http_client=http)) as client,
    ):
        found = await client.call_tool("list_conversations", {})
    return [each["title"] for each in json.loads(found.content[0].text)["conversations"]]  # type: ignore[union-attr]


@runs(DOCUMENT, "claude mcp add", weaker="the program is not here: what it is given is tried with another client")
async def test_claude_code(reader: Reader, service: RunningService, block: Block) -> None:
    *_, name, url, flag, header = shlex.split(block.text)
    assert (name, flag) == ("chatkeep", "--header")
    key, _, value = header.partition(": ")
    assert await titles_found(reader, service, url, {key: value}) == ["Tea"]


@runs(
    DOCUMENT, "[mcp_servers.chatkeep]", weaker="the program is not here: what it is given is tried with another client"
)
async def test_codex(reader: Reader, service: RunningService, block: Block) -> None:
    given = tomllib.loads(block.text)["mcp_servers"]["chatkeep"]
    assert set(given) == {"url", "bearer_token_env_var"}
    assert await titles_found(reader, service, given["url"], {"Authorization": f"Bearer {TOKEN}"}) == ["Tea"]


@runs(DOCUMENT, '"server_label": "chatkeep"', weaker="OpenAI's servers are not here: what they are given is tried")
async def test_openais_own_api(reader: Reader, service: RunningService, block: Block) -> None:
    named = [each for each in ast.walk(ast.parse(block.text)) if isinstance(each, ast.keyword)]
    (tools,) = [each.value for each in named if each.arg == "tools"]
    (tool,) = ast.literal_eval(tools)
    assert await titles_found(reader, service, tool["server_url"], tool["headers"]) == ["Tea"]


@runs(DOCUMENT, "HISTORY_URL")
async def test_a_program_that_speaks_mcp(reader: Reader, service: RunningService, block: Block) -> None:
    await reader.user.person.say(await reader.user.person.conversation(title="Tea"), "Is sencha a green tea?")
    await settle(service.chat.turn_store)
    reader.variables = {"HISTORY_TOKEN": reader.user.token, "HISTORY_URL": f"{service.url}/mcp"}
    (result,) = json.loads(await reader.python(block))["results"]
    assert result["title"] == "Tea"


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
    # What it fills the header with in a task, and in a chat: tests/openai/test_front_ends.py.
    assert json.loads(found["OPENAI_API_CONFIGS"])["0"]["headers"] == {"X-Chatkeep-Task": "{{TASK}}"}


@runs(DOCUMENT, "endpoints:", weaker="takes LibreChat, as the document says of what was tried: it is asked for it")
async def test_librechat(reader: Reader, block: Block) -> None:
    [endpoint] = yaml.safe_load(block.text)["endpoints"]["custom"]
    assert (endpoint["apiKey"], endpoint["models"]["fetch"]) == ("user_provided", True)
    await asks_as_a_front_end(reader, endpoint["baseURL"], reader.user.token)
