"""P: Patroni's primary is killed under a load of everything; its synchronous standby is promoted."""

import asyncio
import time

from chatkeep.database import migrations
from tests.crash.load import Load
from tests.crash.outages import Outage, check_answers
from tests.crash.patroni import Patroni, patroni
from tests.crash.scenario_run import Result, Scene, Stage, until
from tests.crash.scenarios.database_kills import TOLD, everyone


async def failovers(stage: Stage, *, kills: int) -> Result:
    """Every second time the whole node is killed, its Patroni included, and otherwise the server alone."""
    async with patroni() as cluster:
        await asyncio.to_thread(migrations.upgrade, cluster.url)
        async with stage.scene("P Patroni's primary killed", "one", "two", url=cluster.url) as scene:
            load = Load(scene.site, await everyone(scene.site))
            load.begin()
            outages = [await _kill_once(cluster, scene, load, whole=bool(number % 2)) for number in range(kills)]
            late = await load.end(seconds=120)
            answered = check_answers(
                scene.site.answers,
                outages,
                scene.site.findings,
                answer_seconds=scene.bounds.answer,
                back_seconds=scene.bounds.promoted,
            )
            await scene.settled()
            # Of a whole node, a good part is the time for which Patroni believes that it lives.
            scene.figures |= answered.figures()
            return await scene.result(rounds=kills, least=kills * 20, late=late)


async def _kill_once(cluster: Patroni, scene: Scene, load: Load, *, whole: bool) -> Outage:
    """Kill the primary when clients have been told something since the last time; it comes back as a standby."""
    before = scene.site.log.kept
    await until(lambda: scene.site.log.kept >= before + TOLD, seconds=120)
    await load.run_on(scene.chance.uniform(0.2, 2.0))
    killed = await cluster.primary()
    began = await killed.kill(whole=whole)
    await cluster.primary(other_than=killed)
    promoted = time.monotonic()
    scene.longest(f"until promoted, {'node' if whole else 'server'} killed", promoted - began)
    await load.run_on(scene.chance.uniform(0, 2.0))
    if whole:
        await killed.start()
    await cluster.whole()
    return Outage(began, promoted)
