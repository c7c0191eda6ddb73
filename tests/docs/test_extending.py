"""docs/extending.md and what docs/sessions.md has for applications of one's own: each example, with its run command."""

import asyncio
import logging
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pytest

from chatkeep.chat.models import DemonstrationModel
from tests.docs.claims import runs
from tests.docs.documents import Block, block_with, read
from tests.docs.shell import ADMIN_PASSWORD, DATABASE_URL, ENVIRONMENT, Shell, replaced, says_something
from tests.sessions.applications import KEY, Served, served
from tests.support.databases import create_database, drop_database
from tests.support.events import streaming
from tests.support.process import ServeProcess, serving
from tests.support.running_service import PASSWORD
from tests.test_restart import client_of, sign_up, until_draining

DOCUMENT = "docs/extending.md"
SESSIONS = "docs/sessions.md"
ADMIN = {"username": "admin", "password": ADMIN_PASSWORD}
CONVERSATIONS = "/api/v1/conversations"


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that."""
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@asynccontextmanager
async def shown_running(shell: Shell, script: str, mine: Block) -> AsyncIterator[httpx2.AsyncClient]:
    """Save the example as mine.py, run what the document says, and yield a client of it."""
    (shell.folder / "mine.py").write_text(mine.text)
    try:
        await shell.run(script)
        async with httpx2.AsyncClient(base_url=shell.served_at, timeout=30, verify=False) as client:
            yield client
    finally:
        shell.stop_serving()


@runs(DOCUMENT, "chatkeep serve --local --migrate --app mine:app", "lifespan=lifespan_of(chat)")
async def test_a_mounted_service_and_its_run_command(blocks: list[Block], data_folder: Path) -> None:
    command, mine = blocks
    settings = {"CHATKEEP_DATA_DIR": str(data_folder / "data"), "CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD}
    shell = Shell(data_folder / "shell", settings)
    async with shown_running(shell, command.text, mine) as client:
        assert (await client.get("/")).json() == {"chat": "/chat/"}
        page = await client.get("/chat/", follow_redirects=True)
        assert page.headers["content-type"].startswith("text/html")
        assert 'src="/chat/' in page.text
        await says_something(f"{shell.served_at}/chat", "admin", ADMIN_PASSWORD)


async def test_a_mounted_service_is_drained_by_the_command_that_serves_it(database_url: str, tmp_path: Path) -> None:
    """With two workers, as the document has it: the probe says 503 under the service's path while a reply ends."""
    (tmp_path / "mine.py").write_text(block_with(DOCUMENT, "lifespan=lifespan_of(chat)").text)
    assert "`chatkeep serve --app mine:app --workers 4`" in " ".join(read(DOCUMENT).text.split())
    settings = {"database_url": database_url, "shutdown_grace_seconds": 60}
    async with serving(tmp_path, "--app", "mine:app", "--workers", "2", **settings) as service:
        mounted = replace_address(service, f"{service.url}/chat")
        async with client_of(mounted) as client:
            alice = await sign_up(mounted, client, "alice")
            async with streaming(alice, await alice.conversation(), "count to 60") as events:
                await anext(events)
                ending = asyncio.create_task(service.end())
                await until_draining(mounted)
                last = [event async for event in events][-1]
            assert (last.name, last.data["status"]) == ("done", "complete")
            assert await ending == 0


def replace_address(service: ServeProcess, url: str) -> ServeProcess:
    found = copy(service)
    found.url = url
    return found


@runs(DOCUMENT, "export CHATKEEP_DATABASE_URL", "class EchoModel")
async def test_a_model_and_the_settings_of_a_database_of_ones_own(
    blocks: list[Block], empty_database_url: str, tmp_path: Path
) -> None:
    commands, mine = blocks
    replacements = {
        DATABASE_URL: shlex.quote(empty_database_url),
        "CHATKEEP_SECRET_KEY=…": f"CHATKEEP_SECRET_KEY='{ENVIRONMENT['CHATKEEP_SECRET_KEY']}'",
        "CHATKEEP_ADMIN_PASSWORD=…": f"CHATKEEP_ADMIN_PASSWORD='{ADMIN_PASSWORD}'",
    }
    async with shown_running(Shell(tmp_path / "shell"), replaced(commands.text, replacements), mine) as client:
        await client.post("/api/v1/auth/login", json=ADMIN)
        assert (await said(client, "say it again"))["reply"]["content"] == "say it again "
        assert (await said(client, "say it again"))["model"] == "echo"


