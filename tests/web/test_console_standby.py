"""The console says what was read on a standby, and how far behind that may be."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from chatkeep.database import migrations
from tests.database.test_reads import reads_on
from tests.support.clusters import cluster, standby
from tests.support.running_service import RunningService, running
from tests.web.browser import browsing
from tests.web.test_accessibility import assert_accessible


@pytest.fixture
async def beside_a_standby() -> AsyncIterator[RunningService]:
    async with cluster() as primary:
        await asyncio.to_thread(migrations.upgrade, primary.url)
        async with (
            standby(primary) as second,
            running(primary.url, read_database_url=second.url, read_max_lag_seconds=600) as service,
        ):
            await reads_on(service, "standby")
            yield service


async def test_each_page_says_it(browser: Browser, beside_a_standby: RunningService) -> None:
    service = beside_a_standby
    alice = await service.person()
    await alice.say(await alice.conversation(), "hello")
    async with browsing(browser, service, await service.administrator()) as tab:
        lag = tab.get("#lag")
        await tab.open("/console/users")
        await expect(lag).to_be_empty()
        await tab.open("/console/history")
        await expect(lag).to_be_empty()
        await tab.page.get_by_role("button", name="Show").click()
        await expect(lag).to_contain_text("Read on a standby, which may be up to")
        await assert_accessible(tab)
        for page in ("statistics", "audit"):
            await tab.open(f"/console/{page}")
            await expect(lag).to_contain_text("Read on a standby")
        await tab.page.get_by_role("button", name="Verify").click()
        await expect(tab.get("#verdict .good")).to_be_visible()
        await expect(lag).to_contain_text("Read on a standby")


async def test_without_a_standby_no_page_says_it(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, await service.administrator()) as tab:
        for page in ("statistics", "audit"):
            await tab.open(f"/console/{page}")
            await expect(tab.get("#lag")).to_be_empty()
