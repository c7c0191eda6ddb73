"""Two services on one host, on two ports, in one browser: cookies ignore ports."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import PASSWORD, RunningService, running
from tests.web.browser import Tab, browsing_at, tab_in

OTHER_KEY = "another key for tests: zyxwvutsrqponmlkjihgfedcba"


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[RunningService]:
    """A second service, with a key and a database of its own."""
    async with running(database_url, secret_key=OTHER_KEY) as service:
        yield service


async def register(tab: Tab, username: str) -> None:
    await tab.open()
    await tab.page.get_by_role("button", name="Create account").click()
    await tab.page.get_by_label("Username").fill(username)
    await tab.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await tab.page.get_by_label("Repeat the password").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Create account").click()
    await expect(tab.get("#me")).to_contain_text(username)


async def is_signed_in(tab: Tab, username: str) -> None:
    await tab.open()
    await expect(tab.get("#me")).to_contain_text(username)


async def test_nobody_is_signed_out_by_the_other_service(
    browser: Browser, service: RunningService, other: RunningService
) -> None:
    async with browsing_at(browser, service.url) as first:
        second = await tab_in(first.page.context, other.url)
        await register(first, "here")
        await register(second, "there")
        await is_signed_in(first, "here")
        await second.choose(second.get("#me"), "Sign out")
        await expect(second.get("#sign-in")).to_be_visible()
        await is_signed_in(first, "here")
        await register(second, "again")
        await first.choose(first.get("#me"), "Sign out")
        await expect(first.get("#sign-in")).to_be_visible()
        await is_signed_in(second, "again")
        second.check()


async def test_a_cookie_of_another_application_stays_and_so_does_ours(
    browser: Browser, service: RunningService
) -> None:
    async with browsing_at(browser, service.url) as tab:
        context = tab.page.context
        await context.add_cookies([{"name": "sid", "value": "s%3Aforeign", "url": service.url}])
        await register(tab, "beside")
        await tab.choose(tab.get("#me"), "Sign out")
        await expect(tab.get("#sign-in")).to_be_visible()
        kept = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
        assert kept["sid"] == "s%3Aforeign"
