"""One run: warming up, a rest, load with a killed database in it, a rest."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.database.postgres.data_folders import kill_server
from tests.soak.actors import ACTORS, Round
from tests.soak.judging import Verdict, at_rest, of_memory
from tests.soak.measuring import MEMORY, Processes, Sample
from tests.soak.site import Site
from tests.support.process import ServeProcess
from tests.support.running_service import ADMIN_PASSWORD, Person

POOL_SIZE = 16
WORKERS = 2
SETTINGS: dict[str, object] = {
    "admin_password": ADMIN_PASSWORD,
    "allow_guests": "true",
    "database_pool_size": POOL_SIZE,
    "log_format": "json",
    "max_registrations_per_hour": 1_000_000,
    "shutdown_grace_seconds": 2,
}
PEOPLE = 6
WARMING_SHARE = 0.3
# Of the time after warming up, when the database is killed: late, since its memory is judged before.
KILL_SHARE = 0.85
SAMPLE_SECONDS = 1.0
PROGRESS_SECONDS = 15.0
REST_SECONDS = 8.0
REST_LOOKS = 4
RETRY_SECONDS = 0.5


@dataclass
class Outcome:
    """The measurements, and everything that was wrong.

    Attributes:
        logged: lines of the log that only faults write.
    """

    seconds: float
    verdicts: list[Verdict]
    rounds: Counter[str]
    statuses: Counter[int]
    wrong: list[str]
    logged: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        grown = [
            f"{each.process}: {each.measure} grew from {each.first:.1f} to {each.last:.1f}"
            for each in self.verdicts
            if not each.is_flat
        ]
        idle = [f"{each.__name__} never came to its end" for each in ACTORS if not self.rounds[each.__name__]]
        wrong = [f"{count} x {what}" for what, count in Counter(self.wrong).most_common()]
        return [*grown, *idle, *wrong, *(f"in the log: {line[:1_000]}" for line in self.logged)]

    @property
    def passed(self) -> bool:
        return not self.faults


class Soak:
    """One service under load for so many seconds."""

    def __init__(self, process: ServeProcess, data: Path, seconds: float, chance: random.Random) -> None:
        self._data = data
        self._seconds = seconds
        self._site = Site(process.url, chance)
        self._processes = Processes(process.pid, data)
        self._began = time.monotonic()
        self._killed_at = 0.0

    async def run(self) -> Outcome:
        try:
            await self._fill()
            await self._load(self._seconds * WARMING_SHARE, kills=False)
            before = await self._rest()
            samples = await self._load(self._seconds * (1 - WARMING_SHARE), kills=True)
            after = await self._rest()
        finally:
            for each in (*self._site.people, *self._site.administrators):
                await each.client.aclose()
        self._site.wrong += [f"{each} ended" for each in self._processes.gone()]
        verdicts = of_memory(samples, self._killed_at) + at_rest(before, after, WORKERS * POOL_SIZE)
        return Outcome(self._seconds, verdicts, self._site.rounds, self._site.statuses, self._site.wrong)

    async def _fill(self) -> None:
        while len(self._site.people) < PEOPLE:
            client = self._site.new_client()
            if person := await self._site.register(client):
                self._site.people.append(person)
            else:
                await client.aclose()
        client = self._site.new_client()
        while not await self._site.sign_in(client, "admin", ADMIN_PASSWORD):
            await asyncio.sleep(RETRY_SECONDS)
        self._site.administrators.append(Person(client, "", "admin"))

    async def _load(self, seconds: float, *, kills: bool) -> list[Sample]:
        """Let everybody do what they do; return what was measured once a second."""
        tasks = [
            asyncio.create_task(self._repeated(each), name=each.__name__)
            for each, count in ACTORS.items()
            for _ in range(count)
        ]
        try:
            return await self._watched(seconds, kills=kills)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, seconds: float, *, kills: bool) -> list[Sample]:
        samples: list[Sample] = []
        began = told = time.monotonic()
        while time.monotonic() - began < seconds:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(self._look())
            if kills and not self._killed_at and time.monotonic() - began > seconds * KILL_SHARE:
                self._site.outage_began = time.monotonic()
                self._killed_at = self._at()
                kill_server(self._data)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self._tell(samples[-1])
        return samples

    async def _rest(self) -> list[Sample]:
        """Let what was begun come to its end, and look a few times."""
        await asyncio.sleep(REST_SECONDS)
        looks = []
        for _ in range(REST_LOOKS):
            looks.append(self._look())
            await asyncio.sleep(SAMPLE_SECONDS)
        return looks

    async def _repeated(self, one_round: Round) -> None:
        site, name = self._site, one_round.__name__
        while True:
            try:
                await one_round(site)
                site.rounds[name] += 1
            except httpx2.TransportError as error:
                # An answer that a killed database cuts off in its middle ends like that.
                if not site.is_outage:
                    site.wrong.append(f"{name}: {type(error).__name__}")
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  a fault of the harness is to be seen, not to end one client quietly
                site.wrong.append(f"{name}: {error!r}")
                await asyncio.sleep(RETRY_SECONDS)

    def _look(self) -> Sample:
        return self._processes.look(self._at())

    def _at(self) -> float:
        return time.monotonic() - self._began

    def _tell(self, sample: Sample) -> None:
        memory = ", ".join(f"{name} {value:.0f}" for (name, what), value in sample.values.items() if what == MEMORY)
        counts = _shown(self._site.statuses)
        print(f"  {sample.at:4.0f} s: {counts}; MB: {memory}; {len(self._site.wrong)} wrong", flush=True)


def _shown(statuses: Counter[int]) -> str:
    found: Sequence[tuple[int, int]] = sorted(statuses.items())
    return ", ".join(f"{count} x {status}" for status, count in found)
