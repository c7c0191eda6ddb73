"""B: PostgreSQL is killed under a load of everything; the service goes on."""

import time

from tests.crash.clients import Site
from tests.crash.connections import check_connections
from tests.crash.load import Actor, Load, chatters
from tests.crash.outages import Outage, check_answers
from tests.crash.scenario_run import Result, Scene, Stage, until
from tests.crash.workload import Beginner, Deleter, Leaver, PasswordChanger, Prober, SignerIn, TokenMaker
from tests.support.databases import name_of, run

TOLD = 10
LEASE_SECONDS = 5


async def database_kills(stage: Stage, *, kills: int) -> Result:
    async with stage.scene("B PostgreSQL killed", "one") as scene:
        load = Load(scene.site, await everyone(scene.site))
        load.begin()
        outages = [await _kill_once(stage, scene, load) for _ in range(kills)]
        late = await load.end(seconds=120)
        answered = check_answers(
            scene.site.answers,
            outages,
            scene.site.findings,
            answer_seconds=scene.bounds.answer,
            back_seconds=scene.bounds.back,
        )
        await scene.settled()
        scene.figures |= answered.figures()
        scene.figures["connections"] = await check_connections(scene.site, scene.url)
        return await scene.result(rounds=kills, least=kills * 20, late=late)


async def long_outages(stage: Stage, *, kills: int) -> Result:
    """Away for longer than any lease: nobody takes the living for dead, and all replies become whole."""
    settings = {"lease_seconds": LEASE_SECONDS}
    async with stage.scene("B away longer than a lease", "one", "two", settings=settings) as scene:
        load = Load(scene.site, await chatters(scene.site, users=4, conversations=2, lengths=(20, 150)))
        load.begin()
        for _ in range(kills):
            await load.until_busy(reading=4, finishing=4)
            await stage.postgres.kill()
            await load.run_on(1.5 * LEASE_SECONDS)
            await stage.postgres.start()
        late = await load.end(seconds=120)
        await scene.settled()
        return await scene.result(rounds=kills, least=kills * 10, late=late)


async def asynchronous_commits(stage: Stage, *, kills: int) -> Result:
    """Negative control: a PostgreSQL that acknowledges before its log is on disk."""
    name, settings = "B control: synchronous_commit = off", {"allow_unsafe_database": True}
    async with stage.scene(name, "one", before=_acknowledge_early, settings=settings) as scene:
        beginners = [Beginner(scene.site, await scene.site.person()) for _ in range(6)]
        load = Load(scene.site, beginners)
        load.begin()
        for _ in range(kills):
            await _kill_once(stage, scene, load)
        late = await load.end(seconds=60)
        # The cookies of those who signed in are lost as well.
        return await scene.result(rounds=kills, least=20, late=late, caught="what was acknowledged stays", access=False)


async def _acknowledge_early(url: str) -> None:
    await run(url, f"ALTER DATABASE {name_of(url)} SET synchronous_commit = off")


async def everyone(site: Site) -> list[Actor]:
    """Chatters, and people on all sorts of errands."""
    talking: list[Actor] = list(await chatters(site, users=4, conversations=2, lengths=(5, 90)))
    signing_in = await site.person()
    return [
        *talking,
        SignerIn(site, signing_in.username),
        TokenMaker(site, signing_in),
        Beginner(site, await site.person()),
        Beginner(site, await site.person()),
        Deleter(site, await site.person()),
        PasswordChanger(site, await site.person()),
        Leaver(site),
        Prober(site, await site.person()),
    ]


async def _kill_once(stage: Stage, scene: Scene, load: Load) -> Outage:
    """Kill it when clients have been told something since the last time, and bring it back."""
    before = scene.site.log.kept
    await until(lambda: scene.site.log.kept >= before + TOLD, seconds=120)
    await load.run_on(scene.chance.uniform(0.2, 2.0))
    began = await stage.postgres.kill()
    await load.run_on(scene.chance.uniform(0, 3.0))
    await stage.postgres.start()
    return Outage(began, time.monotonic())
