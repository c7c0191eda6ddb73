"""E: two replicas on one database: replies are followed and stopped across them, and one dies or falls asleep."""

import asyncio
import json
import time
from collections.abc import Mapping
from uuid import UUID

import asyncpg

from tests.crash.load import Load, chatters
from tests.crash.processes import Replica
from tests.crash.scenario_run import Result, Scene, Stage, until
from tests.support.urls import driver_url

NEWEST_REPLICA = "SELECT id FROM replicas ORDER BY id DESC LIMIT 1"
STREAMING = "SELECT turn_id FROM unsettled_turns WHERE replica_id = $1 AND ended_at IS NULL"
ENDS = "SELECT id, status, completed_at, reply FROM turns WHERE id = ANY($1::uuid[])"
STREAMING_AMONG = "SELECT count(*) FROM turns WHERE id = ANY($1::uuid[]) AND status = 'streaming'"
GENERATING = 3
WAITING_SECONDS = 120


async def replicas(stage: Stage, *, kills: int, naps: int, lease_seconds: int) -> Result:
    settings = {"lease_seconds": lease_seconds}
    async with (
        stage.scene("E two replicas", "one", "two", settings=settings) as scene,
        # Two: a restart and a take-over are looked at side by side.
        asyncpg.create_pool(driver_url(scene.url), min_size=2, max_size=2) as database,
    ):
        return await _Drama(scene, database, lease_seconds).play(kills, naps)


class _Drama:
    """The scenario's state: who is who in the database, and which turns were taken over."""

    def __init__(self, scene: Scene, database: "asyncpg.Pool[asyncpg.Record]", lease_seconds: int) -> None:
        self._scene = scene
        self._database = database
        self._lease_seconds = lease_seconds
        self._one, self._two = scene.site.replicas.all
        self._id_of_one: UUID | None = None
        self._ends: dict[UUID, Mapping[str, object]] = {}

    async def play(self, kills: int, naps: int) -> Result:
        site = self._scene.site
        await self._restart_one(first=True)
        talking = await chatters(site, users=6, conversations=2, lengths=(20, 120), restless=0.7, stops=0.15)
        load = Load(site, talking)
        load.begin()
        await load.until_busy(reading=4, finishing=4)
        for _ in range(kills):
            await self._kill(load)
        for _ in range(naps):
            await self._nap(load)
        late = await load.end(seconds=120)
        await self._scene.settled()
        await self._check_winners()
        return await self._result(load, kills + naps, late)

    async def _kill(self, load: Load) -> None:
        """One dies and comes back at once: it and the other both want to take over what it left."""
        await self._until_generating(load)
        when = await self._scene.kill(self._one)
        left = await self._left()
        await asyncio.gather(self._restart_one(), self._taken_over(left, when))

    async def _nap(self, load: Load) -> None:
        """One falls asleep, as a machine that swaps; it wakes when others have taken its turns over."""
        await self._until_generating(load)
        when = self._scene.put_to_sleep(self._one)
        left = await self._left()
        await self._taken_over(left, when)
        self._one.wake()

    async def _restart_one(self, *, first: bool = False) -> None:
        if first:
            await self._one.end()
        await self._one.start()
        self._id_of_one = await self._database.fetchval(NEWEST_REPLICA)

    async def _until_generating(self, load: Load) -> None:
        async def enough() -> bool:
            load.raise_failure()
            return len(await self._left()) >= GENERATING

        found = await until(enough, seconds=WAITING_SECONDS)
        self._scene.site.findings.require(found, "something was tested", "one replica had nothing to generate")

    async def _left(self) -> list[UUID]:
        return [row["turn_id"] for row in await self._database.fetch(STREAMING, self._id_of_one)]

    async def _taken_over(self, left: list[UUID], when: float) -> None:
        async def none_streams() -> bool:
            return not await self._database.fetchval(STREAMING_AMONG, left)

        await until(none_streams, seconds=WAITING_SECONDS)
        seconds = time.monotonic() - when
        self._scene.longest("taken over", seconds)
        bound = self._lease_seconds + self._scene.bounds.lease_slack
        self._scene.site.findings.require(
            seconds <= bound, "interrupted in time", f"turns of a dead replica were over after {seconds:.1f} s"
        )
        self._ends |= {row["id"]: dict(row) for row in await self._database.fetch(ENDS, left)}

    async def _check_winners(self) -> None:
        """A turn that was taken over was taken over once, and never changed again."""
        findings = self._scene.site.findings
        for row in await self._database.fetch(ENDS, list(self._ends)):
            detail = f"{row['id']} ended as {self._ends[row['id']]['status']}, and is {row['status']}"
            findings.require(dict(row) == self._ends[row["id"]], "a turn ends in one way", detail)
        interrupted = sum(row["status"] == "interrupted" for row in self._ends.values())
        claimed = sum(_claimed(each) for each in self._scene.site.replicas.all)
        self._scene.figures["taken over"] += f", {interrupted} turns"
        detail = f"{claimed} were taken over by their logs, {interrupted} are interrupted"
        findings.require(claimed == interrupted > 0, "a turn ends in one way", detail)

    async def _result(self, load: Load, rounds: int, late: int) -> Result:
        scene, stops = self._scene, load.stops()
        scene.figures["stopped"] = f"{len(stops)} within {max(stops, default=0):.2f} s"
        for seconds in stops:
            in_time = seconds <= scene.bounds.stop
            scene.site.findings.require(in_time, "stopped in time", f"a reply ended {seconds:.2f} s after its stop")
        scene.figures["followed on"] = str(load.came_back)
        result = await scene.result(rounds=rounds, least=20, late=late)
        tested = bool(stops) and load.came_back > 0
        result.findings.require(tested, "something was tested", f"{len(stops)} stopped, {load.came_back} followed on")
        return result


def _claimed(replica: Replica) -> int:
    """How many turns a replica says that it took over."""
    lines = [json.loads(line) for line in replica.log.splitlines() if line.startswith("{")]
    return sum(line["count"] for line in lines if line["event"] == "turns_interrupted")
