"""`/mcp` as the `mcp` package's own client meets it, by both generations of the protocol."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from chatkeep.http.open_streams import CHECK_INTERVAL_SECONDS
from chatkeep.ids import new_id
from chatkeep.mcp import tools
from tests.support.running_service import Person, RunningService, running, settings_for
from tests.support.settled import settle

MODES = ("auto", "legacy")
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def connected(service: RunningService, token: str, mode: str = "auto") -> AsyncIterator[Any]:
    async with httpx2.AsyncClient(headers=bearer(token), timeout=30, verify=False) as http:
        transport = streamable_http_client(f"{service.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def called(client: Any, name: str, **arguments: Any) -> Any:
    """Return what a tool answers; it is one text, which is JSON."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result
    (content,) = result.content
    assert content.type == "text"
    assert result.structured_content is None
    return json.loads(content.text)


async def refused(client: Any, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error, result
    return str(result.content[0].text)


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def told(service: RunningService, person: Person, *prompts: str, title: str = "Tea") -> tuple[str, list[str]]:
    """Make a conversation; return its id and the ids of its turns."""
    conversation = await person.conversation(title=title)
    turns = [(await person.say(conversation, prompt))["id"] for prompt in prompts]
    await settle(service.chat.turn_store)
    return conversation, turns


@pytest.mark.parametrize("mode", MODES)
async def test_the_tools_only_read_and_say_so(service: RunningService, person: Person, mode: str) -> None:
    async with connected(service, await person.token("read"), mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(listed) == ["search", "fetch", "list_conversations", "get_conversation"]
    for tool in listed.values():
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
        assert tool.input_schema["type"] == "object"
        assert tool.description
    assert listed["search"].input_schema["required"] == ["query"]
    assert listed["fetch"].input_schema["required"] == ["id"]


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_found_is_fetched(service: RunningService, person: Person, mode: str) -> None:
    conversation, (first, second) = await told(service, person, "Which <tea> keeps me awake? gyokuro", "And coffee?")
    async with connected(service, await person.token("read"), mode) as client:
        results = (await called(client, "search", query="gyokuro", limit=2))["results"]
        result = results[-1]  # the model quotes what was said before
        url = f"{service.url}/c/{conversation}#{first}"
        assert (result["id"], result["title"], result["url"]) == (f"{conversation}:{first}", "Tea", url)
        assert "Which <tea> keeps me awake? gyokuro" in result["text"]
        document = await called(client, "fetch", id=result["id"])
        assert set(document) == {"id", "title", "text", "url", "metadata"}
        assert (document["id"], document["title"], document["url"]) == (result["id"], "Tea", url)
        assert document["text"].startswith("User: Which <tea> keeps me awake? gyokuro\n\nAssistant: ")
        assert "coffee" not in document["text"]
        assert document["metadata"]["complete"] is True
        whole = await called(client, "fetch", id=conversation)
        assert "gyokuro" in whole["text"]
        assert whole["text"].index("gyokuro") < whole["text"].index("And coffee?")
        assert second != first


async def test_conversations_are_listed_and_read_in_pages(service: RunningService, person: Person) -> None:
    prompts = [f"number {n}" for n in range(5)]
    conversation, turns = await told(service, person, *prompts, title="Numbers")
    await told(service, person, "Hello", title="Greetings")
    async with connected(service, await person.token("read")) as client:
        page = await called(client, "list_conversations", limit=1)
        assert [each["title"] for each in page["conversations"]] == ["Greetings"]
        page = await called(client, "list_conversations", limit=1, cursor=page["next_cursor"])
        assert [each["id"] for each in page["conversations"]] == [conversation]
        assert page["conversations"][0]["turn_count"] == 5
        assert page["next_cursor"] is None
        named = await called(client, "list_conversations", query="numb")
        assert [each["title"] for each in named["conversations"]] == ["Numbers"]
        found: list[Any] = []
        cursor = None
        while True:
            page = await called(client, "get_conversation", conversation_id=conversation, limit=2, cursor=cursor)
            assert page["title"] == "Numbers"
            found += page["turns"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert [each["prompt"] for each in found] == prompts
        assert [each["id"] for each in found] == [f"{conversation}:{turn}" for turn in turns]
        assert all(each["reply"] for each in found)


async def test_long_texts_are_cut_and_it_is_said(service: RunningService, person: Person) -> None:
    long = "x" * (tools.MAX_DOCUMENT_CHARACTERS + 1)
    conversation, _ = await told(service, person, long)
    async with connected(service, await person.token("read")) as client:
        document = await called(client, "fetch", id=conversation)
        assert len(document["text"]) == tools.MAX_DOCUMENT_CHARACTERS
        assert document["text"].endswith(tools.CUT)
        assert document["metadata"]["complete"] is False
        (turn,) = (await called(client, "get_conversation", conversation_id=conversation))["turns"]
        assert len(turn["prompt"]) == tools.MAX_SHOWN_CHARACTERS


async def test_two_users_never_see_each_others(service: RunningService) -> None:
    one, other = await service.person(), await service.person()
    word = f"secret{new_id().hex}"
    conversation, (turn,) = await told(service, one, f"my {word}", title=word)
    async with connected(service, await other.token("read")) as client:
        assert (await called(client, "search", query=word))["results"] == []
        assert (await called(client, "list_conversations"))["conversations"] == []
        # As what does not exist, to the word.
        missing = str(new_id())
        for name, theirs, none in (
            ("fetch", {"id": f"{conversation}:{turn}"}, {"id": f"{missing}:{turn}"}),
            ("fetch", {"id": conversation}, {"id": missing}),
            ("get_conversation", {"conversation_id": conversation}, {"conversation_id": missing}),
        ):
            assert await refused(client, name, **theirs) == await refused(client, name, **none)
        own = await other.conversation()
        assert await refused(client, "fetch", id=f"{own}:{turn}")
    async with connected(service, await one.token("read")) as client:
        assert len((await called(client, "search", query=word))["results"]) == 1


async def test_calls_of_two_users_at_once_are_answered_to_each(service: RunningService) -> None:
    people = [await service.person() for _ in range(4)]
    titles = [f"title{new_id().hex}" for _ in people]
    for person, title in zip(people, titles, strict=True):
        await person.conversation(title=title)

    async def listed(person: Person, mode: str) -> list[list[str]]:
        found = []
        async with connected(service, await person.token("read"), mode) as client:
            for _ in range(10):
                page = await called(client, "list_conversations")
                found.append([each["title"] for each in page["conversations"]])
        return found

    for mode in MODES:
        answers = await asyncio.gather(*(listed(person, mode) for person in people))
        assert answers == [[[title]] * 10 for title in titles]


async def test_what_does_not_fit_is_told_to_the_model(service: RunningService, person: Person) -> None:
    async with connected(service, await person.token("read")) as client:
        assert "query" in await refused(client, "search")
        assert "limit" in await refused(client, "search", query="x", limit=1000)
        assert "nothing to look for" in await refused(client, "search", query="...")
        assert "cursor" in await refused(client, "search", query="x", cursor="nonsense")
        assert await refused(client, "fetch", id="nonsense")
        assert "evil" in await refused(client, "list_conversations", evil=1)
        assert "There are search, fetch" in await refused(client, "delete_conversation", id="x")


@pytest.mark.parametrize("scope", ["chat", "import", "account"])
async def test_another_scope_is_403_and_names_the_missing_one(
    service: RunningService, person: Person, scope: str
) -> None:
    client = service.client(headers=HEADERS | bearer(await person.token(scope)))
    answer = await client.post("/mcp", json=PING)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read"'


async def test_nobody_is_401_and_a_cookie_is_nobody(service: RunningService, person: Person) -> None:
    for client in (service.client(), person.client, service.client(headers=bearer("ck_wrong"))):
        answer = await client.post("/mcp", json=PING, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_page_of_another_origin_is_refused_whatever_it_sends(service: RunningService, person: Person) -> None:
    client = service.client(headers=HEADERS | bearer(await person.token("read")))
    assert (await client.post("/mcp", json=PING)).status_code == 200
    assert (await client.post("/mcp", json=PING, headers={"Origin": service.url})).status_code == 200
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    ):
        answer = await client.post("/mcp", json=PING, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    # DNS rebinding: its own origin, at a name that is not the service's.
    answer = await client.post("/mcp", json=PING, headers={"Host": "evil.example", "Origin": "http://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")


async def test_messages_that_are_none_are_refused(service: RunningService, person: Person) -> None:
    client = service.client(headers=HEADERS | bearer(await person.token("read")))
    for content, status in ((b"{", 422), (b"[]", 422), (b'{"jsonrpc": "2.0"}', 400), (b" " * 70_000, 413)):
        assert (await client.post("/mcp", content=content)).status_code == status, content[:20]
    answer = await client.post("/mcp", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    for method in ("GET", "DELETE"):
        assert (await client.request(method, "/mcp")).status_code == 405
    unknown = (await client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "resources/list"})).json()
    assert unknown["error"]["code"] == -32601


async def test_any_replica_answers_any_message(database_url: str) -> None:
    async with running(database_url) as one, running(database_url) as two:
        person = await one.person()
        await person.conversation(title="here and there")
        headers = HEADERS | bearer(await person.token("read"))
        begin = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        }
        begun = await one.client(headers=headers).post("/mcp", json=begin)
        assert "mcp-session-id" not in begun.headers
        assert begun.json()["result"]["serverInfo"]["name"] == "chatkeep"
        ask = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_conversations"}}
        answer = await two.client(headers=headers | {"MCP-Protocol-Version": "2025-06-18"}).post("/mcp", json=ask)
        assert "here and there" in answer.json()["result"]["content"][0]["text"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_that_lasts_ends_when_its_token_does(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def wait(_reader: tools.Reader, _given: Any) -> dict[str, Any]:
        asked.set()
        await never.wait()
        return {"results": ["not for them any more"]}

    monkeypatch.setitem(tools.TOOLS, "search", replace(tools.TOOLS["search"], run=wait))
    made = (await person.client.post("/api/v1/auth/tokens", json={"name": "x", "scopes": ["read"]})).json()
    version = {} if mode == "legacy" else {"MCP-Protocol-Version": "2026-07-28"}
    params: dict[str, Any] = {"name": "search", "arguments": {"query": "x"}}
    if version:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        version |= {"Mcp-Method": "tools/call", "Mcp-Name": "search"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    client = service.client(headers=HEADERS | bearer(made["token"]) | version)
    call = asyncio.create_task(client.post("/mcp", json=body))
    await asyncio.wait_for(asked.wait(), 20)
    assert len(service.chat.streams.terms) == 1
    await person.client.delete(f"/api/v1/auth/tokens/{made['id']}")
    # Twice the interval at which open answers are looked at, and what a busy machine takes.
    answer = await asyncio.wait_for(call, 10 * CHECK_INTERVAL_SECONDS)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert "not for them" not in answer.text
    assert not service.chat.streams.terms


async def test_a_failure_that_is_not_the_models_is_the_answers(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_reader: tools.Reader, _given: Any) -> dict[str, Any]:
        raise RuntimeError("the inside of the service")

    monkeypatch.setitem(tools.TOOLS, "search", replace(tools.TOOLS["search"], run=fail))
    client = service.client(headers=HEADERS | bearer(await person.token("read")))
    params = {"name": "search", "arguments": {"query": "x"}}
    answer = await client.post("/mcp", json=PING | {"method": "tools/call", "params": params})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "inside" not in answer.text


async def test_it_can_be_switched_off(database_url: str) -> None:
    async with running(database_url, mcp=False) as service:
        person = await service.person()
        answer = await service.client(headers=HEADERS | bearer(await person.token("read"))).post("/mcp", json=PING)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_service_that_nobody_asks_does_not_load_the_package() -> None:
    program = """
import sys
from chatkeep.app import create_app
from tests.support.running_service import settings_for
create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
import chatkeep.cli.server.worker
print(sorted({"mcp", "mcp_types", "jwt", "cryptography", "chatkeep.mcp.server"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['chatkeep.mcp.server']\n"
    assert settings_for("postgresql://nobody@127.0.0.1:1/nothing").mcp


async def test_each_call_is_in_the_log_and_not_what_was_asked(
    service: RunningService, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    client = service.client(headers=HEADERS | bearer(await person.token("read")))
    with caplog.at_level("INFO"):
        for name in ("search", "invented-by-a-client"):
            params = {"name": name, "arguments": {"query": "a-very-private-question"}}
            assert (await client.post("/mcp", json=PING | {"method": "tools/call", "params": params})).is_success
        await client.post("/mcp", json=PING | {"method": "a-very-private-method"})
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("chatkeep", "mcp"))]
    told = [line for line in lines if "mcp_message" in line]
    assert [("'search'" in line, "'(none)'" in line, "'(other)'" in line) for line in told] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert any("'/mcp'" in line and "200" in line for line in lines)
    assert not any("private" in line or "invented" in line for line in lines)
