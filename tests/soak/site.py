"""The service under load, and what its clients found wrong."""

import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.crash.replies import prompt_for
from tests.support.running_service import PASSWORD, Person

# A killed database is back by then, and answers may be cut off in their middle until then.
OUTAGE_SECONDS = 20.0
PIECES = (3, 30)


@dataclass
class Site:
    """Shared by all clients.

    Attributes:
        wrong: answers that nobody should get.
        rounds: how often each kind of client has done what it does.
    """

    url: str
    chance: random.Random
    people: list[Person] = field(default_factory=list)
    administrators: list[Person] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)
    outage_began: float = float("-inf")

    @property
    def is_outage(self) -> bool:
        return time.monotonic() - self.outage_began < OUTAGE_SECONDS

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Yield a client of its own, which nobody is signed in on."""
        async with self.new_client() as client:
            yield client

    def new_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=60, verify=False, trust_env=False)

    def someone(self) -> Person:
        return self.chance.choice(self.people)

    def prompt(self) -> str:
        return prompt_for(secrets.token_hex(8), self.chance.randint(*PIECES))

    async def ask(
        self, client: httpx2.AsyncClient, method: str, path: str, *expected: int, **options: Any
    ) -> httpx2.Response:
        """Send a request; an answer that is not expected is noted."""
        answer = await client.request(method, path, **options)
        self.took(answer, *expected)
        return answer

    def took(self, answer: httpx2.Response, *expected: int) -> bool:
        """Note an answer; return whether it is one of those expected. Too many, and not now, are right answers."""
        self.statuses[answer.status_code] += 1
        if answer.status_code in expected:
            return True
        if answer.status_code not in (429, 503) or "retry-after" not in answer.headers:
            self.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code}")
        return False

    async def sign_in(self, client: httpx2.AsyncClient, username: str, password: str = PASSWORD) -> bool:
        body = {"username": username, "password": password}
        return (await self.ask(client, "POST", "/api/v1/auth/login", 200, json=body)).status_code == 200

    async def register(self, client: httpx2.AsyncClient) -> Person | None:
        """Sign somebody new up; return None where that is not to be had now."""
        name = f"soak-{secrets.token_hex(6)}"
        body = {"username": name, "password": PASSWORD}
        answer = await self.ask(client, "POST", "/api/v1/auth/register", 201, json=body)
        return Person(client, answer.json()["id"], name) if answer.status_code == 201 else None

    async def conversation(self, client: httpx2.AsyncClient) -> str | None:
        answer = await self.ask(client, "POST", "/api/v1/conversations", 201, json={})
        return str(answer.json()["id"]) if answer.status_code == 201 else None
