"""The service in another application: started by it, told apart from one that was forgotten, stopped with it."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.app import create_app, lifespan_of
from chatkeep.chat.models import DemonstrationModel
from chatkeep.errors import ConfigurationError, DatabaseUnavailable
from tests.sessions.applications import Served, served
from tests.support.running_service import PASSWORD, settings_for

LOGIN = "/api/v1/auth/login"
REGISTER = "/api/v1/auth/register"
CONVERSATIONS = "/api/v1/conversations"


def chat_service(database_url: str, **changes: Any) -> FastAPI:
    return create_app(settings_for(database_url, **changes), model=DemonstrationModel(pause_seconds=None))


async def talks(running: Served, path: str, name: str, **headers: str) -> httpx2.AsyncClient:
    """Register under `path`, take a streamed turn there, and return the client."""
    client = running.browser().client
    client.base_url = f"{running.url}{path}"
    client.headers.update(headers)
    answer = await client.post(REGISTER, json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
    turn = await client.post(
        f"{CONVERSATIONS}/{conversation}/turns", json={"content": "Hello"}, headers={"Accept": "text/event-stream"}
    )
    assert turn.headers["content-type"].startswith("text/event-stream")
    assert turn.text.rstrip().rpartition("event: ")[2].startswith("done")
    turns = (await client.get(f"{CONVERSATIONS}/{conversation}/turns")).json()["items"]
    assert [each["status"] for each in turns] == ["complete"]
    return client


def fastapi_around(chat: FastAPI) -> ASGIApp:
    app = FastAPI(lifespan=lifespan_of(chat))
    app.mount("/chat", chat)
    return app


def starlette_around(chat: FastAPI) -> ASGIApp:
    return Starlette(routes=[Mount("/chat", chat)], lifespan=lifespan_of(chat))


def nested(chat: FastAPI) -> ASGIApp:
    """In an application in an application: the outermost one starts it."""
    inner = Starlette(routes=[Mount("/chat", chat)])
    app = FastAPI(lifespan=lifespan_of(chat))
    app.mount("/some/tools", inner)
    return app


def at_the_root(chat: FastAPI) -> ASGIApp:
    app = FastAPI(lifespan=lifespan_of(chat))

    @app.get("/mine")
    async def mine() -> dict[str, str]:
        return {"mine": "yes"}

    app.mount("/", chat)
    return app


class TakesItsTime(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
        answer = await call_next(request)
        answer.headers["x-outer"] = "was here"
        return answer


def with_middleware(chat: FastAPI) -> ASGIApp:
    outer = [
        Middleware(GZipMiddleware, minimum_size=1),
        Middleware(TakesItsTime),
        Middleware(SessionMiddleware, secret_key="the outer application's own", session_cookie="outer"),
    ]
    return Starlette(routes=[Mount("/chat", chat)], lifespan=lifespan_of(chat), middleware=outer)


@pytest.mark.parametrize(
    ("around", "path"),
    [
        (fastapi_around, "/chat"),
        (starlette_around, "/chat"),
        (nested, "/some/tools/chat"),
        (at_the_root, ""),
        (with_middleware, "/chat"),
    ],
)
async def test_a_mounted_service_works(
    around: Callable[[FastAPI], ASGIApp], path: str, shared_database_url: str
) -> None:
    async with served(around(chat_service(shared_database_url))) as running:
        client = await talks(running, path, f"user-of-{around.__name__.replace('_', '-')}")
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert (await client.get("/metrics")).status_code == 200


async def test_what_the_outer_application_has_of_its_own_still_works(shared_database_url: str) -> None:
    async with served(at_the_root(chat_service(shared_database_url))) as running:
        assert (await running.browser().client.get("/mine")).json() == {"mine": "yes"}
    async with served(with_middleware(chat_service(shared_database_url))) as running:
        assert (await running.browser().client.get("/chat/healthz")).headers["x-outer"] == "was here"


async def test_several_services_in_one_application_are_apart(shared_database_url: str, database_url: str) -> None:
    one, other = chat_service(shared_database_url), chat_service(database_url, allow_registration=False)
    app = FastAPI(lifespan=lifespan_of(one, other))
    app.mount("/one", one)
    app.mount("/other", other)
    async with served(app) as running:
        client = await talks(running, "/one", "user-of-the-first")
        client.base_url = f"{running.url}/other"
        assert (await client.get("/api/v1/auth/me")).status_code == 401
        answer = await client.post(REGISTER, json={"username": "somebody", "password": PASSWORD})
        assert answer.json()["code"] == "registration_closed"


# The lifespan of one's own.


async def test_an_own_lifespan_runs_while_the_service_does(shared_database_url: str) -> None:
    chat = chat_service(shared_database_url)
    seen: list[tuple[str, bool]] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        assert isinstance(app, FastAPI)
        seen.append(("begins", chat.state.running))
        yield {"motto": "kept"}
        seen.append(("ends", chat.state.running))

    app = FastAPI(lifespan=lifespan_of(chat, own=own))
    app.mount("/chat", chat)

    @app.get("/motto")
    async def motto(request: Request) -> str:
        return str(request.state.motto)

    async with served(app) as running:
        assert (await running.browser().client.get("/motto")).json() == "kept"
        assert (await running.browser().client.get("/chat/readyz")).status_code == 200
    assert seen == [("begins", True), ("ends", True)]
    assert not chat.state.running


async def test_an_own_lifespan_may_be_a_plain_generator_and_may_fail(shared_database_url: str) -> None:
    chat = chat_service(shared_database_url)

    async def own(_app: FastAPI) -> AsyncIterator[None]:
        raise LookupError("no model here")
        yield

    with pytest.raises(LookupError, match="no model here"):
        async with lifespan_of(chat, own=own)(FastAPI()):
            pass
    assert not chat.state.running


async def test_a_service_that_cannot_start_keeps_the_application_from_starting() -> None:
    chat = chat_service("postgresql://nobody@127.0.0.1:1/nothing")
    began: list[str] = []

    @asynccontextmanager
    async def own(_app: FastAPI) -> AsyncIterator[None]:
        began.append("own")
        yield

    with pytest.raises(DatabaseUnavailable):
        async with lifespan_of(chat, own=own)(FastAPI()):
            pass
    assert began == []
    assert not chat.state.started


def test_what_is_no_application_is_refused() -> None:
    @asynccontextmanager
    async def own(_app: FastAPI) -> AsyncIterator[None]:
        yield

    with pytest.raises(TypeError, match="A lifespan of your own is its argument `own`"):
        lifespan_of(own)  # type: ignore[arg-type]  # what somebody might try


# Forgotten, and done twice.


async def test_a_service_that_nobody_started_says_the_missing_line(
    shared_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    app.mount("/chat", chat_service(shared_database_url))
    async with served(app) as running:
        client = running.browser().client
        for path in ("/", "/healthz", "/readyz", "/metrics", "/docs", CONVERSATIONS, "/nowhere"):
            answer = await client.get(f"/chat{path}")
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "not_started"
            assert "FastAPI(lifespan=lifespan_of(chat))" in answer.json()["detail"]
        assert (await client.post(f"/chat{REGISTER}", json={})).json()["code"] == "not_started"
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert re.search(r"not_started.*lifespan_of\(chat\)", errors[0].getMessage())


async def test_a_websocket_to_a_service_that_nobody_started_is_closed(shared_database_url: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    for started in (False, True):
        async with AsyncExitStack() as stack:
            chat = chat_service(shared_database_url)
            if started:
                await stack.enter_async_context(lifespan_of(chat)(FastAPI()))
            await chat({"type": "websocket", "path": "/", "headers": [], "query_string": b""}, receive, send)
            assert sent.pop()["type"] == "websocket.close"
            assert sent == []


async def test_a_second_start_is_refused_and_leaves_the_first_alone(shared_database_url: str) -> None:
    chat = chat_service(shared_database_url)
    async with served(chat) as running:
        with pytest.raises(ConfigurationError, match="started a second time"):
            async with lifespan_of(chat)(FastAPI()):
                pass
        assert (await running.browser().client.get("/readyz")).status_code == 200
    with pytest.raises(ConfigurationError, match="one lifespan_of"):
        async with lifespan_of(chat, chat)(FastAPI()):
            pass
    assert not chat.state.started


async def test_a_dispatcher_that_starts_all_it_has_needs_no_line(shared_database_url: str) -> None:
    """As hypercorn's DispatcherMiddleware hands the lifespan to each application."""
    chat = chat_service(shared_database_url)

    async def dispatcher(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, "root_path": scope.get("root_path", "") + "/chat"}
        await chat(scope, receive, send)

    async with served(dispatcher) as running:
        await talks(running, "/chat", "user-of-a-dispatcher")


async def test_a_stopped_service_can_be_started_again(shared_database_url: str) -> None:
    chat = chat_service(shared_database_url)
    for number in range(2):
        async with served(fastapi_around(chat)) as running:
            await talks(running, "/chat", f"user-of-start-{number}")
            assert (await running.browser().client.get("/chat/readyz")).status_code == 200


async def test_a_route_of_the_outer_application_is_not_in_the_way(shared_database_url: str) -> None:
    async def hello(_request: Request) -> Any:
        raise AssertionError("the service's route was asked for")

    chat = chat_service(shared_database_url)
    app = Starlette(routes=[Mount("/chat", chat), Route("/healthz", hello)], lifespan=lifespan_of(chat))
    async with served(app) as running:
        assert (await running.browser().client.get("/chat/healthz")).json() == {"status": "ok"}
