"""`chatkeep serve --app`: an application of one's own, with everything that the service's has."""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from tests.cli.command_runner import Command
from tests.cli.server.test_welcome import block_of, sign_in
from tests.support.events import streaming
from tests.support.process import ServeProcess, serving
from tests.support.running_service import PASSWORD, Person
from tests.test_restart import refused

MADE = """
from chatkeep.app import create_app
from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.config import Settings

class DatedRequestHandler(PersistentRequestHandler):
    pass

app = create_app(Settings.read(), handler=DatedRequestHandler)
"""

MOUNTED = """
import os
from fastapi import FastAPI
from chatkeep.app import create_app, lifespan_of
from chatkeep.config import Settings

chat = create_app(Settings.read())
app = FastAPI(lifespan=lifespan_of(chat))
app.mount("/chat", chat)

@app.get("/own")
def own() -> int:
    return os.getpid()
"""

FACTORY = """
def make():
    from chatkeep.app import create_app
    from chatkeep.config import Settings
    return create_app(Settings.read(allow_registration=True))
"""

KINDS = [(MADE, "mine:app", ""), (MOUNTED, "mine:app", "/chat"), (FACTORY, "mine:make", "")]


async def person(service: ServeProcess, client: httpx2.AsyncClient) -> Person:
    name = f"alice-{secrets.token_hex(4)}"
    answer = await client.post("/api/v1/auth/register", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return Person(client, answer.json()["id"], name)


async def code_while_it_ends(client: httpx2.AsyncClient) -> str:
    """Ask whether the service is ready until it says why not.

    A worker that has nothing to end closes its idle connections at once, perhaps in the moment in which one is asked:
    no server can answer that, and the client asks another worker.
    """
    async with asyncio.timeout(30):
        while True:
            with suppress(httpx2.RemoteProtocolError, httpx2.ReadError):
                answer = await client.get("/readyz")
                if answer.status_code == 503:
                    return str(answer.json()["code"])
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
@pytest.mark.parametrize(("module", "name", "prefix"), KINDS, ids=["made", "mounted", "factory"])
async def test_an_application_of_ones_own_is_drained_as_the_services(
    database_url: str, tmp_path: Path, module: str, name: str, prefix: str, workers: int
) -> None:
    (tmp_path / "mine.py").write_text(module)
    settings = {"database_url": database_url, "shutdown_grace_seconds": 60, "workers": workers}
    async with (
        serving(tmp_path, "--app", name, **settings) as service,
        httpx2.AsyncClient(base_url=f"{service.url}{prefix}", timeout=30) as client,
    ):
        alice = await person(service, client)
        async with streaming(alice, await alice.conversation(), "count to 60") as events:
            await anext(events)
            ending = asyncio.create_task(service.end())
            assert await code_while_it_ends(client) == "draining"
            last = [event async for event in events][-1]
        assert (last.name, last.data["status"]) == ("done", "complete")
        assert await ending == 0


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.long), "2"])
async def test_it_works_with_local_and_the_embedded_database(tmp_path: Path, workers: str) -> None:
    (tmp_path / "mine.py").write_text(MOUNTED)
    with TemporaryDirectory(prefix="chatkeep-") as data_dir:
        options = ("--local", "--migrate", "--app", "mine:app", "--workers", workers)
        settings = {"data_dir": data_dir, "secret_key": "", "cookie_secure": ""}
        async with (
            serving(tmp_path, *options, **settings) as service,
            httpx2.AsyncClient(base_url=f"{service.url}/chat", timeout=30) as client,
        ):
            alice = await person(service, client)
            assert (await alice.say(await alice.conversation(), "Hello"))["status"] == "complete"
            assert int(httpx2.get(f"{service.url}/own").text) != 0


