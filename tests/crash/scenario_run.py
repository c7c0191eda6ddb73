"""One scenario's replicas, clients and log, on a database of its own, and what comes out in the end."""

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.crash.access_checks import check_access
from tests.crash.acknowledgements import AcknowledgementLog
from tests.crash.checks import UNFINISHED, Kept, Measured, check
from tests.crash.client_view import Told, told
from tests.crash.clients import Site
from tests.crash.findings import Findings, Promise
from tests.crash.load import POLL_SECONDS
from tests.crash.pace import Pace
from tests.crash.postgres import Postgres
from tests.crash.processes import Replica, Replicas
from tests.support.urls import driver_url

SETTLING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The service's promises in seconds.

    Attributes:
        answer: an answer while the database is away.
        back: the first success after its return.
        promoted: the first success after a standby's promotion.
        behind: what was read longer before a kill is kept: the flush interval and a little; the time that two commits
            take at that moment comes on top.
        restart: the embedded server is back after a kill, or after its disk has room again.
        stop: a generation's end after it was asked for.
        lease_slack: turns of a dead process are `interrupted` when its lease has run out, and this much later.
    """

    answer: float = 3.0
    back: float = 5.0
    promoted: float = 10.0
    restart: float = 10.0
    behind: float = 0.3
    stop: float = 1.0
    lease_slack: float = 0.5

    @classmethod
    def generous(cls) -> "Bounds":
        """For a machine that has other things to do: what never happens is still found."""
        return cls(answer=15.0, back=30.0, promoted=30.0, restart=60.0, behind=5.0, stop=15.0, lease_slack=30.0)


@dataclass
class Result:
    """The result of a scenario.

    Attributes:
        caught: of a negative control, the promise that it has to be found breaking.
        figures: what was measured, and its unit, by name.
    """

    name: str
    rounds: int
    acknowledged: int
    measured: Measured
    findings: Findings
    seconds: float
    figures: Mapping[str, str] = field(default_factory=dict)
    caught: Promise | None = None

    @property
    def passed(self) -> bool:
        return bool(self.findings.of(self.caught)) if self.caught else not len(self.findings)


@dataclass
class Stage:
    """The ground of all scenarios."""

    folder: Path
    postgres: Postgres
    model_url: str
    bounds: Bounds
    seed: int
    forked: bool = False

    @asynccontextmanager
    async def scene(
        self,
        name: str,
        *replicas: str,
        broken: str | None = None,
        before: Callable[[str], Awaitable[None]] | None = None,
        url: str | None = None,
        settings: Mapping[str, object] | None = None,
        programs: Mapping[str, Sequence[str]] | None = None,
        idle: Collection[str] = (),
    ) -> AsyncIterator["Scene"]:
        """Start replicas on a new database; end them and close everything with the block.

        Args:
            broken: see `Replica`.
            before: is given the new database first.
            url: of a migrated database to use in place of a new one.
            settings: of the replicas; with `data_dir` they are left to find the database themselves.
            programs: by replica, those that run another release.
            idle: replicas that the scenario starts itself.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{name.split(maxsplit=1)[0]}-", dir=self.folder))
        url = url or await self.postgres.new_database()
        if before is not None:
            await before(url)
        # Everybody comes from one address, and makes tokens without end.
        crowd = {"max_connections_per_address": 100_000, "max_access_tokens": 10_000}
        common: dict[str, object] = {"model_url": self.model_url, "max_generations": 100} | crowd
        if "data_dir" not in (settings or {}):
            common["database_url"] = url
        chance = random.Random(f"{self.seed} {name}")
        common |= dict(settings or {})
        made = [
            Replica(each, folder, broken=broken, program=(programs or {}).get(each), forked=self.forked, **common)
            for each in replicas
        ]
        log = AcknowledgementLog(folder / "acknowledged.jsonl")
        site = Site(Replicas(made, chance), log, Findings(), chance)
        try:
            for each in made:
                if each.name not in idle:
                    await each.start()
            async with Pace(url) as pace:
                yield Scene(name, self.bounds, url, site, pace)
        finally:
            await site.close()
            await site.replicas.end()
            log.close()


@dataclass
class Scene:
    name: str
    bounds: Bounds
    url: str
    site: Site
    pace: Pace
    figures: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def chance(self) -> random.Random:
        return self.site.chance

    @property
    def replica(self) -> Replica:
        """The only replica."""
        (one,) = self.site.replicas.all
        return one

    async def kill(self, replica: Replica) -> float:
        life, pace = replica.endings, self.pace.slowest_seconds()
        when = await replica.kill()
        self.site.log.note("killed", replica=replica.name, life=life, when=when, pace=pace)
        return when

    def put_to_sleep(self, replica: Replica) -> float:
        """Have a process stand still, until it is woken."""
        life, pace = replica.endings, self.pace.slowest_seconds()
        when = replica.tell(signal.SIGSTOP)
        self.site.log.note("killed", replica=replica.name, life=life, when=when, pace=pace)
        return when

    async def stop(self, replica: Replica) -> tuple[int, float]:
        """Tell a replica to stop; return its exit code, and how long it took."""
        life = replica.endings
        when = replica.tell(signal.SIGTERM)
        self.site.log.note("told_to_stop", replica=replica.name, life=life, when=when)
        return await replica.ended(), time.monotonic() - when

    def longest(self, what: str, seconds: float) -> None:
        """Remember the longest that something took."""
        known = float(self.figures.get(what, "0 s").partition(" ")[0])
        self.figures[what] = f"{max(known, seconds):.2f} s"

    async def settled(self, *, seconds: float = SETTLING_SECONDS) -> bool:
        """Wait until nothing streams in the database; whatever is left then is found by `result`."""
        connection = await asyncpg.connect(driver_url(self.url))

        async def nothing_streams() -> bool:
            row = await connection.fetchrow(UNFINISHED)
            return row is not None and not any(row.values())

        try:
            return await until(nothing_streams, seconds=seconds)
        finally:
            await connection.close()

    async def result(
        self, *, rounds: int, least: int, late: int = 0, caught: Promise | None = None, access: bool = True
    ) -> Result:
        """Compare what was told with what is kept.

        Args:
            least: with fewer acknowledgements nothing was tested.
            late: clients that were still waiting when they were to end.
        """
        findings = self.site.findings
        findings.require(late == 0, "nothing is left streaming", f"{late} clients still waited for an end")
        found: Told = told(self.site.log.entries())
        if access:
            await check_access(self.site, found)
        measured = check(found, await Kept.read(self.url), findings, most_behind_seconds=self.bounds.behind)
        findings.require(
            found.acknowledged >= least,
            "something was tested",
            f"{found.acknowledged} acknowledged, of at least {least}",
        )
        seconds = time.monotonic() - self.began
        return Result(self.name, rounds, found.acknowledged, measured, findings, seconds, self.figures, caught)


async def until(happened: Callable[[], object], *, seconds: float) -> bool:
    """Look until it has happened, or until the time is over; tell which."""
    end = time.monotonic() + seconds
    while True:
        found = happened()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return True
        if time.monotonic() > end:
            return False
        await asyncio.sleep(POLL_SECONDS)
