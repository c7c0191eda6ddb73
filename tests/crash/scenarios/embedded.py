"""F: the embedded server is killed, or its disk is full; the service brings it back by itself."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import httpx2

from chatkeep.database import migrations
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from tests.crash.load import Actor, Load, chatters
from tests.crash.outages import Outage, check_answers
from tests.crash.scenario_run import Result, Scene, Stage, until
from tests.crash.workload import Beginner, PasswordChanger, Prober, SignerIn, TokenMaker
from tests.database.postgres.data_folders import end_servers_below, kill_server, open_folder, server_of
from tests.support.disks import small_disk
from tests.support.urls import driver_url

TOLD = 10
WAITING_SECONDS = 120
FULL_SECONDS = 6.0
DISK_MEGABYTES = 256


async def embedded_kills(stage: Stage, *, kills: int) -> Result:
    folder = open_folder()
    try:
        async with _embedded_scene(stage, "F embedded server killed", folder / "data") as scene:
            load = await _load(scene)
            outages = [await _kill_once(scene, load, folder / "data", number) for number in range(kills)]
            return await _result(scene, load, outages, least=kills * 10)
    finally:
        end_servers_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


async def full_disks(stage: Stage, *, times: int) -> Result:
    with small_disk(DISK_MEGABYTES) as disk:
        try:
            async with _embedded_scene(stage, "F full disk", disk.folder / "data") as scene:
                # Somebody with the right password alone. Who finds out after each 503 which password holds makes wrong
                # guesses, which count.
                load = await _load(scene, changing_passwords=False)
                outages = []
                for _ in range(times):
                    await _until_told(scene, load)
                    began = time.monotonic()
                    disk.fill()
                    await load.run_on(FULL_SECONDS)
                    disk.make_room()
                    room = time.monotonic()
                    await _until_ready(scene)
                    _require_soon(scene, time.monotonic() - room, "after its disk had room")
                    outages.append(Outage(began, time.monotonic()))
                return await _result(scene, load, outages, least=times * 10)
        finally:
            end_servers_below(disk.folder)


@asynccontextmanager
async def _embedded_scene(stage: Stage, name: str, data: Path) -> AsyncIterator[Scene]:
    """A replica that finds its server in a data folder, and watches it. The harness shares it, and leaves it alone."""
    server = EmbeddedPostgres(data)
    url = await asyncio.to_thread(server.start)
    try:
        await asyncio.to_thread(migrations.upgrade, url)
        async with stage.scene(name, "one", url=url, settings={"data_dir": data, "lease_seconds": 5}) as scene:
            yield scene
    finally:
        await asyncio.to_thread(server.stop)


async def _load(scene: Scene, *, changing_passwords: bool = True) -> Load:
    site = scene.site
    talking: list[Actor] = list(await chatters(site, users=4, conversations=2, lengths=(5, 60)))
    person = site.person
    others: list[Actor] = [Beginner(site, await person()), Prober(site, await person())]
    signing_in = await person()
    others.append(PasswordChanger(site, signing_in) if changing_passwords else SignerIn(site, signing_in.username))
    load = Load(site, [*talking, *others, TokenMaker(site, await person())])
    load.begin()
    return load


async def _until_told(scene: Scene, load: Load) -> None:
    before = scene.site.log.kept
    await until(lambda: scene.site.log.kept >= before + TOLD, seconds=WAITING_SECONDS)
    await load.run_on(scene.chance.uniform(0.2, 1.0))


async def _kill_once(scene: Scene, load: Load, data: Path, number: int) -> Outage:
    await _until_told(scene, load)
    kill = KILLS[number % len(KILLS)]
    began = time.monotonic()
    await asyncio.to_thread(kill, data)
    await until(lambda: _takes_sessions(scene.url), seconds=WAITING_SECONDS)
    await _until_ready(scene)
    _require_soon(scene, time.monotonic() - began, f"after {kill.__name__}")
    return Outage(began, time.monotonic())


def kill_first_process(data: Path) -> None:
    """As the kernel does for want of memory."""
    os.kill(server_of(data).pid, signal.SIGKILL)


KILLS: Sequence[Callable[[Path], None]] = (kill_first_process, kill_server)


async def _takes_sessions(url: str) -> bool:
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await (await asyncpg.connect(driver_url(url), timeout=5)).close()
        return True
    return False


async def _until_ready(scene: Scene) -> None:
    async with httpx2.AsyncClient(base_url=scene.replica.url, timeout=10) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready, seconds=WAITING_SECONDS)


def _require_soon(scene: Scene, seconds: float, when: str) -> None:
    scene.longest("ready again", seconds)
    detail = f"ready again {seconds:.1f} s {when}"
    scene.site.findings.require(seconds <= scene.bounds.restart, "back in time", detail)


async def _result(scene: Scene, load: Load, outages: Sequence[Outage], *, least: int) -> Result:
    late = await load.end(seconds=WAITING_SECONDS)
    bounds = scene.bounds
    findings = scene.site.findings
    answered = check_answers(
        scene.site.answers, outages, findings, answer_seconds=bounds.answer, back_seconds=bounds.back
    )
    await scene.settled()
    scene.figures |= answered.figures()
    findings.require(answered.refusals, "something was tested", "no request met an outage")
    return await scene.result(rounds=len(outages), least=least, late=late)