NESTED = """
from starlette.applications import Starlette
from starlette.routing import Host, Mount
from fastapi import FastAPI
from chatkeep.app import create_app, lifespan_of
from chatkeep.config import Settings

class Around:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

chat = create_app(Settings.read())
inner = FastAPI()
inner.mount("/talk", Around(chat))
app = Around(Starlette(routes=[Mount("/{any}/x", FastAPI()), Mount("/own", inner)], lifespan=lifespan_of(chat)))
"""
GUARDED = f"""{MOUNTED}
from starlette.responses import PlainTextResponse

@app.middleware("http")
async def guard(request, call_next):
    return PlainTextResponse("who are you?", 401)
"""


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
@pytest.mark.parametrize(("text", "path"), [(MADE, ""), (MOUNTED, "/chat"), (NESTED, "/own/talk")])
async def test_the_start_finds_the_path_of_the_service(
    database_url: str, tmp_path: Path, text: str, path: str, workers: int
) -> None:
    (tmp_path / "mine.py").write_text(text)
    settings = {"database_url": database_url, "workers": workers, "log_level": "error"}
    async with serving(tmp_path, "--local", "--app", "mine:app", **settings) as service:
        block = block_of(service.log)
        assert block["Open"] == f"{service.url}{path}/"
        assert (block["Sign in as"], block["Password"].isalnum()) == ("admin", True)
        assert await sign_in(block["Open"], block["Sign in as"], block["Password"]) == 200


async def test_demonstration_data_finds_a_mounted_service(bare_chatkeep: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MOUNTED)
    with TemporaryDirectory(prefix="chatkeep-") as data_dir:
        options = ("--local", "--migrate", "--app", "mine:app", "--data-dir", data_dir)
        async with serving(tmp_path, *options, secret_key="", cookie_secure="") as service:
            ran = await bare_chatkeep("demo-data", "--data-dir", data_dir)
            assert ran.code == 0, ran.err
            assert f"Sign in as admin at {service.url}/chat" in ran.err


@pytest.mark.parametrize(
    "text", ["from fastapi import FastAPI\napp = FastAPI()\n", GUARDED], ids=["without it", "in the way"]
)
async def test_an_application_whose_service_is_not_found_is_not_described_as_it(
    database_url: str, tmp_path: Path, text: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    async with serving(tmp_path, "--app", "mine:app", database_url=database_url) as service:
        assert "Open  " not in service.log
        assert "Sign in" not in service.log
        assert "Nobody can administer" not in service.log


@pytest.mark.parametrize(
    ("app", "part"),
    [
        ("mine", "'mine' is not the name of an application."),
        ("mine.py:app", "There is no module mine.py"),
        ("absent:app", "There is no module absent"),
        ("mine:absent", "The module mine has no absent."),
        ("mine:number", "mine:number is not an ASGI application"),
        ("mine:wanting", "mine:wanting is not an ASGI application"),
        ("mine:unsafe", "CHATKEEP_ALLOW_REGISTRATION=false"),
    ],
)
async def test_a_wrong_name_is_one_sentence(database_url: str, tmp_path: Path, app: str, part: str) -> None:
    (tmp_path / "mine.py").write_text(
        "number = 1\ndef wanting(one): ...\n"
        "def unsafe():\n"
        "    from chatkeep.app import create_app\n"
        "    from chatkeep.config import Settings\n"
        "    return create_app(Settings.read(auth_user_header='X-User'))\n"
    )
    # Whether it is read here or by a worker.
    for workers in ("1", "2") if app in ("absent:app", "mine:unsafe") else ("1",):
        assert part in await refused(tmp_path, "--app", app, "--workers", workers, database_url=database_url)


@pytest.mark.parametrize(
    ("text", "sentence", "workers"),
    [
        ("import absent_library\n", "failed with ModuleNotFoundError: No module named 'absent_library'. ", 1),
        ("def app(:\n", "failed with SyntaxError: invalid syntax. ", 1),
        ("raise RuntimeError('no licence')\n", "failed with RuntimeError: no licence. ", 1),
        ("raise RuntimeError('no licence')\n", "failed with RuntimeError: no licence. ", 2),
        ("raise SystemExit(3)\n", "ended the process (SystemExit: 3). ", 1),
        ("raise SystemExit(3)\n", "ended the process (SystemExit: 3). ", 2),
        ("import json\ndef app(): return json.loads('?')\n", "failed with JSONDecodeError: Expecting value", 1),
    ],
)
async def test_a_module_that_fails_says_how_and_where(
    database_url: str, tmp_path: Path, text: str, sentence: str, workers: int
) -> None:
    (tmp_path / "mine.py").write_text(text)
    said = await refused(tmp_path, "--app", "mine:app", database_url=database_url, workers=workers)
    assert f"mine:app cannot be served: loading it {sentence}" in said
    assert f'File "{tmp_path / "mine.py"}", line ' in said
    assert not any(part in said for part in ("typer", "site-packages", "importlib", "service/chatkeep/cli"))
