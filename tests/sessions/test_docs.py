"""The examples of docs/sessions.md, run as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from chatkeep.sessions import FasterSessionMiddleware, MemoryStore
from tests.sessions.applications import KEY, NEWER_KEY, served

TEXT = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_KEY", KEY)
    monkeypatch.setenv("SESSION_KEYS", f"{KEY},{NEWER_KEY}")


def shown(text: str) -> dict[str, Any]:
    """Run the block that holds this text and return its names."""
    (block,) = (block for block in BLOCKS if text in block)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/sessions.md", "exec"), names)
    return names


def application(text: str) -> FastAPI:
    app: FastAPI = shown(text)["app"]
    return app


def test_one_line_differs() -> None:
    before, after = (block.splitlines() for block in BLOCKS[:2])
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        (
            "from fastsession import FastSessionMiddleware, MemoryStore",
            "from chatkeep.sessions import FastSessionMiddleware, MemoryStore",
        ),
    ]


async def test_the_application_after_the_change() -> None:
    async with served(application("from chatkeep.sessions import FastSessionMiddleware")) as running:
        browser = running.browser()
        for item, cart in (("tea", ["tea"]), ("cake", ["tea", "cake"])):
            assert (await browser.ask("POST", f"/cart/{item}")).json() == {"cart": cart}
        before = dict(browser.cookies)
        await browser.ask("POST", "/login?name=alice")
        assert await browser.get("/me") == {"user": "alice"}
        assert browser.cookies != before
        await browser.ask("POST", "/logout")
        assert await browser.get("/me") == {"user": None}


async def test_the_session_that_is_handed_out() -> None:
    app = application('"used before"')
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)
    async with served(app) as running:
        browser = running.browser()
        first, second = await browser.get("/visit"), await browser.get("/visit")
    assert (first["new"], second["new"], second["names"], second["color"]) == (True, False, ["color"], "green")
    assert first["id"] == second["id"]


async def test_tickets() -> None:
    app = application("take_ticket")
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)
    async with served(app) as running:
        browser = running.browser()
        numbers = [(await browser.ask("POST", "/ticket")).json()["number"] for _ in range(3)]
    assert numbers == [1, 2, 3]


async def test_the_pattern_for_signing_in() -> None:
    app = application("is_right")
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, store=MemoryStore())

    async with served(app) as running:
        browser = running.browser()
        assert (await browser.ask("POST", "/login?name=alice&password=wrong")).status_code == 401
        assert browser.cookies == {}
        assert (await browser.ask("POST", "/login?name=alice&password=alice's%20password")).status_code == 200
        assert list(browser.cookies) == ["sid"]
        assert (await browser.ask("POST", "/logout")).status_code == 200
        assert browser.cookies == {}


async def test_the_listener(capsys: pytest.CaptureFixture[str]) -> None:
    counter: Any = shown("class Counter")["Counter"]()
    app = application("is_right")
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, listeners=[counter])
    async with served(app) as running:
        browser = running.browser()
        for name in ("alice", "bob"):
            await browser.ask("POST", f"/login?name={name}&password={name}'s%20password")
        assert counter.open == 1
        assert " is now " in capsys.readouterr().out
        await browser.ask("POST", "/logout")
        assert counter.open == 0


async def test_several_keys() -> None:
    """A cookie of the older key is good, and is signed anew."""
    older, both = application("take_ticket"), application('["SESSION_KEYS"]')
    older.add_middleware(FasterSessionMiddleware, secret_key=KEY, store=(store := MemoryStore()))
    (with_both,) = both.user_middleware
    newer = application("take_ticket")
    options: dict[str, Any] = with_both.kwargs
    newer.add_middleware(FasterSessionMiddleware, store=store, **options)
    async with served(older) as running:
        browser = running.browser()
        await browser.ask("POST", "/ticket")
        cookies = dict(browser.cookies)
    async with served(newer) as running:
        browser = running.browser(cookies)
        assert (await browser.ask("POST", "/ticket")).json() == {"number": 2}
        assert browser.cookies != cookies
