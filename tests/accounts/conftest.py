"""Shared by the tests of accounts: a clock that tests move, and the database as it is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatkeep.accounts.passwords import PasswordHasher
from tests.accounts.clocks import MovableClock
from tests.support.running_service import RunningService


@pytest.fixture(scope="package", autouse=True)
def _hashes_as_everywhere(light_hashes: None) -> Iterator[None]:
    """How long a hash takes is part of what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatkeep.app.parts.PasswordHasher", PasswordHasher)
        yield


@pytest.fixture
def clock(service: RunningService) -> Iterator[MovableClock]:
    """The shared service's clock for accounts, for the length of one test."""
    accounts, clock = service.app.state.accounts, MovableClock()
    service.app.state.accounts = replace(accounts, clock=clock)
    yield clock
    service.app.state.accounts = accounts
