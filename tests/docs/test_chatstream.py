"""docs/chatstream.md: the front end in a browser, the settings, the proxy, the two ways to say who is asking."""

import ast
import os
import shlex
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from chatkeep.chatstream.model import RepliesFromChatStream
from chatkeep.chatstream.side_by_side import SideBySide
from chatkeep.config import Settings
from tests.chatstream.front_end import FrontEnd
from tests.chatstream.stand_in import Generator, Queue, chatstream_module
from tests.docs.claims import runs
from tests.docs.documents import ROOT, Block
from tests.docs.shell import ENVIRONMENT, Shell, replaced
from tests.proxies.servers import nginx_running
from tests.support.programs import free_port
from tests.support.running_service import PASSWORD, RunningService, running
from tests.web.browser import browser_running

DOCUMENT = "docs/chatstream.md"
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browser_running() as browser:
        yield browser


@runs(DOCUMENT, 'fetch("/chat_stream"', 'fetch("/api/v1/auth/login"')
async def test_the_front_end_in_a_browser(blocks: list[Block], browser: Browser, service: RunningService) -> None:
    chat, sign_in = blocks
    person = await service.person()
    page = await browser.new_page()
    await page.goto(service.url)
    await page.evaluate(f"async ([username, password]) => {{ {sign_in.text} }}", [person.username, PASSWORD])
    shown = await page.evaluate(
        f"""async () => {{
            const stop = new AbortController(), texts = [], show = text => texts.push(text);
            {chat.text}
            return texts;
        }}"""
    )
    await page.close()
    assert "Now you write: “Hi”" in shown[-1]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


def read_settings(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Read the block as a file of settings, beside nothing else."""
    for name in [name for name in os.environ if name.startswith(("CHATKEEP_", "DATABASE_"))]:
        monkeypatch.delenv(name)
    (folder / ".env").write_text(text)
    monkeypatch.chdir(folder)
    return Settings.read()


@runs(DOCUMENT, "CHATKEEP_CHATSTREAM_ROLES='{")
async def test_roles(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    roles = read_settings(block.text, tmp_path, monkeypatch).chatstream_roles
    async with running(database_url, chatstream_roles=roles) as service:
        person = await service.person()
        assert (await FrontEnd(person.client).chat("Hi")).text
        assert (await person.client.get("/get_prompt")).status_code == 403
        assert (await (await service.administrator()).client.get("/get_prompt")).status_code == 200


def behind_a_proxy(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: str) -> dict[str, Any]:
    """Return the settings of the block, with the test's own proxy and secret in it."""
    settings = read_settings(replaced(text, {"10.0.0.5": "127.0.0.1", "…": SECRET} | changes), folder, monkeypatch)
    return {name: getattr(settings, name) for name in settings.model_fields_set}


@runs(DOCUMENT, "CHATKEEP_AUTH_USER_HEADER=", "auth_request /sso;")
async def test_users_from_a_server_in_front(
    blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """nginx and the service as the document has them; only the single sign-on is a stand-in."""
    settings_block, location = blocks
    changes = behind_a_proxy(settings_block.text, tmp_path, monkeypatch)
    port = free_port(beside=1)
    sign_on = port + 1
    async with running(database_url, allowed_hosts="chat.example.org", **changes) as service:
        shown = replaced(location.text, {"http://127.0.0.1:8000": service.url, "…": SECRET})
        servers = f"""
    server {{
        listen 127.0.0.1:{port};
        {shown}
        location = /sso {{ internal; proxy_pass http://127.0.0.1:{sign_on}; proxy_pass_request_body off; }}
    }}
    server {{
        listen 127.0.0.1:{sign_on};
        location / {{ if ($cookie_single = "") {{ return 401; }} add_header X-User $cookie_single; return 204; }}
    }}"""
        async with nginx_running(tmp_path, servers, port), asking(f"http://127.0.0.1:{port}") as client:
            me = await client.get("/api/v1/auth/me", headers={"Cookie": "single=carol", "X-Forwarded-User": "admin"})
            assert (me.status_code, me.json().get("username")) == (200, "carol")
            assert (await client.get("/api/v1/auth/me")).status_code == 401
        async with asking(service.url) as client:
            direct = await client.get("/api/v1/auth/me", headers={"X-Forwarded-User": "carol"})
            assert (direct.status_code, direct.json()["code"]) == (403, "untrusted_identity")


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url, headers={"Host": "chat.example.org"}, verify=False) as client:
        yield client


# The second way: a ChatStream server, whose queue is a stand-in here.


@asynccontextmanager
async def beside_a_handler(
    block: Block, database_url: str, **names: Any
) -> AsyncIterator[tuple[RunningService, Queue]]:
    """Run the service beside a server whose handler the block makes, with these names around it."""
    queue = Queue(Generator())

    def around(chatkeep: FastAPI) -> SideBySide:
        with chatstream_module():
            from chatkeep.chatstream.handler import PersistentChatStreamHandler

            given = {"chatkeep": chatkeep, "PersistentChatStreamHandler": PersistentChatStreamHandler, "os": os}
            queue.handler = last_value(block, given | names)
        queue.handler.generator = queue.generator
        server = FastAPI()
        server.add_api_route("/chat_stream", queue.chat_stream, methods=["POST"], response_model=None)
        return SideBySide(chatkeep, server)

    model = RepliesFromChatStream("stand-in")
    async with running(database_url, model=model, around=around, cookie_name="chatkeep") as service:
        yield service, queue


def last_value(block: Block, names: dict[str, Any]) -> Any:
    """Run the block and return what its last line is worth."""
    tree = ast.parse(block.text)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, block.place, "exec"), names)
    return eval(compile(ast.Expression(last.value), block.place, "eval"), names)


