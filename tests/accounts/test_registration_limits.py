"""How many may register from where. The tests' own address is a proxy that is believed about the client's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx2
import pytest

from chatkeep.accounts.throttling import NETWORK_FACTOR, REGISTRATION_WINDOW, network_of
from tests.accounts.client import AUTH, change, code_of, value
from tests.accounts.clocks import MovableClock
from tests.support.patience import patience
from tests.support.running_service import PASSWORD, RunningService, running

FEW = 4
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"
WINDOW_SECONDS = REGISTRATION_WINDOW.total_seconds()
ACCOUNTS = "SELECT count(*) FROM users WHERE role = 'user'"


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    with patience():
        async with running(
            shared_database_url, trusted_proxies="127.0.0.0/8", max_registrations_per_hour=FEW, allow_guests=True
        ) as service:
            yield service


@pytest.fixture(autouse=True)
async def _nothing_counted(service: RunningService) -> None:
    await change(service.database, "DELETE FROM login_attempts")
    await change(service.database, "DELETE FROM users WHERE role = 'user'")


async def register(
    service: RunningService, name: str, address: str = HOME, password: str = PASSWORD
) -> httpx2.Response:
    body = {"username": name, "password": password}
    return await service.client(headers={"X-Forwarded-For": address}).post(f"{AUTH}/register", json=body)


async def statuses(service: RunningService, address: str, number: int) -> list[int]:
    names = (f"{address.replace(':', '-')}-{each}" for each in range(number))
    return [(await register(service, name, address)).status_code for name in names]


async def test_so_many_accounts_are_made_from_one_address_and_no_more(service: RunningService) -> None:
    answers = await asyncio.gather(*(register(service, f"many-{number}") for number in range(4 * FEW)))
    assert Counter(answer.status_code for answer in answers) == {201: FEW, 429: 3 * FEW}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert code_of(refused) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert "set-cookie" not in refused.headers
    assert await value(service.database, ACCOUNTS) == FEW
    assert (await register(service, "somebody-elsewhere", ELSEWHERE)).status_code == 201


async def test_tries_that_make_no_account_count_too(service: RunningService) -> None:
    taken = await register(service, "owner")
    again = [await register(service, "OWNER") for _ in range(FEW - 2)]
    weak = await register(service, "weak", password="password")
    assert [each.status_code for each in (taken, *again, weak)] == [201] + [409] * (FEW - 2) + [422]
    assert (await register(service, "next")).status_code == 429


async def test_what_is_no_name_and_no_body_costs_nothing_and_counts_nowhere(service: RunningService) -> None:
    for _ in range(2 * FEW):
        assert (await register(service, "two words")).status_code == 422
    assert (await register(service, "one-word")).status_code == 201


async def test_processes_count_registrations_together(service: RunningService, shared_database_url: str) -> None:
    async with running(shared_database_url, trusted_proxies="127.0.0.0/8", max_registrations_per_hour=FEW) as another:
        answers = await asyncio.gather(
            *(register(each, f"p{id(each)}-{n}") for each in (service, another) for n in range(FEW))
        )
    assert Counter(answer.status_code for answer in answers) == {201: FEW, 429: FEW}


async def test_after_an_hour_people_register_again(service: RunningService, clock: MovableClock) -> None:
    assert await statuses(service, HOME, FEW + 1) == [201] * FEW + [429]
    clock.advance(WINDOW_SECONDS)
    assert (await register(service, "an-hour-later")).status_code == 201


@pytest.mark.parametrize("start", ["2001:db8:1:{:x}::1", "198.51.100.{}"])
async def test_a_network_of_many_addresses_is_bounded_as_well(service: RunningService, start: str) -> None:
    made = [await statuses(service, start.format(place), FEW) for place in range(NETWORK_FACTOR)]
    assert made == [[201] * FEW] * NETWORK_FACTOR
    assert await statuses(service, start.format(200), 2) == [429] * 2
    assert (await register(service, "another-network", "2001:db8:2::1")).status_code == 201


async def test_a_household_of_ipv6_registers_as_one_place(service: RunningService) -> None:
    answers = [await register(service, f"v6-{n}", f"2001:db8:1:2:{n:x}::1") for n in range(FEW + 1)]
    assert [each.status_code for each in answers] == [201] * FEW + [429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_is_what_one_customer_may_have(address: str, network: str) -> None:
    assert network_of(address) == network
