"""The Caddy of docs/operating.md: what passes through it, and how."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.proxies import documented
from tests.proxies.places import BEHIND, Place
from tests.proxies.servers import caddy_running
from tests.proxies.test_pages import OPTIONS, register
from tests.support.programs import free_port
from tests.support.running_service import PASSWORD, running
from tests.web.browser import browsing_at
from tests.web.models import TaughtModel


@pytest.fixture
def model() -> TaughtModel:
    return TaughtModel()


@pytest.fixture
async def place(
    shared_database_url: str, folder: Path, signed: tuple[Path, Path], model: TaughtModel
) -> AsyncIterator[Place]:
    async with running(shared_database_url, model=model, **BEHIND) as service:
        port = free_port()
        sites = documented.caddy(service.url.removeprefix("http://"), port, *signed)
        async with caddy_running(folder, sites, port):
            yield Place(service, port)


async def test_people_sign_up_and_see_replies_come(browser: Browser, place: Place, model: TaughtModel) -> None:
    model.teach("story", "Once upon a time", None, " there was tea.")
    async with browsing_at(browser, place.url, **OPTIONS) as tab:
        await register(tab, "mika")
        await tab.say("story", wait=False)
        await expect(tab.reply()).to_contain_text("Once upon a time")
        model.go_on("story")
        await tab.answered()
        await expect(tab.reply()).to_have_text("Once upon a time there was tea.")


async def test_under_a_path_it_takes_the_prefix_off(
    browser: Browser, shared_database_url: str, folder: Path, signed: tuple[Path, Path]
) -> None:
    certificate, key = signed
    async with running(shared_database_url, **(BEHIND | {"root_path": "/chat"})) as service:
        port, upstream = free_port(), service.url.removeprefix("http://")
        site = f"""https://{documented.NAME}:{port} {{
            tls {certificate} {key}
            handle_path /chat/* {{
                reverse_proxy {upstream}
            }}
        }}"""
        async with (
            caddy_running(folder, site, port),
            browsing_at(browser, f"https://{documented.NAME}:{port}/chat", **OPTIONS) as tab,
        ):
            await register(tab, "yuki")
            await tab.say("hello")
            assert tab.page.url.startswith(f"{tab.url}/c/")


async def test_each_stream_comes_piece_by_piece(place: Place, model: TaughtModel) -> None:
    model.teach("slow", "first", None, " second")
    async with place.client(Origin=place.origin) as client:
        body = {"username": "reader", "password": PASSWORD}
        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201
        seen = ""
        async with client.stream("POST", "/chat_stream", json={"user_input": "slow"}) as answer, asyncio.timeout(60):
            pieces = answer.aiter_text()
            while "first" not in seen:
                seen += await anext(pieces)
            assert "second" not in seen
            model.go_on("slow")
            async for piece in pieces:
                seen += piece
        assert "second" in seen
        refused = await client.post("/clear_context", headers={"Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert (await client.get("/metrics")).status_code == 404
        # Caddy puts these right itself, whatever the client says.
        claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.99"}
        assert "evil.example" not in (await client.get("/docs", headers=claims)).text
