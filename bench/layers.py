"""The cost of the layers around every request, as a ratio: the service beside itself without the layer.

`delivery` sends answers in pieces that their clients have to take in time, `late answers` checks a slow answer's right
again; `nothing` shows what the measurement itself makes of two equal sides. The limits in front of the parser are
measured by `python -m bench.protocols`.
"""

import argparse
import asyncio
import sys
import time
from contextlib import ExitStack

import httpx2
from rich.console import Console

from bench import report
from bench.databases import database
from bench.layered_app import LAYERS
from bench.measurements import Bar, Effort, Figure, Sides
from bench.overload import PASSWORD, SECRET
from bench.servers import Measured, request, send_all, server

REQUESTS = 400
AT_ONCE = 20
# A layer may cost so much of a signed-in request.
MAX_RATIO = Bar(1.03)


async def ratio(name: str, whole: Measured, without: Measured, effort: Effort) -> Figure:
    """Return the processor time of a signed-in request, beside that without the layer."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{whole.port}") as client:
        body = {"username": f"bench-{time.time_ns()}", "password": PASSWORD}
        (await client.post("/api/v1/auth/register", json=body)).raise_for_status()
        cookie = f"sid={client.cookies['sid']}"
    sides = Sides()
    for number in range(effort.rounds + 1):
        found = [0.0, 0.0]
        for turn in range(effort.of(REQUESTS) // AT_ONCE + 1):
            for side in (0, 1) if turn % 2 else (1, 0):
                measured = (whole, without)[side]
                before = measured.processor_seconds()
                await send_all(
                    measured.port, [request(measured.port, "GET", "/api/v1/auth/me", Cookie=cookie)] * AT_ONCE
                )
                found[side] += measured.processor_seconds() - before
        if number:
            count = (effort.of(REQUESTS) // AT_ONCE + 1) * AT_ONCE
            sides.pairs.append((found[0] / count, found[1] / count))
    return sides.ratio(f"a signed-in request with and without {name}", None if name == "nothing" else MAX_RATIO)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.layers", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=15, help="rounds, of which each figure is the median (default: 15)"
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of the work in a round, to try it out (0 to 1)")
    parser.add_argument("--database-url", help="an empty database of your own (default: the embedded server)")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    settings = {"CHATKEEP_SECRET_KEY": SECRET, "CHATKEEP_COOKIE_SECURE": "false", "CHATKEEP_LOG_LEVEL": "warning"}
    figures = []
    with ExitStack() as stack:
        settings["CHATKEEP_DATABASE_URL"] = stack.enter_context(database(options.database_url, None))
        whole = stack.enter_context(server("bench.layered_app:application", BENCH_WITHOUT="nothing", **settings))
        for name in LAYERS:
            with server("bench.layered_app:application", BENCH_WITHOUT=name, **settings) as without:
                effort = Effort(options.rounds, options.share)
                figures.append(asyncio.run(ratio(name, whole, without, effort)))
    console.print(report.table(figures, f"Medians of {options.rounds} paired rounds"))
    return 1 if any(each.verdict == "missed" for each in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
