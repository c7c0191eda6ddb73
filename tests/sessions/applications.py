"""Small applications with sessions, on a real uvicorn, and browsers that keep cookies whatever they say."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from chatkeep.clock import utc_now
from chatkeep.sessions import FasterSessionMiddleware

KEY = "a key of these tests 0123456789 abcdefghijkl"
NEWER_KEY = "a newer key of these tests 9876543210 zyxwvut"


class MovableClock:
    """Starts now, and stands still."""

    def __init__(self) -> None:
        self._now = utc_now()

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def notebook(**options: Any) -> FastAPI:
    """Return an application that reads and writes its session as it is told to."""
    app = FastAPI()
    given: dict[str, Any] = {"secret_key": KEY, "secure": False} | options
    app.add_middleware(FasterSessionMiddleware, **given)
    _add_attributes(app)
    _add_ends(app)
    _add_sign_in(app)
    _add_answers(app)
    return app


def _add_attributes(app: FastAPI) -> None:
    @app.get("/{name:path}")
    async def read(request: Request, name: str = "") -> Any:
        return {"id": request.state.session.get_session_id(), **request.state.session.get_session()}

    @app.put("/{name:path}")
    async def write(request: Request, name: str) -> Any:
        request.state.session.get_session().update(await request.json())
        return {"id": request.state.session.get_session_id()}

    @app.post("/add")
    async def add(request: Request) -> Any:
        return {"count": await request.state.session.update_atomically(add_one)}


def _add_ends(app: FastAPI) -> None:
    @app.delete("/")
    async def invalidate(request: Request) -> None:
        request.state.session.invalidate()

    @app.delete("/clear")
    async def clear(request: Request) -> None:
        request.state.session.clear_session()

    @app.delete("/keys/{name}")
    async def remove(request: Request, name: str) -> None:
        del request.session[name]


def _add_sign_in(app: FastAPI) -> None:
    @app.post("/sign-in")
    async def sign_in(request: Request) -> Any:
        """As an application that was written for fastsession does."""
        request.state.session.get_session()["user"] = (await request.json())["user"]
        return {}

    @app.post("/change-id")
    async def change_id(request: Request) -> Any:
        return {"id": request.state.session.change_id()}


def _add_answers(app: FastAPI) -> None:
    @app.post("/fail/{status}")
    async def fail(request: Request, status: int) -> Any:
        request.session.update(await request.json())
        if status == 599:
            raise ZeroDivisionError
        raise HTTPException(status)

    @app.post("/cookies")
    async def cookies(request: Request) -> Any:
        answer = JSONResponse({})
        answer.set_cookie("first", "1")
        answer.set_cookie("second", "2")
        request.session.update(await request.json())
        return answer


def add_one(kept: dict[str, Any]) -> int:
    kept["count"] = kept.get("count", 0) + 1
    return int(kept["count"])


@dataclass
class Browser:
    """Holds cookies as a browser does, by name; `sent` are the headers of the last answer's cookies."""

    client: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.client.request(method, path, json=body, headers=headers)
        self.take(answer)
        return answer

    def take(self, answer: httpx2.Response) -> None:
        self.client.cookies.clear()
        self.sent = answer.headers.get_list("set-cookie")
        for header in self.sent:
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in header:
                self.cookies[name] = value

    async def get(self, path: str = "/") -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, path: str = "/", **values: Any) -> Any:
        answer = await self.ask("PUT", path, values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def content(self) -> Any:
        """Return the session's attributes, without its id."""
        return {name: value for name, value in (await self.get()).items() if name != "id"}


@dataclass
class Served:
    """An application on a socket of this machine."""

    url: str
    _clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def browser(self, cookies: dict[str, str] | None = None) -> Browser:
        client = httpx2.AsyncClient(base_url=self.url, timeout=20, verify=False)
        self._clients.append(client)
        return Browser(client, dict(cookies or {}))

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[Served]:
    """Serve the application until the block ends."""
    # Said to be TCP, so that asyncio turns Nagle's algorithm off: with it each answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=3, timeout_keep_alive=60)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without its main loop and its shutdown, in which every test would wait for the next tick.
    await server.startup(sockets=[listener])
    running = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield running
    finally:
        await running.close()
        for each in server.servers:
            each.close()
        await asyncio.gather(*server.server_state.tasks)
        await server.lifespan.shutdown()
        listener.close()
