"""The browser, and a service whose model says what a test taught it."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.running_service import Person, RunningService, running
from tests.web.browser import Tab, browser_running, browsing
from tests.web.models import TaughtModel


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with browser_running() as browser:
        yield browser


@pytest.fixture(scope="module")
def model() -> TaughtModel:
    return TaughtModel()


@pytest.fixture(scope="module")
async def service(shared_database_url: str, model: TaughtModel) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=model) as service:
        yield service


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


@pytest.fixture
async def tab(browser: Browser, service: RunningService, person: Person) -> AsyncIterator[Tab]:
    """A tab of somebody who is signed in and has said nothing yet."""
    async with browsing(browser, service, person) as tab:
        yield tab
