"""Strangers by the dozen, at a service that runs as its operators run it."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from tests.accounts.browsing import AUTH, log_in
from tests.support.process import serving
from tests.support.running import ADMIN_PASSWORD, PASSWORD

STRANGERS = 80
SIGN_INS = 31
PER_HOUR = 40
# As long as a request may take before a person gives up; alone it takes a tenth of a second.
PATIENCE_SECONDS = 10


async def test_an_owner_signs_in_while_strangers_register(database_url: str, tmp_path: Path) -> None:
    made: Counter[int] = Counter()
    flooding = asyncio.Event()

    async def flood(client: httpx2.AsyncClient, stranger: int) -> None:
        number = 0
        while True:
            number += 1
            body = {"username": f"stranger-{stranger}-{number}", "password": PASSWORD}
            # Half of them from one address, the others from a network of their own.
            place = "192.0.2.1" if stranger % 2 else f"2001:db8:7:{stranger:x}::{number:x}"
            answer = await client.post(f"{AUTH}/register", json=body, headers={"X-Forwarded-For": place})
            made[answer.status_code] += 1
            if answer.status_code in (429, 503):
                assert int(answer.headers["retry-after"]) > 0
            if sum(made.values()) > STRANGERS:
                flooding.set()
            client.cookies.clear()

    async with (
        serving(
            tmp_path,
            database_url=database_url,
            admin_password=ADMIN_PASSWORD,
            trusted_proxies="127.0.0.1",
            max_registrations_per_hour=PER_HOUR,
        ) as service,
        AsyncExitStack() as stack,
    ):
        clients = [
            await stack.enter_async_context(httpx2.AsyncClient(base_url=service.url, timeout=60, verify=False))
            for _ in range(STRANGERS)
        ]
        tasks = [asyncio.create_task(flood(client, number)) for number, client in enumerate(clients)]
        await flooding.wait()
        waits, statuses = [], []
        for number in range(SIGN_INS):
            # Every third from an address that has never been seen.
            place = f"198.51.100.{number}" if number % 3 == 0 else "203.0.113.7"
            async with httpx2.AsyncClient(base_url=service.url, timeout=60, verify=False) as owner:
                began = time.monotonic()
                answer = await log_in(owner, "admin", ADMIN_PASSWORD, headers={"X-Forwarded-For": place})
                waits.append(time.monotonic() - began)
                statuses.append(answer.status_code)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    assert statuses == [200] * SIGN_INS, Counter(statuses)
    assert max(waits) < PATIENCE_SECONDS
    # One address, and one network of four times as many.
    assert 0 < made[201] <= PER_HOUR * 5
    assert made[429] > 0
    assert set(made) <= {201, 429, 503}
    print(f"\n{made} sign-ins: median {sorted(waits)[SIGN_INS // 2]:.2f} s, longest {max(waits):.2f} s")
