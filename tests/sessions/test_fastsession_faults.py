"""Faults of fastsession 0.3.0, one by one, which are right here.

Each was seen by running it; `compare_fastsession.py` runs most of them against both.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from itsdangerous import Signer, URLSafeTimedSerializer

from chatkeep.sessions import FasterSessionMiddleware, MemoryStore, SessionStore, SignedCookie
from tests.sessions.applications import KEY, Browser, MovableClock, Served, notebook, served

GARBAGE = ["", "abc", "a.b", ".", "x" * 8192, "\u00e9.\u00fc".encode("latin-1"), b"\xff\xfe", '"quoted"', "a.b.c"]


async def signed_in(running: Served, browser: Browser, user: str) -> None:
    answer = await browser.ask("POST", "/sign-in", {"user": user})
    assert answer.status_code == 200


async def test_a_planted_cookie_loses_its_id_at_sign_in(store: SessionStore) -> None:
    """Session fixation; by handlers that were written for fastsession and know nothing of ids."""
    async with served(notebook(store=store)) as running:
        attacker = running.browser()
        await attacker.put(theme="dark")
        victim = running.browser(attacker.cookies)
        await signed_in(running, victim, "alice")
        assert victim.cookies != attacker.cookies
        assert await victim.content() == {"theme": "dark", "user": "alice"}
        assert await attacker.content() == {}


async def test_a_planted_cookie_loses_its_id_where_the_handler_says_so(store: SessionStore) -> None:
    async with served(notebook(store=store, sign_in_keys=())) as running:
        attacker = running.browser()
        await attacker.put(theme="dark")
        victim = running.browser(attacker.cookies)
        assert (await victim.ask("POST", "/change-id")).json()["id"] == (await victim.get())["id"]
        await victim.put(member="alice")
        assert await victim.content() == {"theme": "dark", "member": "alice"}
        assert await attacker.content() == {}


@pytest.mark.parametrize("way_out", ["/", "/clear", "/keys/user"])
async def test_a_stolen_cookie_is_dead_after_signing_out_and_in_again(store: SessionStore, way_out: str) -> None:
    async with served(notebook(store=store)) as running:
        victim = running.browser()
        await signed_in(running, victim, "alice")
        thief = running.browser(victim.cookies)
        assert await thief.content() == {"user": "alice"}
        assert (await victim.ask("DELETE", way_out)).status_code == 200
        assert await thief.content() == {}
        await signed_in(running, victim, "alice")
        assert await victim.content() == {"user": "alice"}
        assert await running.browser(thief.cookies).content() == {}


@pytest.mark.parametrize("value", GARBAGE)
async def test_garbage_in_the_cookie_is_no_session_and_no_error(value: str | bytes) -> None:
    async with served(notebook()) as running:
        client = running.browser().client
        sent = b"sid=" + (value if isinstance(value, bytes) else value.encode())
        for path in ("/", "/health", "/a/b/c"):
            answer = await client.get(path, headers=[(b"cookie", sent)])
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers


async def test_what_a_tampered_cookie_named_is_not_found() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1)
        value = browser.cookies["sid"]
        for tampered in (value[:-1], value + "A", value[1:], value.swapcase()):
            assert await running.browser({"sid": tampered}).content() == {}


async def test_cookies_that_the_handler_sets_survive() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.ask("POST", "/cookies", {"a": 1})
        assert sorted(browser.cookies) == ["first", "second", "sid"]
        assert [header.partition("=")[0] for header in browser.sent] == ["first", "second", "sid"]


async def test_one_session_for_all_paths() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put("/a/b/c", a=1)
        assert "; Path=/;" in f"{browser.sent[0]};"
        assert await browser.content() == {"a": 1}
        assert (await browser.get("/a/b/c"))["a"] == 1


async def test_a_cookie_left_by_fastsession_does_not_hide_ours() -> None:
    """A browser sends the one with the longer path first."""
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1)
        old = URLSafeTimedSerializer(KEY).dumps({"sid": "7b3c0c36-3f6a-4c3c-9a33-4f8d1b4a8f6e"})
        answer = await browser.client.get("/", headers={"cookie": f"sid={old}; sid={browser.cookies['sid']}"})
        assert answer.json()["a"] == 1


async def test_without_max_age_a_session_ends_on_the_server_too(store: SessionStore, clock: MovableClock) -> None:
    async with served(notebook(store=store, clock=clock, max_age=0)) as running:
        browser = running.browser()
        await browser.put(user="alice")
        clock.advance(timedelta(hours=12).total_seconds() - 1)
        assert await browser.content() == {"user": "alice"}
        clock.advance(timedelta(hours=12).total_seconds())
        assert await browser.content() == {}


@pytest.mark.parametrize("max_age", [0, 3600])
async def test_a_session_that_is_used_goes_on(store: SessionStore, clock: MovableClock, max_age: int) -> None:
    async with served(notebook(store=store, clock=clock, max_age=max_age)) as running:
        browser = running.browser()
        await browser.put(user="alice")
        for _ in range(30):
            clock.advance(1800)
            assert await browser.content() == {"user": "alice"}
            # The browser must not forget sooner than the server.
            assert bool(browser.sent) == bool(max_age)
            assert all("Max-Age=3600" in header for header in browser.sent)


async def test_used_or_not_a_session_ends_at_last(store: SessionStore, clock: MovableClock) -> None:
    """A copied cookie cannot keep its session alive for ever."""
    async with served(notebook(store=store, clock=clock, max_lifetime=18_000)) as running:
        browser = running.browser()
        await browser.put(user="alice")
        for _ in range(9):
            clock.advance(1800)
            assert await browser.content() == {"user": "alice"}
        clock.advance(1800)
        assert await browser.content() == {}


async def test_forty_thousand_requests_without_a_cookie_keep_nothing() -> None:
    store = MemoryStore()
    app = FasterSessionMiddleware(_reads_only, secret_key=KEY, store=store)
    cookies = 0

    async def send(message: Any) -> None:
        nonlocal cookies
        cookies += sum(name == b"set-cookie" for name, _ in message.get("headers", ()))

    for _ in range(40_000):
        await app({"type": "http", "method": "GET", "path": "/", "headers": []}, _no_body, send)
    assert (len(store), cookies) == (0, 0)


async def _no_body() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _reads_only(scope: Any, receive: Any, send: Any) -> None:
    assert "user" not in scope["session"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def test_fifty_at_once_that_add_one_add_fifty(store: SessionStore) -> None:
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        await browser.put(theme="dark")
        together = [running.browser(browser.cookies) for _ in range(10)]
        answers = await asyncio.gather(*(together[n % 10].ask("POST", "/add") for n in range(50)))
        assert sorted(answer.json()["count"] for answer in answers) == list(range(1, 51))
        assert await browser.content() == {"theme": "dark", "count": 50}


async def test_fifty_at_once_that_write_different_keys_lose_none(store: SessionStore) -> None:
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        await browser.put(theme="dark")
        together = [running.browser(browser.cookies) for _ in range(10)]
        await asyncio.gather(*(together[n % 10].put(f"/{n}", **{f"key{n}": n}) for n in range(50)))
        assert await browser.content() == {"theme": "dark"} | {f"key{n}": n for n in range(50)}


async def test_what_the_same_key_signed_for_something_else_is_refused() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1)
        secret = browser.cookies["sid"].rpartition(".")[0]
        others = [
            URLSafeTimedSerializer(KEY).dumps({"sid": secret}),
            Signer(KEY).sign(secret).decode(),
            Signer(KEY, salt="password-reset").sign(secret).decode(),
            SignedCookie([KEY], name="sid", salt="another purpose").write(secret).partition(";")[0][4:],
            secret,
        ]
        for value in others:
            assert await running.browser({"sid": value}).content() == {}
        # Nor for a cookie of another name.
        async with served(notebook(session_cookie="other")) as other:
            assert await other.browser({"other": browser.cookies["sid"]}).content() == {}


async def test_no_secret_and_no_whole_id_is_in_the_log(store: SessionStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with served(notebook(store=store)) as running:
            browser = running.browser()
            ids = [(await browser.put(a=1))["id"]]
            secrets = [browser.cookies["sid"]]
            await signed_in(running, browser, "alice")
            ids.append((await browser.get())["id"])
            secrets.append(browser.cookies["sid"])
            await browser.ask("DELETE", "/")
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("chatkeep"))
    assert ids[0][:8] in logged
    assert ids[1][:8] in logged
    for known in (*ids, *secrets, *(value.rpartition(".")[0] for value in secrets), KEY):
        assert known not in logged


async def test_two_applications_with_the_default_store_share_nothing() -> None:
    async with served(notebook()) as first, served(notebook()) as second:
        browser = first.browser()
        await signed_in(first, browser, "admin")
        assert await first.browser(browser.cookies).content() == {"user": "admin"}
        assert await second.browser(browser.cookies).content() == {}


async def test_a_client_cannot_skip_the_session_where_nobody_allows_it() -> None:
    async with served(notebook()) as running:
        browser = running.browser()
        await browser.put(a=1)
        answer = await browser.ask("GET", "/", **{"X-FastSession-Skip": "skip"})
        assert answer.json()["a"] == 1


async def test_where_it_may_skip_the_handler_finds_an_empty_session() -> None:
    rule = {"header_name": "X-FastSession-Skip", "header_value": "skip"}
    async with served(notebook(skip_session_header=rule)) as running:
        browser = running.browser()
        await browser.put(a=1)
        for method, path, body in (
            ("GET", "/", None),
            ("PUT", "/", {"a": 2}),
            ("POST", "/add", None),
            ("POST", "/change-id", None),
            ("DELETE", "/clear", None),
            ("DELETE", "/", None),
        ):
            answer = await browser.ask(method, path, body, **{"X-FastSession-Skip": "skip"})
            assert (answer.status_code, browser.sent) == (200, [])
        assert await browser.content() == {"a": 1}


@pytest.mark.parametrize("status", [500, 503, 599])
async def test_a_handler_that_fails_saves_nothing(store: SessionStore, status: int) -> None:
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        await browser.put(a=1)
        answer = await browser.ask("POST", f"/fail/{status}", {"a": 2, "b": 2})
        assert answer.status_code >= 500
        assert await browser.content() == {"a": 1}
        stranger = running.browser()
        await stranger.ask("POST", f"/fail/{status}", {"a": 2})
        assert stranger.cookies == {}


async def test_an_answer_of_no_is_an_answer(store: SessionStore) -> None:
    """As where wrong passwords are counted."""
    async with served(notebook(store=store)) as running:
        browser = running.browser()
        assert (await browser.ask("POST", "/fail/401", {"tries": 1})).status_code == 401
        assert await browser.content() == {"tries": 1}