async def said(client: httpx2.AsyncClient, content: str) -> dict[str, Any]:
    """Begin a conversation with this and return its turn."""
    conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
    turn = await client.post(f"{CONVERSATIONS}/{conversation}/turns", json={"content": content, "stream": False})
    found: dict[str, Any] = turn.json()
    return found


@asynccontextmanager
async def example(
    block: Block, database_url: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> AsyncIterator[Served]:
    """Serve the example's application with these settings in the environment, and a model that does not pause."""
    settings = {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_ADMIN_PASSWORD": ADMIN_PASSWORD, "SESSION_KEY": KEY}
    for name, value in (ENVIRONMENT | settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(DemonstrationModel.__init__, "__defaults__", (None,))
    names: dict[str, object] = {"__name__": "mine"}
    exec(compile(block.text, block.place, "exec"), names)
    async with served(names["app"]) as running:
        yield running


@runs(DOCUMENT, "class CarefulRequestHandler")
async def test_a_request_handler(
    block: Block,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with example(block, database_url, monkeypatch, tmp_path) as running:
        client = running.browser().client
        await client.post("/api/v1/auth/login", json=ADMIN)
        assert (await said(client, "Hello"))["status"] == "complete"
        refused = await said(client, "My password is 1234")
        assert (refused["code"], refused["detail"]) == ("forbidden", "Please keep passwords to yourself.")
    logged = [each.getMessage() for each in caplog.records if each.name == "mine" and each.levelno == logging.WARNING]
    assert len(logged) == 1
    assert logged[0].startswith("complete by ")


@runs(DOCUMENT, '@app.get("/mine")')
async def test_routes_beside_the_services(
    block: Block, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with example(block, database_url, monkeypatch, tmp_path) as running:
        client = running.browser().client
        nobody = await client.get("/mine")
        assert (nobody.status_code, nobody.json()["code"]) == (401, "not_authenticated")
        await client.post("/api/v1/auth/login", json=ADMIN)
        assert (await client.get("/mine")).json() == {"user": "admin", "administrator": True}
        for scope, status in (("read", 200), ("chat", 403)):
            made = await client.post("/api/v1/auth/tokens", json={"name": "mine", "scopes": [scope]})
            bearer = {"Authorization": f"Bearer {made.json()['token']}"}
            answer = await running.browser().client.get("/mine", headers=bearer)
            assert answer.status_code == status
        assert (await client.get("/docs")).status_code == 200


@runs(SESSIONS, "own=lifespan")
async def test_who_is_signed_in_in_an_application_of_ones_own(
    block: Block, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two sign-ins on one host, each its own; the accounts are the same."""
    async with example(block, database_url, monkeypatch, tmp_path) as running:
        browser, chat = running.browser(), running.browser().client
        await chat.post("/chat/api/v1/auth/register", json={"username": "alice", "password": PASSWORD})
        assert (await browser.ask("GET", "/mine")).status_code == 401
        form = {"name": "alice", "password": PASSWORD}
        answer = await browser.client.post("/login", data=form)
        browser.take(answer)
        assert answer.json() == {"hello": "alice"}
        assert list(browser.cookies) == ["mine"]
        assert await browser.get("/mine") == {"user": "alice"}
        wrong = await browser.client.post("/login", data=form | {"password": "another"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
        change = {"current_password": PASSWORD, "new_password": f"{PASSWORD}, and newer"}
        assert (await chat.post("/chat/api/v1/auth/password", json=change)).status_code < 300
        assert (await browser.ask("GET", "/mine")).status_code == 401


@runs(SESSIONS, "uvicorn mine:app", "store.create_table()")
async def test_sessions_in_postgresql(blocks: list[Block], server_url: str, tmp_path: Path) -> None:
    """The same cart in another process, after a restart."""
    commands, mine = blocks
    url = await create_database(server_url)
    try:
        script = replaced(commands.text, {"postgresql://…": shlex.quote(url)})
        script = script.replace("$(python3 -c 'import secrets; print(secrets.token_urlsafe(48))')", shlex.quote(KEY))
        carts, cookies = [], ""
        for number in range(2):
            async with shown_running(Shell(tmp_path / str(number)), script, mine) as client:
                answer = await client.post("/cart/tea", headers={"Cookie": cookies} if cookies else {})
                carts.append(answer.json()["cart"])
                cookies = cookies or answer.headers["set-cookie"].partition(";")[0]
        assert carts == [["tea"], ["tea", "tea"]]
    finally:
        await drop_database(server_url, url)
