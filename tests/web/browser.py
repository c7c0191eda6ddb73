"""A real browser on the pages: what one does in it, and what must not happen whatever one does."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from tests.support.running_service import Person, RunningService

# Set where the tests must run: a missing browser is then a failure.
REQUIRED = "CHATKEEP_TEST_BROWSER_REQUIRED"
# The first is the same browser without windows, and takes a third of the processor.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=15_000)  # machines that test are busy
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE = {"width": 390, "height": 780}


def browser_program() -> str:
    """Return the browser's program; without one, skip, or fail where it is required."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        why = f"no browser is installed ({', '.join(PROGRAMS)}); on Debian: apt-get install chromium"
        if os.environ.get(REQUIRED):
            pytest.fail(why)
        pytest.skip(why)
    return program


@asynccontextmanager
async def browser_running(*more_options: str) -> AsyncIterator[Browser]:
    program = browser_program()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*OPTIONS, *more_options])
        yield browser
        await browser.close()


@dataclass
class Tab:
    """One tab, and everything in it that should not have happened.

    Attributes:
        expected: parts of console messages that a test brings about on purpose.
    """

    page: Page
    url: str
    expected: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    requested: list[Request] = field(default_factory=list)

    def watch(self) -> None:
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error.stack or error}"))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requested.append(request)
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.faults.append(f"left the origin: {request.url}")

    def check(self) -> None:
        found = [fault for fault in self.faults if not any(each in fault for each in self.expected)]
        assert not found, "\n".join(found)

    async def open(self, path: str = "/") -> None:
        await self.page.goto(self.url + path)

    def get(self, selector: str) -> Locator:
        return self.page.locator(selector)

    async def say(self, text: str, *, wait: bool = True) -> None:
        """Send a message, and wait until it is answered."""
        before = await self.get(".turn").count()
        await self.get("#prompt").fill(text)
        await self.get("#prompt").press("Enter")
        await expect(self.get(".turn")).to_have_count(before + 1)
        if wait:
            await self.answered()

    async def answered(self) -> None:
        await expect(self.get("[aria-busy=true]")).to_have_count(0)
        await expect(self.get("#send")).to_be_visible()

    async def height(self, selector: str) -> float:
        """Return how high an element is drawn, in pixels."""
        return float(await self.get(selector).evaluate("(element) => element.getBoundingClientRect().height"))

    def reply(self, number: int = -1) -> Locator:
        return self.get(".turn .reply").nth(number)

    async def choose(self, button: Locator, item: str) -> None:
        """Open a menu and choose from it."""
        await button.click()
        await self.page.get_by_role("menuitem", name=item, exact=True).click()

    async def menu(self, item: str) -> None:
        await self.choose(self.get("#more"), item)


async def tab_in(context: BrowserContext, url: str) -> Tab:
    tab = Tab(await context.new_page(), url)
    tab.watch()
    return tab


@asynccontextmanager
async def browsing_at(browser: Browser, url: str, **options: Any) -> AsyncIterator[Tab]:
    """Open a tab of somebody who is not signed in; nothing in it may leave what is below `url`."""
    context = await browser.new_context(**({"locale": "en-GB", "viewport": {"width": 1200, "height": 800}} | options))
    tab = await tab_in(context, url)
    try:
        yield tab
        tab.check()
    finally:
        await context.close()


@asynccontextmanager
async def browsing(
    browser: Browser, service: RunningService, person: Person | None, **options: Any
) -> AsyncIterator[Tab]:
    """Open a tab, signed in as `person`; at its end, nothing bad has happened in it."""
    async with browsing_at(browser, service.url, **options) as tab:
        if person is not None:
            held = person.client.cookies.items()
            cookies = [{"name": name, "value": value, "url": service.url} for name, value in held]
            await tab.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # their type names every field
        yield tab
