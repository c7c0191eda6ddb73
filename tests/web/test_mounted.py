"""The pages in a browser where the service is mounted: at a path of an application, and of one within another."""

from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from chatkeep.app import lifespan_of
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, running
from tests.web.browser import Tab, browsing_at
from tests.web.models import TaughtModel


def in_fastapi(chat: FastAPI) -> ASGIApp:
    app = FastAPI(lifespan=lifespan_of(chat))
    app.mount("/chat", chat)
    return app


def within_another(chat: FastAPI) -> ASGIApp:
    """Behind a middleware, and beside a route that has the name of one of the service's."""
    inner = Starlette(routes=[Mount("/chat", chat), Route("/console", lambda _: PlainTextResponse("another console"))])
    return Starlette(
        routes=[Mount("/team", inner)], lifespan=lifespan_of(chat), middleware=[Middleware(GZipMiddleware)]
    )


@pytest.fixture(
    scope="module", params=[(in_fastapi, "/chat"), (within_another, "/team/chat")], ids=["mounted", "nested"]
)
async def address(request: pytest.FixtureRequest, shared_database_url: str, model: TaughtModel) -> AsyncIterator[str]:
    around: Callable[[FastAPI], ASGIApp]
    around, path = request.param
    async with running(shared_database_url, model=model, around=around) as service:
        yield service.url + path


@pytest.fixture
async def tab(browser: Browser, address: str) -> AsyncIterator[Tab]:
    """A tab that must not ask for anything but what is below the service's own path."""
    async with browsing_at(browser, address) as tab:
        yield tab


async def sign_in(tab: Tab, username: str, password: str, button: str = "Sign in") -> None:
    await tab.page.get_by_label("Username").fill(username)
    await tab.page.get_by_label("Password", exact=True).fill(password)
    if button == "Create account":
        await tab.page.get_by_label("Repeat the password").fill(password)
    await tab.page.get_by_role("button", name=button).click()
    await expect(tab.get("#sign-in")).to_be_hidden()


async def test_registering_chatting_and_following_a_stream(tab: Tab, address: str, model: TaughtModel) -> None:
    story = f"A story at {address}"
    model.teach(story, "Once upon", None, " a **time**.")
    await tab.open()
    await tab.page.get_by_role("button", name="Create account").click()
    await sign_in(tab, f"user-of-{address.count('/')}", PASSWORD, "Create account")
    await tab.say(story, wait=False)
    await expect(tab.reply()).to_contain_text("Once upon")
    await expect(tab.page).to_have_url(f"{address}/c/{tab.page.url.rpartition('/')[2]}")
    await tab.page.reload()
    await expect(tab.reply()).to_contain_text("Once upon")
    model.go_on(story)
    await tab.answered()
    await expect(tab.reply().locator("strong")).to_have_text("time")
    await tab.choose(tab.get("#me"), "Sign out")
    await expect(tab.page).to_have_url(f"{address}/")


async def test_the_console(tab: Tab, address: str) -> None:
    await tab.open("/console")
    await sign_in(tab, "admin", ADMIN_PASSWORD)
    await tab.open("/console")
    await expect(tab.get("#list li").first).to_be_visible()
    for link in ("History", "Statistics", "Audit trail"):
        await tab.page.get_by_role("link", name=link, exact=True).click()
        await expect(tab.page.get_by_role("link", name=link, exact=True)).to_have_attribute("aria-current", "page")
        assert tab.page.url.startswith(f"{address}/console/")