@runs(DOCUMENT, "from chatkeep.accounts.proxy_accounts import identify_by")
async def test_only_the_handler_trusts_a_proxy(
    block: Block, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONT_SECRET", SECRET)
    here = Block(block.document, block.line, block.language, replaced(block.text, {"10.0.0.5": "127.0.0.1"}))
    async with beside_a_handler(here, database_url) as (service, _):
        headers = {"X-Forwarded-User": "carol", "X-Chatkeep-Auth-Secret": SECRET}
        assert (await FrontEnd(service.client(headers=headers)).chat("Hi")).text == "Hello world"
        wrong = service.client(headers=headers | {"X-Chatkeep-Auth-Secret": "another"})
        assert (await wrong.post("/chat_stream", json={"user_input": "Hi"})).status_code == 403


@runs(DOCUMENT, "async def identify(request)")
async def test_users_of_ones_own(block: Block, database_url: str) -> None:
    ids: dict[str, UUID] = {}

    class Known:
        async def user_of(self, token: str) -> str:
            return {"the token": "carol"}[token]

        async def chatkeep_id(self, user: str) -> UUID:
            return ids[user]

    names = {"UUID": UUID, "my_users": Known(), "my_tokens": Known()}
    async with beside_a_handler(block, database_url, **names) as (service, _):
        carol = await service.person("carol")
        ids["carol"] = UUID(carol.id)
        reply = await FrontEnd(service.client(headers={"x-my-token": "the token"})).chat("Hi")
        assert reply.text == "Hello world"
        turns = await carol.turns(reply.conversation)
        assert [turn["prompt"]["content"] for turn in turns] == ["Hi"]


@runs(
    DOCUMENT, "pip install 'chatkeep[chatstream]'", weaker="takes the real ChatStream: `make test-chatstream` runs it"
)
async def test_the_commands_of_a_chatstream_server(block: Block, empty_database_url: str, tmp_path: Path) -> None:
    """All but the first and the last, which need ChatStream itself."""
    install, *settings, migrate, serve = block.text.splitlines()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert shlex.split(install, comments=True) == ["pip", "install", "chatkeep[chatstream]"]
    assert "chatstream" in extras
    assert serve == "uvicorn server:app"
    replacements = {"postgresql://…": shlex.quote(empty_database_url)}
    script = replaced("\n".join([*settings, migrate, "chatkeep db check", "env"]), replacements)
    said = await Shell(tmp_path / "shell", ENVIRONMENT).run(script)
    assert "CHATKEEP_COOKIE_NAME=chatkeep" in said


# What the real ChatStream runs elsewhere is at least a program here.


@runs(
    DOCUMENT,
    "max_queue_size=5,\n)",
    weaker="takes the real ChatStream: test_documentation.py of `make test-chatstream` runs it",
)
def test_the_server_before(block: Block) -> None:
    compile(block.text, block.place, "exec")


@runs(
    DOCUMENT,
    "request_handler=PersistentChatStreamHandler(chatkeep)",
    weaker="takes the real ChatStream: test_documentation.py of `make test-chatstream` runs it",
)
def test_the_server_after(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name that it takes from this service is there, and is called as it is shown."""
    tree = ast.parse(block.text)
    ours = [each for each in tree.body if isinstance(each, ast.ImportFrom) and str(each.module).startswith("chatkeep.")]
    assert {each.names[0].name for each in ours} >= {"create_app", "SideBySide", "PersistentChatStreamHandler"}
    for name, value in (
        ENVIRONMENT | {"CHATKEEP_DATABASE_URL": "postgresql://h/d", "CHATKEEP_COOKIE_NAME": "chatkeep"}
    ).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with chatstream_module():
        names: dict[str, Any] = {}
        exec(compile(ast.Module([*ours], []), block.place, "exec"), names)
        chatkeep = names["create_app"](names["Settings"].read(), model=names["RepliesFromChatStream"]("my-model"))
        names["SideBySide"](chatkeep, FastAPI())
        names["PersistentChatStreamHandler"](chatkeep)
