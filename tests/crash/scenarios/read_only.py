"""G: the database takes no changes for a while, as providers make one whose disk is full."""

import asyncio
import time

from chatkeep.database import migrations
from tests.crash.load import Actor, Load, chatters
from tests.crash.outages import Outage, check_answers
from tests.crash.scenario_run import Result, Scene, Stage, until
from tests.crash.workload import Beginner, PasswordChanger, Prober
from tests.support.clusters import Cluster, cluster

TOLD = 10
READ_ONLY_SECONDS = 5.0


async def read_only_times(stage: Stage, *, times: int) -> Result:
    async with cluster() as server:
        await asyncio.to_thread(migrations.upgrade, server.url)
        async with stage.scene("G read-only for a while", "one", url=server.url) as scene:
            site = scene.site
            talking = await chatters(site, users=4, conversations=2, lengths=(5, 60))
            others: list[Actor] = [Beginner(site, await site.person()), PasswordChanger(site, await site.person())]
            load = Load(site, [*talking, *others, Prober(site, await site.person())])
            load.begin()
            outages = [await _read_only_once(server, scene, load) for _ in range(times)]
            late = await load.end(seconds=120)
            answered = check_answers(
                site.answers,
                outages,
                site.findings,
                answer_seconds=scene.bounds.answer,
                back_seconds=scene.bounds.back,
            )
            await scene.settled()
            scene.figures |= answered.figures()
            site.findings.require(answered.refusals, "something was tested", "no request met a read-only database")
            return await scene.result(rounds=times, least=times * 10, late=late)


async def _read_only_once(server: Cluster, scene: Scene, load: Load) -> Outage:
    before = scene.site.log.kept
    await until(lambda: scene.site.log.kept >= before + TOLD, seconds=120)
    began = time.monotonic()
    await server.reconfigure(default_transaction_read_only="on")
    await load.run_on(READ_ONLY_SECONDS)
    # The session that turns it off is read-only itself, which ALTER SYSTEM does not mind.
    await server.reconfigure(default_transaction_read_only="off")
    return Outage(began, time.monotonic())
