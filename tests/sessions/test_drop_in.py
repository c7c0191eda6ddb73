"""An application that was written for fastsession, with one line changed."""

import threading
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse

from chatkeep.sessions import (
    FasterSessionMiddleware,
    FastSessionMiddleware,
    MemoryStore,
    SessionStore,
    http_session,
)
from tests.sessions.applications import KEY, Browser, MovableClock, notebook, served
from tests.sessions.stores import StoreOfFastSession


def documented_application(**options: Any) -> FastAPI:
    """The README of fastsession 0.3.0 in the same order: a counter in a dict that belongs to the session."""
    app = FastAPI()
    given: dict[str, Any] = {"secret_key": KEY, "store": MemoryStore()} | options
    app.add_middleware(FastSessionMiddleware, **given)

    @app.get("/session_test")
    async def session_test(request: Request) -> Any:
        manager = request.state.session
        session, session_id = manager.get_session(), manager.get_session_id()
        if "test_counter" not in session:
            session["test_counter"] = 0
        session["test_counter"] += 1
        manager.save_session()
        return {"test_counter": session["test_counter"], "session_id": session_id}

    return app


def attributes_of(header: str) -> dict[str, Any]:
    (morsel,) = SimpleCookie(header).values()
    return {name: value for name, value in morsel.items() if value != ""}


async def counted(browser: Browser) -> int:
    return int((await browser.get("/session_test"))["test_counter"])


def test_fastsessions_name_is_another_name_for_it() -> None:
    assert FastSessionMiddleware is FasterSessionMiddleware


async def test_the_documented_application_works() -> None:
    async with served(documented_application(http_only=True, secure=True)) as running:
        alice, bob = running.browser(), running.browser()
        assert [await counted(alice) for _ in range(3)] == [1, 2, 3]
        assert [await counted(bob), await counted(alice)] == [1, 4]


async def test_it_works_with_every_store(store: SessionStore) -> None:
    async with served(documented_application(store=store)) as running:
        browser = running.browser()
        first, second = await browser.get("/session_test"), await browser.get("/session_test")
        assert [first["test_counter"], second["test_counter"]] == [1, 2]
        assert first["session_id"] == second["session_id"]


async def test_a_store_that_was_written_for_fastsession_is_taken_as_it_is() -> None:
    store = StoreOfFastSession()
    async with served(documented_application(store=store)) as running:
        browser = running.browser()
        assert [await counted(browser) for _ in range(2)] == [1, 2]
    ((kept),) = store.kept.values()
    assert kept["test_counter"] == 2


async def test_defaults_and_options_of_the_cookie() -> None:
    async def sent(**options: Any) -> dict[str, Any]:
        async with served(documented_application(**options)) as running:
            browser = running.browser()
            await counted(browser)
            (header,) = browser.sent
            return attributes_of(header)

    assert await sent() == {"path": "/", "httponly": True, "secure": True, "samesite": "Lax"}
    assert await sent(http_only=False, secure=False, same_site=None) == {"path": "/"}
    assert await sent(same_site="Strict", max_age=3600) == {
        "path": "/",
        "httponly": True,
        "secure": True,
        "samesite": "Strict",
        "max-age": "3600",
    }


async def test_names_of_the_cookie_and_of_the_object() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, session_cookie="JSESSIONID", session_object="visit")

    @app.get("/")
    async def read(request: Request) -> Any:
        assert not hasattr(request.state, "session")
        request.state.visit.get_session()["seen"] = True
        assert request.session["seen"]
        assert http_session(request) is request.state.visit

    async with served(app) as running:
        browser = running.browser()
        await browser.get()
        assert list(browser.cookies) == ["JSESSIONID"]


async def test_starlettes_own_session_is_the_same_one() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1, b=2)
        assert (await browser.ask("DELETE", "/keys/a")).status_code == 200
        assert await browser.content() == {"b": 2}


async def test_handlers_that_run_in_threads_have_the_session_too() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)

    @app.get("/")
    def read(request: Request) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        session = request.state.session.get_session()
        session["count"] = session.get("count", 0) + 1
        return session

    async with served(app) as running:
        browser = running.browser()
        assert [await browser.get() for _ in range(2)] == [{"count": 1}, {"count": 2}]


async def test_clearing_empties_it() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1)
        assert (await browser.ask("DELETE", "/clear")).status_code == 200
        assert await browser.content() == {}
        await browser.put(b=2)
        assert await browser.content() == {"b": 2}


