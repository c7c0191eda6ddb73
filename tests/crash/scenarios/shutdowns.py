"""D: the service is told to stop while it streams to many."""

from tests.crash.chat_client import Chatter
from tests.crash.load import Load, chatters
from tests.crash.processes import Replica
from tests.crash.scenario_run import Result, Scene, Stage

STREAMS = 20
# Whoever takes over what was not saved comes too late to help: all has to be saved by the process that stops.
LEASE_SECONDS = 600


async def rolling_restarts(stage: Stage, *, rounds: int) -> Result:
    """Two replicas take turns: the next one is there before the last one is told to stop."""
    name, settings = "D rolling restart", {"lease_seconds": LEASE_SECONDS}
    async with stage.scene(name, "one", "two", settings=settings) as scene:
        one, two = scene.site.replicas.all
        await two.end()
        load = Load(scene.site, await _streams(scene, lengths=(20, 120)))
        load.begin()
        for number in range(rounds):
            old, new = (one, two) if number % 2 == 0 else (two, one)
            await load.until_busy(reading=STREAMS)
            await new.start()
            await load.until_busy(reading=STREAMS)
            await _stop(scene, old)
        return await _result(scene, load, rounds)


async def cut_short(stage: Stage, *, rounds: int) -> Result:
    """Replies that take longer than the grace are saved as far as they came."""
    name = "D stopped with too little grace"
    settings = {"lease_seconds": LEASE_SECONDS, "shutdown_grace_seconds": 1}
    async with stage.scene(name, "one", settings=settings) as scene:
        load = Load(scene.site, await _streams(scene, lengths=(100, 250)))
        load.begin()
        for _ in range(rounds):
            await load.until_busy(reading=STREAMS)
            await _stop(scene, scene.replica)
            await scene.replica.start()
        result = await _result(scene, load, rounds)
        cut = result.measured.cut
        result.findings.require(cut >= rounds, "something was tested", f"{cut} replies were cut in {rounds} rounds")
        return result


async def _streams(scene: Scene, *, lengths: tuple[int, int]) -> list[Chatter]:
    return await chatters(scene.site, users=8, conversations=3, lengths=lengths)


async def _stop(scene: Scene, replica: Replica) -> None:
    code, seconds = await scene.stop(replica)
    scene.longest("end", seconds)
    scene.site.findings.require(code == 0, "an orderly end", f"{replica.name} ended with {code}")


async def _result(scene: Scene, load: Load, rounds: int) -> Result:
    late = await load.end(seconds=120)
    await scene.settled(seconds=5)
    return await scene.result(rounds=rounds, least=rounds * STREAMS, late=late)
