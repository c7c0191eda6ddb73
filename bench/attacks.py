"""Processor time, and the longest hold of the event loop, of requests that were made to be dear.

The service is a process of its own, and each request is sent alone. Both figures are of its processor time, so that a
machine that is busy with other things shows the same ones.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.clients import Answer, Connections
from bench.databases import database
from bench.hostile import Attack, attacks
from bench.overload import PASSWORD, SECRET
from bench.servers import request, server

MAX_HOLD_SECONDS = 0.05
MAX_SECONDS_A_MEGABYTE = 1.0
# A request costs something, whatever it says: smaller ones are taken for so large.
MIN_MEGABYTES = 0.25
TRIES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one attack, the least of a few tries."""

    attack: Attack
    status: int
    seconds: float
    hold: float

    @property
    def seconds_a_megabyte(self) -> float:
        return self.seconds / max(self.attack.megabytes, MIN_MEGABYTES)

    @property
    def met(self) -> bool:
        return self.hold <= MAX_HOLD_SECONDS and self.seconds_a_megabyte <= MAX_SECONDS_A_MEGABYTE


async def costs(port: int, names: Sequence[str], tries: int, console: Console) -> list[Cost]:
    """Send every attack whose name has one of `names` in it."""
    connections = Connections(port)
    body = {"username": f"attacker-{time.time_ns()}", "password": PASSWORD}
    user = await _post(connections, port, "/api/v1/auth/register", body)
    cookie = user.headers[b"set-cookie"].partition(b";")[0].decode()
    made = await _post(connections, port, "/api/v1/conversations", {}, cookie)
    found = []
    for attack in attacks(port, cookie, json.loads(made.body)["id"]):
        if not names or any(each in attack.name for each in names):
            found.append(await _cost(port, attack, tries))
            if not found[-1].met:
                console.print(_line(found[-1]))
    connections.close()
    return found


async def _post(connections: Connections, port: int, path: str, body: object, cookie: str = "none=0") -> Answer:
    answer = await connections.ask(request(port, "POST", path, json.dumps(body).encode(), Cookie=cookie))
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:300]!r}")
    return answer


async def _cost(port: int, attack: Attack, tries: int) -> Cost:
    found = [await _try(port, attack) for _ in range(tries)]
    return Cost(attack, found[0].status, min(each.seconds for each in found), min(each.hold for each in found))


async def _try(port: int, attack: Attack) -> Cost:
    _, before = await _stretch(port)
    status = await _ask(port, attack.raw)
    hold, after = await _stretch(port)
    return Cost(attack, status, after - before, hold)


async def _stretch(port: int) -> tuple[float, float]:
    connections = Connections(port)
    answer = await connections.ask(request(port, "GET", "/stretch"))
    connections.close()
    longest, worked = answer.body.split()
    return float(longest), float(worked)


async def _ask(port: int, raw: bytes) -> int:
    connections = Connections(port)
    try:
        return (await connections.ask(raw)).status
    except (OSError, asyncio.IncompleteReadError):
        return 0  # closed: that is an answer, too
    finally:
        connections.close()


def _line(cost: Cost) -> str:
    return (
        f"{cost.attack.name}: {cost.status}, {cost.seconds * 1000:,.0f} ms, {cost.seconds_a_megabyte:.2f} s a megabyte,"
        f" held the loop for {cost.hold * 1000:.0f} ms"
    )


def table(found: Sequence[Cost], shown: int) -> Table:
    made = Table(title=f"The dearest {shown} of {len(found)} requests")
    made.add_column("request")
    for heading in ("KB", "answer", "ms", "s a megabyte", "held the loop, ms", ""):
        made.add_column(heading, justify="right")
    dearest = sorted(found, key=lambda each: -max(each.seconds_a_megabyte, each.hold / MAX_HOLD_SECONDS))
    for cost in dearest[:shown]:
        made.add_row(
            cost.attack.name,
            *(f"{cost.attack.megabytes * 1024:,.0f}", str(cost.status), f"{cost.seconds * 1000:,.0f}"),
            *(f"{cost.seconds_a_megabyte:.2f}", f"{cost.hold * 1000:.0f}"),
            "[green]met[/]" if cost.met else "[red]not met[/]",
        )
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.attacks", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORDS", help="those with these words in the name"
    )
    parser.add_argument("--tries", type=int, default=TRIES, help=f"of which the best one counts (default: {TRIES})")
    parser.add_argument("--show", type=int, default=30, help="how many of the dearest (default: 30)")
    parser.add_argument("--database-url", help="an empty database of your own (default: the embedded server)")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    settings = {
        "CHATKEEP_SECRET_KEY": SECRET,
        "CHATKEEP_COOKIE_SECURE": "false",
        "CHATKEEP_LOG_LEVEL": "warning",
        "CHATKEEP_SHUTDOWN_GRACE_SECONDS": "0",
    }
    with ExitStack() as stack:
        url = stack.enter_context(database(options.database_url, None))
        running = server("bench.attacked_app:application", CHATKEEP_DATABASE_URL=url, **settings)
        port = stack.enter_context(running).port
        found = asyncio.run(costs(port, options.only, options.tries, console))
    console.print(table(found, options.show))
    return 0 if all(each.met for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
