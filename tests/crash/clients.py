"""Clients of the service over real HTTP: every answer is timed, every broken connection has to have a reason."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.crash.acknowledgements import AcknowledgementLog
from tests.crash.findings import Findings
from tests.crash.processes import Replica, Replicas
from tests.support.events import Event, read_events

PASSWORD = "crashing computers lose nothing"
PROBLEM = "application/problem+json"
NO_ANSWER_SECONDS = 40
SEVERAL_TRIES_PAUSE_SECONDS = 0.1


class Away(Exception):
    """The connection ended, as it had to: the process at its other end was killed or told to stop."""


class Refused(Exception):
    """An answer that is none of success."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of one answer; `began` and `ended` are on the monotonic clock. Status 0: the connection broke."""

    request: str
    status: int
    media_type: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Site:
    """Shared by all clients of one scenario.

    Attributes:
        ending: no client begins anything new.
    """

    replicas: Replicas
    log: AcknowledgementLog
    findings: Findings
    chance: random.Random
    answers: list[Answer] = field(default_factory=list)
    ending: bool = False
    _browsers: list["Browser"] = field(default_factory=list)

    def browser(self, cookies: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> "Browser":
        browser = Browser(self, cookies or {}, headers or {})
        self._browsers.append(browser)
        return browser

    async def person(self) -> "Browser":
        """Register somebody new."""
        browser = self.browser()
        browser.username = f"user-{secrets.token_hex(8)}"
        await browser.insist("POST", "/api/v1/auth/register", browser.credentials(PASSWORD))
        await self.log.keep("signed_in", username=browser.username, cookie=browser.cookie)
        return browser

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.close()


class Browser:
    """One cookie jar; each request goes to any replica that is up."""

    def __init__(self, site: Site, cookies: Mapping[str, str], headers: Mapping[str, str]) -> None:
        self.username = ""
        self._site = site
        # Idle connections are dropped before the server does it, whose end could cross a request.
        limits = httpx2.Limits(max_connections=None, keepalive_expiry=2)
        self._http = httpx2.AsyncClient(
            cookies=dict(cookies),
            headers=dict(headers),
            limits=limits,
            timeout=NO_ANSWER_SECONDS,
            verify=False,
            trust_env=False,
        )

    @property
    def cookie(self) -> str:
        return str(self._http.cookies.get("sid", ""))

    def credentials(self, password: str) -> dict[str, str]:
        return {"username": self.username, "password": password}

    async def ask(self, method: str, path: str, body: object = None, *, at: Replica | None = None) -> httpx2.Response:
        """Send one request and return whatever is answered.

        Raises:
            Away: the replica ended meanwhile.
        """
        async with self.asking(method, path, body, at=at) as answer:
            await answer.aread()
        return answer

    async def insist(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Send a request until it is answered with something else than 503; it may be carried out several times."""
        while True:
            try:
                answer = await self.ask(method, path, body)
            except Away:
                continue
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(SEVERAL_TRIES_PAUSE_SECONDS)

    @asynccontextmanager
    async def asking(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        at: Replica | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """Send one request; yield the answer as soon as its head is there."""
        replica = at or await self._site.replicas.one()
        endings, began = replica.endings, time.monotonic()
        try:
            async with self._http.stream(
                method, replica.url + path, json=body, headers={"Accept": "text/event-stream", **(headers or {})}
            ) as answer:
                media_type = answer.headers.get("content-type", "").partition(";")[0]
                self._took(method, path, answer.status_code, media_type, began)
                yield answer
        except httpx2.TransportError as error:
            self._took(method, path, 0, "", began)
            if replica.endings == endings:
                detail = f"{method} {path} at {replica.name}: {type(error).__name__} {error}"
                self._site.findings.add("no connection is lost", detail)
                await asyncio.sleep(SEVERAL_TRIES_PAUSE_SECONDS)
            raise Away from error

    @asynccontextmanager
    async def events(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        at: Replica | None = None,
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Open a stream of events.

        Raises:
            Away: the replica ended meanwhile.
            Refused: there is no stream.
        """
        async with self.asking(method, path, body, headers=headers, at=at) as answer:
            if answer.status_code != 200:
                raise await _refusal(answer)
            yield read_events(answer.aiter_lines())

    async def close(self) -> None:
        await self._http.aclose()

    def _took(self, method: str, path: str, status: int, media_type: str, began: float) -> None:
        self._site.answers.append(Answer(f"{method} {path}", status, media_type, began, time.monotonic()))


async def _refusal(answer: httpx2.Response) -> Refused:
    await answer.aread()
    document: Any = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    return Refused(answer.status_code, str(document.get("code", "")))
