"""One application, on fastsession or on this library, for `compare_fastsession.py`.

    python compared_application.py fastsession|chatkeep.sessions PORT

Nothing in it knows which of the two it stands on, but for the one place that says so. Each part under its own path
has its own options; the time is moved by a request.
"""

import asyncio
import importlib
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.requests import HTTPConnection

KEY = "a key of these tests 0123456789 abcdefghijkl"
SKIP = {"header_name": "X-Skip", "header_value": "yes"}
SKIPS = [SKIP, {"header_name": "X-Any", "header_value": "*"}]

PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "default-a": {"store": None},
    "default-b": {"store": None},
    "open": {"http_only": False, "secure": False},
    "lax": {"same_site": "lax"},
    "strict": {"same_site": "strict", "max_age": 3600},
    "hour": {"max_age": 3600},
    "ends": {"max_age": 3600},
    "names": {"session_cookie": "JSESSIONID", "session_object": "visit"},
    "skip": {"skip_session_header": SKIP},
    "skips": {"skip_session_header": SKIPS},
    "days": {},
    "years": {},
    "logged": {"logger": "yes"},
}


class Thing:
    """An object of the application's own."""

    def __init__(self) -> None:
        self.seen = 0


class Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def debug(self, message: str) -> None:
        self.lines.append(message)


class Clock:
    """The real time and what a test has put before it."""

    def __init__(self) -> None:
        self._real, self._ahead = time.time, 0.0

    def __call__(self) -> float:
        return self._real() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)


def part(library: Any, name: str, clock: Clock) -> FastAPI:
    """Return one part: the same handlers, with the options of that name."""
    app, options = FastAPI(), dict(PARTS[name])
    ours = library.__name__ == "chatkeep.sessions"
    app.state.store = store = library.MemoryStore()
    options.setdefault("store", store)
    if options["store"] is None:
        del options["store"]  # the library's default
    if "logger" in options:
        app.state.logger = options["logger"] = Logger()
    if ours:
        options["clock"] = clock.utc  # the other one asks time.time()
    app.add_middleware(library.FastSessionMiddleware, secret_key=KEY, **options)
    app.state.object_name = options.get("session_object", "session")
    for add in (_add_handlers, _add_changes, _add_others, _add_looks_inside):
        add(app)
    return app


def manager(connection: HTTPConnection) -> Any:
    return getattr(connection.state, connection.scope["app"].state.object_name)


def content(connection: HTTPConnection) -> dict[str, Any]:
    # The other one keeps a note of its own among the application's keys.
    found = manager(connection).get_session().items()
    return {name: value for name, value in found if name not in ("__cause__", "thing")}


def _add_handlers(app: FastAPI) -> None:
    @app.get("/nothing")
    async def nothing() -> PlainTextResponse:
        return PlainTextResponse("nothing to do with sessions")

    @app.get("/read/{path:path}")
    async def read(request: Request, path: str = "") -> Any:
        return content(request)

    @app.post("/write/{path:path}")
    async def write(request: Request, path: str = "") -> Any:
        manager(request).get_session().update(await request.json())
        return content(request)

    @app.post("/write-if-there")
    async def write_if_there(request: Request) -> Any:
        if hasattr(request.state, app.state.object_name):
            manager(request).get_session()["written"] = True
        return {}

    @app.post("/write-in-thread")
    def write_in_thread(request: Request, value: int) -> Any:
        manager(request).get_session()["value"] = value
        return content(request)


def _add_changes(app: FastAPI) -> None:
    @app.post("/count")
    async def count(request: Request) -> Any:
        session = manager(request).get_session()
        if "count" not in session:
            session["count"] = 0
        session["count"] += 1
        manager(request).save_session()
        return {"count": session["count"]}

    @app.post("/remove/{name}")
    async def remove(request: Request, name: str) -> Any:
        manager(request).get_session().pop(name, None)
        return content(request)

    @app.post("/append")
    async def append(request: Request) -> Any:
        manager(request).get_session().setdefault("nested", {"list": []})["list"].append("x")
        thing = manager(request).get_session().setdefault("thing", Thing())
        thing.seen += 1
        return {"seen": thing.seen} | content(request)

    @app.post("/clear")
    async def clear(request: Request) -> Any:
        manager(request).clear_session()
        return content(request)

    @app.get("/id")
    async def session_id(request: Request) -> Any:
        manager(request).get_session()["asked"] = True
        return {"id": manager(request).get_session_id()}


def _add_others(app: FastAPI) -> None:
    @app.post("/cookies")
    async def cookies(request: Request) -> Any:
        manager(request).get_session()["a"] = 1
        answer = JSONResponse({})
        answer.set_cookie("first", "1")
        answer.set_cookie("second", "2")
        return answer

    @app.post("/fail/{status}")
    async def fail(request: Request, status: int) -> None:
        manager(request).get_session()["failed"] = status
        raise HTTPException(status)

    @app.post("/overlap/{name}")
    async def overlap(request: Request, name: str) -> Any:
        session = manager(request).get_session()
        await asyncio.sleep(0.05)
        session[name] = True
        return {}

    @app.post("/increment")
    async def increment(request: Request) -> Any:
        atomically = getattr(manager(request), "update_atomically", None)
        if atomically is not None:
            await atomically(lambda kept: kept.update(count=kept.get("count", 0) + 1))
            return {}
        before = manager(request).get_session().get("count", 0)
        await asyncio.sleep(0.05)
        manager(request).get_session()["count"] = before + 1
        return {}

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(content(socket) if hasattr(socket.state, app.state.object_name) else "no session")
        await socket.close()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"one ", b"two ", b"three"]), media_type="text/plain")


def _add_looks_inside(app: FastAPI) -> None:
    @app.get("/inside/rows")
    async def rows() -> Any:
        store = app.state.store
        return {"rows": len(getattr(store, "raw_memory_store", store))}

    @app.get("/inside/log")
    async def log() -> Any:
        return app.state.logger.lines

    @app.get("/inside/methods")
    async def methods() -> Any:
        store = type(app.state.store)()
        made = store.create_store("an id")
        made["a"] = 1
        answers = [store.save_store("an id"), store.gc(), store.cleanup_old_sessions(), store.get_store("another")]
        known = [store.has_session_id(name) for name in ("an id", "another")]
        unknown = [store.has_no_session_id(name) for name in ("an id", "another")]
        return [made is store.get_store("an id"), store.get_store("an id"), answers, known, unknown]


def application(library: Any) -> FastAPI:
    """Return all parts, each under its name."""
    clock = Clock()
    time.time = clock
    app = FastAPI()

    @app.post("/clock/{seconds}")
    async def advance(seconds: float) -> Any:
        clock.advance(seconds)
        return {}

    @app.post("/takes-empty-key")
    async def takes_empty_key() -> Any:
        with suppress(Exception):
            library.FastSessionMiddleware(app, secret_key="")
            return {"taken": True}
        return {"taken": False}

    for name in PARTS:
        app.mount(f"/{name}", part(library, name, clock))
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(importlib.import_module(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_config=None
    )
