"""Strangers by the dozen, at a service that runs as its operators run it."""

import asyncio
import json
import re
import time
from collections import Counter
from itertools import count
from pathlib import Path

import httpx2

from tests.accounts.client import AUTH, log_in
from tests.support.process import serving
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD

STRANGERS = 80
SIGN_INS = 31
PER_HOUR = 40
# As long as a request may take before a person gives up; alone it takes a tenth of a second.
PATIENCE_SECONDS = 10


class Flood:
    """Connections that register one name after the other, as fast as they are answered, and what they are answered.

    Not by a client's library: it would take more of the processor than the service.
    """

    def __init__(self, url: str) -> None:
        self.answers: Counter[int] = Counter()
        self.begun = asyncio.Event()
        self._port = int(url.rpartition(":")[2])

    async def register(self, stranger: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for number in count():
                writer.write(self._request(stranger, number))
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                status, length = int(head.split()[1]), re.search(r"content-length: (\d+)", head)
                assert length is not None, head
                await reader.readexactly(int(length[1]))
                assert status not in (429, 503) or "retry-after: " in head
                self.answers[status] += 1
                if self.answers.total() > STRANGERS:
                    self.begun.set()
        finally:
            writer.close()

    @staticmethod
    def _request(stranger: int, number: int) -> bytes:
        body = json.dumps({"username": f"stranger-{stranger}-{number}", "password": PASSWORD})
        # Half of them from one address, the others from ever new ones of one network.
        place = "192.0.2.1" if stranger % 2 else f"2001:db8:7:{stranger:x}::{number:x}"
        return (
            f"POST {AUTH}/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: {place}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


async def test_an_owner_signs_in_while_strangers_register(database_url: str, tmp_path: Path) -> None:
    settings = {"trusted_proxies": "127.0.0.1", "max_registrations_per_hour": PER_HOUR}
    waits, refused = [], []
    async with serving(tmp_path, database_url=database_url, admin_password=ADMIN_PASSWORD, **settings) as service:
        flood = Flood(service.url)
        tasks = [asyncio.create_task(flood.register(number)) for number in range(STRANGERS)]
        await flood.begun.wait()
        for number in range(SIGN_INS):
            # Every third from an address that has never been seen.
            place = f"198.51.{number}.1" if number % 3 == 0 else "203.0.113.7"
            async with httpx2.AsyncClient(base_url=service.url, timeout=60, verify=False) as owner:
                began = time.monotonic()
                answer = await log_in(owner, "admin", ADMIN_PASSWORD, headers={"X-Forwarded-For": place})
                waits.append(time.monotonic() - began)
                refused += [] if answer.status_code == 200 else [answer.text]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)

    print(f"\n{dict(flood.answers)} median {sorted(waits)[SIGN_INS // 2]:.2f} s, longest {max(waits):.2f} s")
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    assert not refused, refused
    assert max(waits) < PATIENCE_SECONDS
    # One address, and one network of four times as many.
    assert 0 < flood.answers[201] <= PER_HOUR * 5
    assert flood.answers[429] > 0
    assert set(flood.answers) <= {201, 429, 503}
