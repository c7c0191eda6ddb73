"""A service whose model's replies are held, with somebody signed in."""

from collections.abc import AsyncIterator

import pytest

from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running


@pytest.fixture
def model() -> HeldModel:
    return HeldModel("A reply")


@pytest.fixture
async def service(shared_database_url: str, model: HeldModel) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        yield service


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()
