"""Streams, WebSockets, requests that overlap, and clients that leave."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chatkeep.sessions import FasterSessionMiddleware, MemoryStore, SessionStore, http_session
from tests.sessions.applications import KEY, Browser, Served, add_one, notebook, served


class Gates:
    """Holds handlers back until the test lets them go on."""

    def __init__(self) -> None:
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.inside.set()
        await self.go_on.wait()


def gated(gates: Gates, **options: Any) -> FastAPI:
    """The notebook, with handlers that wait in the middle."""
    app = notebook(**options)

    @app.post("/slow")
    async def slow(request: Request) -> Any:
        request.session.update(await request.json())
        await gates.wait()
        return dict(request.session)

    @app.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one "
            request.session["during"] = "the stream"
            await gates.wait()
            yield b"two "
            request.session["after"] = "the pause"

        request.session["before"] = "the stream"
        return StreamingResponse(pieces())

    @app.post("/broken-stream")
    async def broken(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one "
            request.session["during"] = "the stream"
            raise ZeroDivisionError

        request.session["before"] = "the stream"
        return StreamingResponse(pieces())

    @app.post("/background")
    async def background(request: Request) -> StreamingResponse:
        async def later() -> None:
            request.session["later"] = True

        return StreamingResponse(iter([b"done"]), background=BackgroundTask(later))

    @app.post("/fail-after-invalidate/{how}")
    async def fail(request: Request, how: str) -> None:
        request.state.session.invalidate()
        if how == "raise":
            raise ZeroDivisionError
        raise HTTPException(503)

    return app


async def changed(browser: Browser, **expected: Any) -> None:
    """Wait until the session holds this."""
    async with asyncio.timeout(5):
        while expected.items() - (await browser.content()).items():
            await asyncio.sleep(0.02)


async def test_pieces_of_a_stream_pass_as_they_come(store: SessionStore) -> None:
    gates = Gates()
    async with served(gated(gates, store=store)) as running:
        browser = running.browser()
        async with browser.client.stream("POST", "/stream") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"one "
            browser.take(answer)
            # What was in the session when the answer began is kept by now.
            assert await browser.content() == {"before": "the stream"}
            gates.go_on.set()
            assert b"".join([piece async for piece in pieces]) == b"two "
        await changed(browser, before="the stream", during="the stream", after="the pause")


async def test_a_client_that_leaves_a_stream_loses_nothing_of_its_session(store: SessionStore) -> None:
    gates = Gates()
    async with served(gated(gates, store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        headers = {"cookie": f"sid={browser.cookies['sid']}"}
        async with browser.client.stream("POST", "/stream", headers=headers) as answer:
            assert await anext(answer.aiter_raw()) == b"one "
            await gates.inside.wait()
        await changed(browser, a=1, before="the stream", during="the stream")
        assert "after" not in await browser.content()


async def test_a_stream_that_breaks_keeps_what_was_there_when_it_began(store: SessionStore) -> None:
    async with served(gated(Gates(), store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        with pytest.raises(httpx2.RemoteProtocolError):
            await browser.ask("POST", "/broken-stream")
        assert await browser.content() == {"a": 1, "before": "the stream"}


async def test_what_a_background_task_writes_is_kept(store: SessionStore) -> None:
    async with served(gated(Gates(), store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        await browser.ask("POST", "/background")
        await changed(browser, a=1, later=True)


async def test_a_session_begun_after_the_answer_is_not_kept() -> None:
    """Its cookie could not be sent any more."""
    store = MemoryStore()
    async with served(gated(Gates(), store=store)) as running:
        browser = running.browser()
        await browser.ask("POST", "/background")
        await browser.get()
    assert (len(store), browser.cookies) == (0, {})


async def test_requests_that_overlap_do_not_lose_each_others_keys(store: SessionStore) -> None:
    gates = Gates()
    async with served(gated(gates, store=store)) as running:
        browser = running.browser()
        await browser.put(a=1, b=1, c=1)
        slow = asyncio.create_task(running.browser(browser.cookies).ask("POST", "/slow", {"slow": 1, "b": 2}))
        await gates.inside.wait()
        await browser.put(quick=1, c=2)
        await browser.ask("DELETE", "/keys/a")
        gates.go_on.set()
        assert (await slow).json() == {"a": 1, "b": 2, "c": 1, "slow": 1}
        assert await browser.content() == {"b": 2, "c": 2, "quick": 1, "slow": 1}


async def test_a_request_that_only_reads_writes_nothing_back(store: SessionStore) -> None:
    gates = Gates()
    async with served(gated(gates, store=store)) as running:
        browser = running.browser()
        await browser.put(cart=["tea"])
        slow = asyncio.create_task(running.browser(browser.cookies).ask("POST", "/slow", {}))
        await gates.inside.wait()
        await browser.put(cart=["tea", "coffee"])
        gates.go_on.set()
        assert (await slow).json() == {"cart": ["tea"]}
        assert await browser.content() == {"cart": ["tea", "coffee"]}


@pytest.mark.parametrize("way_out", ["/", "/clear", "/keys/user"])
async def test_a_request_under_way_does_not_undo_signing_out(store: SessionStore, way_out: str) -> None:
    gates = Gates()
    async with served(gated(gates, store=store)) as running:
        browser = running.browser()
        await browser.ask("POST", "/sign-in", {"user": {"id": 1, "views": 0}})
        late = running.browser(browser.cookies)
        slow = asyncio.create_task(late.ask("POST", "/slow", {"user": {"id": 1, "views": 1}}))
        await gates.inside.wait()
        await browser.ask("DELETE", way_out)
        gates.go_on.set()
        assert (await slow).status_code == 200
        assert late.sent == []
        assert "user" not in await browser.content()
        assert await late.content() == {}


async def test_signing_out_ends_a_session_whose_id_changed_meanwhile(store: SessionStore) -> None:
    gates = Gates()
    app = gated(gates, store=store)

    @app.post("/slow-sign-out")
    async def sign_out(request: Request) -> None:
        await gates.wait()
        http_session(request).invalidate()

    async with served(app) as running:
        browser = running.browser()
        await browser.put(member="alice")
        slow = asyncio.create_task(running.browser(browser.cookies).ask("POST", "/slow-sign-out"))
        await gates.inside.wait()
        await browser.ask("POST", "/change-id")
        assert await browser.content() == {"member": "alice"}
        gates.go_on.set()
        await slow
        assert await browser.content() == {}


@pytest.mark.parametrize("how", ["raise", "answer"])
async def test_to_sign_out_and_then_fail_is_to_have_signed_out(store: SessionStore, how: str) -> None:
    async with served(gated(Gates(), store=store)) as running:
        browser = running.browser()
        await browser.put(member="alice")
        assert (await browser.ask("POST", f"/fail-after-invalidate/{how}")).status_code in (500, 503)
        assert await browser.content() == {}


@pytest.mark.parametrize(("signs_out", "left"), [(False, {"a": 1}), (True, {})])
async def test_a_request_that_is_cancelled_saves_nothing_and_still_signs_out(
    store: SessionStore, signs_out: bool, left: dict[str, int]
) -> None:
    reached = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["a"] = 2
        if signs_out:
            http_session(Request(scope)).invalidate()
        reached.set()
        await asyncio.sleep(60)

    async with served(notebook(store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        app = FasterSessionMiddleware(application, secret_key=KEY, store=store)
        scope = {"type": "http", "headers": [(b"cookie", f"sid={browser.cookies['sid']}".encode())]}
        task = asyncio.create_task(app(scope, _nothing, _nowhere))
        await reached.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert await browser.content() == left


async def _nothing() -> Any:
    await asyncio.sleep(60)


async def _nowhere(message: Any) -> None:
    return


async def test_starlettes_own_middlewares_may_stand_before_and_behind_it() -> None:
    app = notebook()

    async def outer(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        answer.headers["X-Seen"] = "outside"
        answer.set_cookie("outer", "1")
        return answer

    app.add_middleware(BaseHTTPMiddleware, dispatch=outer)
    async with served(app) as running:
        browser = running.browser()
        await browser.put(a=1)
        assert sorted(browser.cookies) == ["outer", "sid"]
        assert await browser.content() == {"a": 1}


def chat(**options: Any) -> FastAPI:
    app = notebook(**options)

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        session = http_session(socket)
        assert socket.session is session.get_session()
        socket.session["visits"] = socket.session.get("visits", 0) + 1
        await socket.accept()
        try:
            while True:
                said = await socket.receive_text()
                if said == "save":
                    await session.save()
                elif said == "reload":
                    await session.reload()
                elif said == "add":
                    await session.update_atomically(add_one)
                else:
                    socket.session["said"] = said
                await socket.send_json(dict(socket.session))
        except WebSocketDisconnect:
            socket.session["left"] = True
            raise

    @app.websocket("/refused")
    async def refuse(socket: WebSocket) -> None:
        socket.session["refused"] = True
        await socket.close()

    return app


def address(running: Served, path: str) -> str:
    return running.url.replace("http", "ws") + path


def cookie_of(browser: Browser) -> dict[str, str]:
    return {"cookie": f"sid={browser.cookies['sid']}"}


async def test_a_websocket_has_the_session_too(store: SessionStore) -> None:
    async with served(chat(store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        async with connect(address(running, "/ws"), additional_headers=cookie_of(browser)) as socket:
            assert await browser.content() == {"a": 1, "visits": 1}
            await socket.send("hello")
            assert await socket.recv() == '{"a":1,"visits":1,"said":"hello"}'
            assert await browser.content() == {"a": 1, "visits": 1}
            await socket.send("save")
            await socket.recv()
            assert await browser.content() == {"a": 1, "visits": 1, "said": "hello"}
            await browser.put(b=2)
            await socket.send("reload")
            assert '"b":2' in str(await socket.recv())
            await socket.send("add")
            assert '"count":1' in str(await socket.recv())
        await changed(browser, a=1, b=2, visits=1, said="hello", count=1, left=True)


async def test_a_websocket_can_begin_a_session(store: SessionStore) -> None:
    async with served(chat(store=store)) as running:
        async with connect(address(running, "/ws")) as socket:
            assert socket.response is not None
            header = socket.response.headers["set-cookie"]
        found = re.match(r"sid=([^;]+);", header)
        assert found is not None
        browser = running.browser({"sid": found[1]})
        await changed(browser, visits=1)


async def test_a_refused_websocket_saves_what_it_can(store: SessionStore) -> None:
    async with served(chat(store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        with pytest.raises(InvalidStatus):
            await connect(address(running, "/refused"), additional_headers=cookie_of(browser))
        await changed(browser, a=1, refused=True)


async def test_a_socket_opened_with_a_planted_cookie_sees_nothing_after_sign_in(store: SessionStore) -> None:
    async with served(chat(store=store)) as running:
        attacker = running.browser()
        await attacker.put(theme="dark")
        async with connect(address(running, "/ws"), additional_headers=cookie_of(attacker)) as socket:
            victim = running.browser(attacker.cookies)
            await victim.ask("POST", "/sign-in", {"user": "alice"})
            await socket.send("evil")
            await socket.recv()
            await socket.send("reload")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert (await victim.content())["user"] == "alice"
        assert "said" not in await victim.content()
