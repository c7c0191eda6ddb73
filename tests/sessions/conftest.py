"""Shared by the tests of the session library."""

from collections.abc import AsyncIterator

import pytest

from chatkeep.sessions import SessionStore
from tests.sessions.applications import MovableClock
from tests.sessions.stores import KINDS, store_of
from tests.support.patience import patience


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, shared_database_url: str) -> AsyncIterator[SessionStore]:
    """Each kind of store in turn."""
    with patience():
        async with store_of(request.param, shared_database_url) as store:
            yield store
