"""A whole turn whose reply comes from a model server, over a real socket: what it costs the service."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.measurements import Effort, Figure, Sides
from bench.servers import send_all, server
from bench.web import Web, web

PIECES = 40
TIMES = 40


@dataclass(frozen=True, slots=True)
class Upstream:
    """The service with a model server, and the service whose model is in its own process."""

    effort: Effort
    with_server: Web
    alone: Web


@asynccontextmanager
async def upstream(url: str, effort: Effort) -> AsyncIterator[Upstream]:
    with ExitStack() as stack:
        model = stack.enter_context(server("bench.model_app:application"))
        settings = {
            "CHATKEEP_MODEL_URL": f"http://127.0.0.1:{model.port}/v1",
            "CHATKEEP_MODEL": f"{PIECES}-at-once",
        }
        application = "bench.service_app:with_model_server"
        async with web(url, effort, application, **settings) as with_server, web(url, effort) as alone:
            yield Upstream(effort, with_server, alone)


async def upstream_turn(both: Upstream) -> list[Figure]:
    """Processor time of a turn of `PIECES` pieces as JSON, beside the same turn without a model server."""
    sides, many = Sides(), both.effort.of(TIMES)
    for number in range(both.effort.rounds + 1):
        found = [await _processor_seconds(each, many) for each in (both.with_server, both.alone)]
        if number:
            sides.pairs.append((found[0] / many, found[1] / many))
    name = f"a turn of {PIECES} pieces from a model server (processor time)"
    return [sides.ratio(f"{name}, of one without", None)]


async def _processor_seconds(web: Web, many: int) -> float:
    turns = [web.turn(await web.conversation(), f"many {PIECES}", stream=False) for _ in range(many)]
    before = web.service.processor_seconds()
    await send_all(web.service.port, turns)
    return web.service.processor_seconds() - before
