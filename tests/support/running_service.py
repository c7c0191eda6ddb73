"""The service as its users meet it: a real uvicorn on a real socket, in the tests' own event loop."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from chatkeep.accounts.accounts import Accounts
from chatkeep.app import create_app
from chatkeep.audit.trail import Origin, Recorder
from chatkeep.chat.chat import Chat
from chatkeep.chat.models import DemonstrationModel, LanguageModel
from chatkeep.config import Settings
from chatkeep.connections.door import Door
from chatkeep.connections.limits import Limits
from chatkeep.connections.protocol import GuardedProtocol
from chatkeep.database.database import Database
from tests.support.patience import patient_start

PASSWORD = "tests have long passwords"
ADMIN_PASSWORD = "administrators have longer ones"
REGISTRATION_TRIES = 5
# All that somebody who is no administrator can give a token.
USERS_SCOPES = ["chat", "read", "import", "account"]


async def register(client: httpx2.AsyncClient, username: str) -> httpx2.Response:
    """Register with `PASSWORD`. A machine that is too slow for the service's limits tries again, as the 503 asks."""
    for _ in range(REGISTRATION_TRIES):
        answer = await client.post("/api/v1/auth/register", json={"username": username, "password": PASSWORD})
        if answer.status_code != 503:
            break
        await asyncio.sleep(int(answer.headers["retry-after"]))
    assert answer.status_code == 201, answer.text
    return answer


@dataclass
class Person:
    """A signed-in user, with the HTTP client that holds the cookie."""

    client: httpx2.AsyncClient
    id: str
    username: str

    async def conversation(self, **body: Any) -> str:
        """Begin a conversation and return its id."""
        answer = await self.client.post("/api/v1/conversations", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def say(self, conversation_id: str, content: str, **body: Any) -> dict[str, Any]:
        """Take a turn, wait for its end and return it."""
        answer = await self.client.post(
            f"/api/v1/conversations/{conversation_id}/turns", json={"content": content, "stream": False, **body}
        )
        assert answer.status_code == 201, answer.text
        turn: dict[str, Any] = answer.json()
        return turn

    async def token(self, *scopes: str) -> str:
        """Make an access token, with every scope that a user can give unless it says which; return its secret."""
        body = {"name": "program", "scopes": scopes or USERS_SCOPES}
        answer = await self.client.post("/api/v1/auth/tokens", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def turns(self, conversation_id: str, **params: Any) -> list[dict[str, Any]]:
        """Return a page of the active path."""
        answer = await self.client.get(f"/api/v1/conversations/{conversation_id}/turns", params=params)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@dataclass
class RunningService:
    """One running service."""

    app: FastAPI
    url: str
    _clients: list[httpx2.AsyncClient] = field(default_factory=list)

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database

    @property
    def audit(self) -> Recorder:
        """The recorder of the service's own acts."""
        accounts: Accounts = self.app.state.accounts
        return accounts.trail.by(Origin("service"))

    @property
    def chat(self) -> Chat:
        chat: Chat = self.app.state.chat
        return chat

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """Return a client that nobody is signed in on."""
        # Over plain http: loading whom to trust takes longer than most requests.
        client = httpx2.AsyncClient(base_url=self.url, timeout=30, verify=False, **options)
        self._clients.append(client)
        return client

    async def person(self, username: str | None = None) -> Person:
        """Register a new user, on a client of their own."""
        name = username or f"user-{secrets.token_hex(6)}"
        client = self.client()
        answer = await register(client, name)
        return Person(client, answer.json()["id"], name)

    async def administrator(self) -> Person:
        """Sign in as the first administrator."""
        client = self.client()
        answer = await client.post("/api/v1/auth/login", json={"username": "admin", "password": ADMIN_PASSWORD})
        assert answer.status_code == 200, answer.text
        return Person(client, answer.json()["id"], "admin")

    async def close_clients(self) -> None:
        for client in self._clients:
            await client.aclose()


def settings_for(database_url: str, **changes: Any) -> Settings:
    """Return settings for a test: plain http, an administrator, and no file or environment looked at but these."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "secret_key": "a key for tests: 0123456789abcdefghijklmnopqrstuvwxyz",
        "cookie_secure": False,
        "admin_username": "admin",
        "admin_password": ADMIN_PASSWORD,
        "log_level": "error",
        # Every test registers people of its own, from one address.
        "max_registrations_per_hour": 100_000,
        "max_connections_per_address": 2_000,
    }
    return Settings.read(**(values | changes))


async def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until the server is to stop. An exit, which would end the event loop and its tests, is an error here."""
    try:
        await server.serve(sockets=[listener])
    except SystemExit as problem:
        raise RuntimeError("The service did not start. Why is in its log.") from problem


@asynccontextmanager
async def running(
    database_url: str,
    *,
    model: LanguageModel | None = None,
    around: Callable[[FastAPI], ASGIApp] | None = None,
    **changes: Any,
) -> AsyncIterator[RunningService]:
    """Run the service until the block ends; `changes` are settings, `handler` a request handler.

    Args:
        around: makes what is run of the service's application; None runs that alone.
    """
    options = {"handler": changes.pop("handler")} if "handler" in changes else {}
    settings = settings_for(database_url, **changes)
    if model is None and settings.model_url is None:
        model = DemonstrationModel(pause_seconds=0)
    app = create_app(settings, model=model, **options)
    # Said to be TCP, without which asyncio leaves Nagle's algorithm on, and each answer 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    served: ASGIApp = around(app) if around else app
    server = uvicorn.Server(
        uvicorn.Config(
            served,
            http=partial(GuardedProtocol, door=Door(Limits.of(settings))),  # type: ignore[arg-type]  # as chatkeep serve
            log_config=None,
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=60,  # on a busy machine a test may pause for longer than uvicorn waits
        )
    )
    task = asyncio.create_task(serve(server, listener))
    with patient_start():
        while not server.started:
            if task.done():
                listener.close()
                await task
                raise RuntimeError("The service did not start.")
            await asyncio.sleep(0.01)
    service = RunningService(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield service
    finally:
        await service.close_clients()
        server.should_exit = True
        await task
        listener.close()