async def test_values_changed_in_place_are_kept() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)

    @app.get("/")
    async def read(request: Request) -> Any:
        request.session.setdefault("cart", {"items": []})["items"].append("tea")
        return request.session

    async with served(app) as running:
        browser = running.browser()
        await browser.get()
        assert await browser.get() == {"cart": {"items": ["tea", "tea"]}}


class Prompt:
    """An object as applications keep them in memory, with something that cannot be copied."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.lock = threading.Lock()


async def test_memory_keeps_any_object() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, store=MemoryStore())

    @app.get("/")
    async def read(request: Request) -> Any:
        prompt = request.session.setdefault("prompt", Prompt())
        names = request.session.setdefault("names", {"a"})
        prompt.lines.append("hello")
        names.add(f"b{len(names)}")
        return {"lines": len(prompt.lines), "names": sorted(names)}

    async with served(app) as running:
        browser = running.browser()
        await browser.get()
        assert await browser.get() == {"lines": 2, "names": ["a", "b1", "b2"]}


@pytest.mark.parametrize(
    ("rule", "headers", "skipped"),
    [
        ({"header_name": "X-Skip", "header_value": "yes"}, {"x-skip": "yes"}, True),
        ({"header_name": "X-Skip", "header_value": "yes"}, {"x-skip": "no"}, False),
        ({"header_name": "X-Skip", "header_value": "yes"}, {}, False),
        ({"header_name": "X-Skip", "header_value": "*"}, {"x-skip": "anything"}, True),
        ([{"header_name": "A", "header_value": "1"}, {"header_name": "B", "header_value": "*"}], {"b": "2"}, True),
        ([{"header_name": "A", "header_value": "1"}, {"header_name": "B", "header_value": "*"}], {"a": "2"}, False),
        (None, {"X-FastSession-Skip": "skip"}, False),
    ],
)
async def test_headers_that_skip_the_session(rule: Any, headers: dict[str, str], skipped: bool) -> None:
    async with served(notebook(skip_session_header=rule)) as running:
        browser = running.browser()
        await browser.put(secret="mine")
        answer = await browser.ask("GET", "/", **headers)
        assert answer.status_code == 200
        assert ("secret" not in answer.json()) == skipped
        await browser.ask("PUT", "/", {"secret": "changed"}, **headers)
        assert (await browser.content())["secret"] == ("mine" if skipped else "changed")


async def test_a_logger_as_fastsession_takes_one_is_enough() -> None:
    class Logger:
        def __init__(self) -> None:
            self.said: list[str] = []

        def info(self, message: str) -> None:
            self.said.append(message)

        def debug(self, message: str) -> None:
            self.said.append(message)

    logger = Logger()
    async with served(notebook(logger=logger)) as running:
        await running.browser().put(a=1)
    assert any("created" in line for line in logger.said)


async def test_max_age_ends_a_session_that_is_not_used(clock: MovableClock) -> None:
    async with served(notebook(max_age=3600, clock=clock)) as running:
        browser = running.browser()
        await browser.put(a=1)
        clock.advance(3599)
        assert await browser.content() == {"a": 1}
        clock.advance(3600)
        assert await browser.content() == {}


async def test_fastsessions_own_methods_of_the_memory_store(clock: MovableClock) -> None:
    store = MemoryStore(clock=clock)
    session = store.create_store("an id")
    session["a"] = 1
    store.save_store("an id")
    assert store.get_store("an id") is session
    assert store.get_store("another") is None
    assert (store.has_session_id("an id"), store.has_no_session_id("an id")) == (True, False)
    clock.advance(13 * 3600)
    store.gc()
    store.cleanup_old_sessions()
    assert (store.has_session_id("an id"), store.has_no_session_id("an id"), len(store)) == (False, True, 0)


async def test_the_store_can_be_looked_into_by_the_id_that_handlers_see() -> None:
    store = MemoryStore()
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        session_id = (await browser.put(a=1))["id"]
        assert store.get_store(session_id) == {"a": 1}
        kept = store.get_store(session_id)
        assert kept is not None
        kept["b"] = 2
        assert await browser.content() == {"a": 1, "b": 2}


async def test_files_and_other_applications_need_no_session() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)
    app.mount("/page", PlainTextResponse("a page"))
    async with served(app) as running:
        browser = running.browser()
        answer: httpx2.Response = await browser.ask("GET", "/page/")
        assert (answer.text, browser.sent) == ("a page", [])
