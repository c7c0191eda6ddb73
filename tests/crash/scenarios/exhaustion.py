"""C: PostgreSQL has no connection left to give, and then it has."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from tests.crash.connections import check_connections
from tests.crash.load import Load, chatters
from tests.crash.outages import Outage, check_answers
from tests.crash.postgres import Postgres
from tests.crash.scenario_run import Result, Stage
from tests.crash.workload import Beginner, Prober
from tests.support.urls import driver_url

# Of these PostgreSQL keeps three for its superuser; the service would have sixteen.
MAX_CONNECTIONS = "20"


async def exhaustion(stage: Stage, *, users: int, seconds: float) -> Result:
    async with (
        Postgres(max_connections=MAX_CONNECTIONS) as postgres,
        replace(stage, postgres=postgres).scene("C connections exhausted", "one") as scene,
    ):
        site = scene.site
        talking = await chatters(site, users=users, conversations=2, lengths=(5, 60))
        beginning, probing = await site.person(), await site.person()
        load = Load(site, [*talking, Beginner(site, beginning), Prober(site, probing)])
        async with _all_that_are_left(scene.url) as held:
            began = time.monotonic()
            load.begin()
            await load.run_on(seconds)
            site.findings.require(held, "something was tested", "there was no connection left to hold")
        outage = Outage(began, time.monotonic())
        await load.until_busy(reading=3, finishing=3)
        late = await load.end(seconds=120)
        await scene.settled()
        answered = check_answers(
            site.answers,
            [outage],
            site.findings,
            answer_seconds=scene.bounds.answer,
            back_seconds=scene.bounds.back,
        )
        scene.figures["connections held"] = f"{len(held)} of {MAX_CONNECTIONS}"
        scene.figures |= answered.figures()
        # The harness's own must not take those that the service is to have.
        await scene.pace.stop()
        scene.figures["connections"] = await check_connections(site, scene.url, most=int(MAX_CONNECTIONS) - 3 - 2)
        return await scene.result(rounds=1, least=users, late=late)


@asynccontextmanager
async def _all_that_are_left(url: str) -> AsyncIterator[list["asyncpg.Connection[asyncpg.Record]"]]:
    held: list[asyncpg.Connection[asyncpg.Record]] = []
    try:
        while True:
            try:
                held.append(await asyncpg.connect(driver_url(url)))
            except asyncpg.TooManyConnectionsError:
                break
        yield held
    finally:
        await asyncio.gather(*(each.close() for each in held))
