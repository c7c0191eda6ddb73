"""Rows that the service sweeps away by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from chatkeep.accounts import guests
from chatkeep.accounts.guests import sweep_guests
from chatkeep.app.maintenance import cleanup
from tests.accounts.client import AUTH, value
from tests.accounts.clocks import MovableClock
from tests.accounts.guests import CONVERSATIONS, guest, same_browser
from tests.accounts.test_guest_sign_in import left_of
from tests.support.running_service import PASSWORD, RunningService, running

TTL = 3600


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[RunningService]:
    async with running(database_url, allow_guests=True, guest_ttl_seconds=TTL) as service:
        yield service


@pytest.fixture
def clock(service: RunningService) -> MovableClock:
    clock = MovableClock()
    service.app.state.accounts = replace(service.app.state.accounts, clock=clock)
    return clock


async def sweep(service: RunningService) -> int:
    unused_since = service.app.state.accounts.clock() - timedelta(seconds=TTL)
    return await sweep_guests(service.database, service.audit, unused_since)


async def test_a_guest_is_kept_for_its_time_after_the_last_use(service: RunningService, clock: MovableClock) -> None:
    leaves, stays = await guest(service), await guest(service)
    clock.advance(TTL - 60)
    assert (await stays.client.get(CONVERSATIONS)).status_code == 200
    clock.advance(120)
    await cleanup(service.app.state.accounts)
    assert await left_of(service, leaves) == {}
    assert (await leaves.client.get(f"{AUTH}/me")).status_code == 401
    assert (await stays.client.get(f"{AUTH}/me")).json()["id"] == stays.id
    assert await sweep(service) == 0
    assert (await leaves.client.post(CONVERSATIONS, json={})).status_code == 201, "as a new guest"


async def test_accounts_are_not_swept_nor_who_was_a_guest(service: RunningService, clock: MovableClock) -> None:
    account, person = await service.person(), await guest(service)
    body = {"username": "was-a-guest", "password": PASSWORD}
    assert (await person.client.post(f"{AUTH}/register", json=body)).status_code == 201
    clock.advance(10 * TTL)
    assert await sweep(service) == 0
    query = "SELECT count(*) FROM users WHERE id IN (:one, :other)"
    assert await value(service.database, query, one=UUID(account.id), other=UUID(person.id)) == 2


async def test_guests_who_signed_out_are_swept_too(service: RunningService, clock: MovableClock) -> None:
    person = await guest(service)
    await person.client.post(f"{AUTH}/logout")
    clock.advance(TTL + 60)
    assert await sweep(service) == 1
    assert await left_of(service, person) == {}


async def test_many_are_swept_batch_by_batch_past_those_who_stay(
    service: RunningService, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "SWEPT_AT_ONCE", 2)
    people = [await guest(service) for _ in range(7)]
    clock.advance(TTL - 60)
    for person in people[:3]:
        await same_browser(service, person).get(CONVERSATIONS)
    clock.advance(120)
    assert await sweep(service) == 4
    assert await value(service.database, "SELECT count(*) FROM users WHERE is_guest") == 3
