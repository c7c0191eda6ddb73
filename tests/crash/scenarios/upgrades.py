"""H: the database goes from the first release's tables to today's and back, beside a million turns and under load."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from chatkeep.database import migrations
from tests.crash.library import Library
from tests.crash.load import Actor, Load, chatters
from tests.crash.older_release import install
from tests.crash.outages import Outage, check_answers
from tests.crash.scenario_run import Result, Scene, Stage
from tests.crash.workload import Beginner, Prober, SignerIn

BUSY = 6
FINISHED = 20


async def upgrades(stage: Stage, *, turns: int) -> Result:
    """Upgrade below the running first release, add today's beside it, take that away again, and go back."""
    older = await asyncio.to_thread(install, stage.folder)
    url = await stage.postgres.empty_database()
    await asyncio.to_thread(migrations.upgrade, url, older.revision)
    library = Library(url, turns)
    await library.fill()
    programs = {"older": older.program}
    async with stage.scene(
        "H upgraded and back", "older", "today", programs=programs, url=url, idle={"today"}
    ) as scene:
        load = await _load(scene)
        sums, files = await library.sums(), await library.files()
        outages = [await _migrate(scene, load, "upgrade", partial(migrations.upgrade, url))]
        await _side_by_side(scene, load)
        outages.append(await _migrate(scene, load, "way back", partial(migrations.downgrade, url, older.revision)))
        late = await load.end(seconds=120)
        scene.site.findings.require(await library.sums() == sums, "what was acknowledged stays", "older turns changed")
        scene.site.findings.require(await library.files() == files, "no table is rewritten", f"{files}")
        answered = check_answers(
            scene.site.answers,
            outages,
            scene.site.findings,
            answer_seconds=scene.bounds.answer,
            back_seconds=scene.bounds.back,
        )
        await scene.settled()
        scene.figures |= answered.figures()
        return await scene.result(rounds=2, least=4 * FINISHED, late=late)


async def _load(scene: Scene) -> Load:
    site = scene.site
    talking = await chatters(site, users=4, conversations=3, lengths=(5, 60))
    others: list[Actor] = [Beginner(site, await site.person()), SignerIn(site, (await site.person()).username)]
    load = Load(site, [*talking, *others, Prober(site, await site.person())])
    load.begin()
    return load


async def _migrate(scene: Scene, load: Load, name: str, migrate: Callable[[], None]) -> Outage:
    await load.until_busy(reading=BUSY, finishing=FINISHED)
    began = time.monotonic()
    await asyncio.to_thread(migrate)
    outage = Outage(began, time.monotonic())
    scene.longest(name, outage.ended - outage.began)
    await load.until_busy(reading=BUSY, finishing=FINISHED)
    return outage


async def _side_by_side(scene: Scene, load: Load) -> None:
    """Have both releases answer, and then stop today's, as somebody does who goes back."""
    _, today = scene.site.replicas.all
    await today.start()
    await load.until_busy(reading=BUSY, finishing=2 * FINISHED)
    code, _ = await scene.stop(today)
    scene.site.findings.require(code == 0, "an orderly end", f"{today.name} ended with {code}")
