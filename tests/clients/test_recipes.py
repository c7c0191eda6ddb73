"""docs/clients.md: its recipes for programs that only `make test-clients` installs, each run as it stands."""

from pathlib import Path

import pytest

from tests.clients.installed import Client
from tests.docs.documents import Block, block_with
from tests.upstream import Upstream

DOCUMENT = "docs/clients.md"
CONVERSATION = [["My name is Alice.", "What is my name?"]]
ADDRESS = "https://chat.example.org/v1"
GREETING = "Say hello."
# A page of the service's own site: addresses are relative, and the cookie goes along.
PAGE = """
const [origin, cookie] = process.argv.slice(2);
const ask = globalThis.fetch;
const signedIn = (options) => ({ ...options, headers: { ...options?.headers, cookie } });
globalThis.fetch = (path, options) => ask(new URL(path, origin), signedIn(options));
const { openChat, stopForAll } = await import("./chat.mjs");
const chat = await openChat("tea");
await chat.sendMessage({ text: "My name is Alice." });
const again = await openChat("tea");
await again.resumeStream();
await again.sendMessage({ text: "What is my name?" });
console.log(again.lastMessage.parts.at(-1).text, (await stopForAll(again)).status);
"""


def recipe(holds: str) -> Block:
    return block_with(DOCUMENT, holds)


async def test_javascript(client: Client) -> None:
    printed = await client.node(recipe('import OpenAI from "openai"').text)
    assert printed.startswith("Turn 2. You wrote: What is my name?")
    assert await client.prompts() == CONVERSATION


async def test_agents_add_to_a_conversation(client: Client) -> None:
    printed = await client.python(recipe("Runner.run_sync(agent").text)
    assert printed.startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    assert await client.prompts() == CONVERSATION


async def test_a_session_of_an_agent(client: Client) -> None:
    printed = await client.python(recipe("session = OpenAIConversationsSession()").text)
    assert printed.startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    assert len(await client.conversations()) == 1


async def test_langchain(client: Client) -> None:
    printed = await client.python(recipe("from langchain_openai").text)
    assert printed.startswith("Turn 2. You wrote: What is my name?")
    assert await client.prompts() == CONVERSATION


async def test_pydantic_ai(client: Client) -> None:
    printed = await client.python(recipe("from pydantic_ai import").text)
    assert printed.startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    assert await client.prompts() == CONVERSATION


async def test_a_chat_of_the_ai_sdk(client: Client) -> None:
    (client.folder / "chat.mjs").write_text(recipe("export async function openChat").text)
    cookie = "; ".join(f"{name}={value}" for name, value in client.user.person.client.cookies.items())
    printed = await client.node(PAGE, client.url, cookie)
    assert printed.startswith("Turn 2. You wrote: What is my name?")
    assert printed.endswith("204\n")
    assert await client.prompts() == CONVERSATION


async def test_codex(client: Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    # Codex brings pages of instructions, and the model server's replies repeat them.
    monkeypatch.setattr(upstream.app, "pause_seconds", 0)
    home: Path = client.folder / ".codex"
    home.mkdir()
    (home / "config.toml").write_text(recipe("wire_api").text.replace(ADDRESS, client.url))
    printed = await client.run("codex", "exec", "--skip-git-repo-check", GREETING, CODEX_HOME=str(home))
    assert printed.startswith("Turn 1. You wrote: ")
    assert GREETING in printed
    asked = upstream.requests[-1].body
    assert GREETING in asked["messages"][-1]["content"]
    assert "exec_command" in [tool["function"]["name"] for tool in asked["tools"]]
    # It asks for nothing to be kept.
    assert await client.conversations() == []
