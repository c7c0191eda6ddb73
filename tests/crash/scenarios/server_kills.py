"""A: the service is killed in the middle of its replies, and started again."""

from tests.crash.findings import Promise
from tests.crash.load import Load, chatters
from tests.crash.scenario_run import Result, Scene, Stage

# A killed process's turns are taken over when its lease has run out: short, so that the next kill finds some.
SETTINGS = {"lease_seconds": 2}
READING = 4
FINISHING = 3


async def server_kills(stage: Stage, *, kills: int, users: int = 8) -> Result:
    async with stage.scene("A server killed", "one", settings=SETTINGS) as scene:
        late = await _kill_under_load(scene, kills=kills, users=users)
        await scene.settled()
        return await _result(scene, kills, late)


async def acknowledged_early(stage: Stage, *, most_kills: int) -> Result:
    """Negative control: a handler that acknowledges before it commits."""
    name = "A control: acknowledged before the commit"
    # Nothing is written down in between, which would find a turn missing that is not there yet.
    settings = SETTINGS | {"flush_interval_ms": 10_000}
    async with stage.scene(name, "one", broken="acknowledge-early", settings=settings) as scene:
        return await _control(scene, most_kills, "prompts are kept", settling_seconds=20)


async def never_reaped(stage: Stage) -> Result:
    """Negative control: a service that never takes over the turns of a dead process."""
    async with stage.scene("A control: no reaper", "one", broken="never-reap", settings=SETTINGS) as scene:
        return await _control(scene, 1, "nothing is left streaming", settling_seconds=5)


async def _kill_under_load(scene: Scene, *, kills: int, users: int, ending_seconds: float = 120) -> int:
    load = Load(scene.site, await chatters(scene.site, users=users, conversations=2, lengths=(5, 110)))
    load.begin()
    for _ in range(kills):
        await _kill_once(scene, load)
    return await load.end(seconds=ending_seconds)


async def _kill_once(scene: Scene, load: Load) -> None:
    await load.until_busy(reading=READING, finishing=FINISHING)
    await load.run_on(scene.chance.uniform(0, 2))
    await scene.kill(scene.replica)
    await scene.replica.start()


async def _control(scene: Scene, most_kills: int, caught: Promise, *, settling_seconds: float) -> Result:
    """Kill until it is caught: whether a kill hits the moment that matters is chance."""
    load = Load(scene.site, await chatters(scene.site, users=4, conversations=2, lengths=(5, 80)))
    load.begin()
    kills = 0
    while kills < most_kills and not scene.site.findings.of(caught):
        kills += 1
        await _kill_once(scene, load)
    late = await load.end(seconds=settling_seconds)
    await scene.settled(seconds=1)
    return await scene.result(rounds=kills, least=10, late=late, caught=caught)


async def _result(scene: Scene, kills: int, late: int) -> Result:
    result = await scene.result(rounds=kills, least=kills * 10, late=late)
    cut, whole = result.measured.cut, result.measured.whole
    detail = f"{cut} replies were cut and {whole} were whole, after {kills} kills"
    result.findings.require(cut >= kills and whole >= kills, "something was tested", detail)
    return result
