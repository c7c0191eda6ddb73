"""A run: so many requests at a service, and all that was wrong."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chatkeep.app.openapi import OPENAPI_PATH
from tests.fuzz.checks import faults_of
from tests.fuzz.requests import Caller, Request, Requests
from tests.fuzz.wire import sent
from tests.support.running_service import USERS_SCOPES, Person, RunningService

AT_ONCE = 16
PROGRESS_SECONDS = 10.0
# How often each of `_callers` asks.
WEIGHTS = (1, 3, 2, 3)
# Deleted, signed out and ended by the requests themselves: from time to time everybody is somebody new.
RENEWED_REQUESTS = 200


@dataclass
class Report:
    """The results of a run.

    Attributes:
        statuses: how often each was answered; 0 is no answer.
        faults: each with the request that shows it.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.statuses.total()

    def told(self) -> str:
        statuses = ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(self.statuses.items()))
        unavailable = ", ".join(f"{count} x {code}" for code, count in self.refusals.items())
        return f"{self.sent} requests: {statuses}; 503: {unavailable or 'none'}; {len(self.faults)} faults"


class Fuzzing:
    """Sends random requests at a running service."""

    def __init__(self, service: RunningService, seed: int, *, progress: bool = False) -> None:
        self._service = service
        self._chance = random.Random(seed)
        self._progress = progress
        self.report = Report()

    async def run(self, count: int) -> Report:
        """Send so many."""
        document = (await self._service.client().get(OPENAPI_PATH)).json()
        requests = Requests(self._chance, document, self._service.url.removeprefix("http://"))
        shown = time.monotonic()
        while self.report.sent < count:
            callers = await self._callers()
            until = min(self.report.sent + RENEWED_REQUESTS, count)
            while self.report.sent < until:
                wave = min(AT_ONCE, until - self.report.sent)
                await asyncio.gather(
                    *(self._one(requests.by(each)) for each in self._chance.choices(callers, WEIGHTS, k=wave))
                )
                if self._progress and time.monotonic() - shown > PROGRESS_SECONDS:
                    shown = time.monotonic()
                    print(f"  {self.report.told()}", flush=True)
        return self.report

    async def _one(self, request: Request) -> None:
        answer = await sent(self._service.url, request.payload)
        self.report.statuses[answer.status] += 1
        if answer.status == 503:
            self.report.refusals[answer.code] += 1
        for fault in faults_of(request, answer):
            told = f"{request.label} by {request.caller}: {fault}; {request.payload[:600]!r}"
            self.report.faults.append(told)
            if self._progress:
                print(f"  {told}", flush=True)

    async def _callers(self) -> list[Caller]:
        """Return nobody, and new people: by cookie, by token, and one who may administer."""
        person, second = await self._service.person(), await self._service.person()
        administrator = await self._service.administrator()
        brief = await self._service.person()
        path = f"/api/v1/admin/users/{brief.id}"
        answer = await administrator.client.patch(path, json={"role": "admin"})
        assert answer.status_code == 200, answer.text
        known = await self._things(person, second) | {"user_id": [brief.id, person.id, second.id]}
        return [
            Caller("nobody", {}, known),
            Caller("a user", _cookie(person), known),
            Caller("a token", {"Authorization": f"Bearer {await self._token(second)}"}, known),
            Caller("an administrator", _cookie(await self._again(brief)), known),
        ]

    async def _things(self, *people: Person) -> dict[str, list[str]]:
        conversations = [await each.conversation() for each in people]
        turns = [
            await each.say(conversation, "Which tea keeps me awake?")
            for each, conversation in zip(people, conversations, strict=True)
        ]
        return {"conversation_id": conversations, "turn_id": [turn["id"] for turn in turns]}

    async def _token(self, person: Person) -> str:
        answer = await person.client.post("/api/v1/auth/tokens", json={"name": "fuzz", "scopes": USERS_SCOPES})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def _again(self, person: Person) -> Person:
        """Ask once more, since a change of role gives a new cookie with the next answer."""
        answer = await person.client.get("/api/v1/auth/me")
        assert answer.json()["role"] == "admin", answer.text
        return person


def _cookie(person: Person) -> dict[str, Any]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())}
