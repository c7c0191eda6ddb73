"""`python -m tests.scaling`: the processor time of a turn by each way to the database, beside the direct one.

Each way has a service of its own. The ways take turns, in rounds of the same number of turns, and the first round does
not count. What is told is the processor time of everything that works for a turn: this process, which is service and
client, the servers of PostgreSQL with their standbys, and PgBouncer. Seconds would tell of whatever else the machine
does.
"""

import argparse
import asyncio
import statistics
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from chatkeep.database import migrations
from tests.support.clusters import Cluster, cluster, standby, synchronous_standby
from tests.support.poolers import pooled
from tests.support.running_service import Person, running

# At once, each in a conversation of their own.
PEOPLE = 4
DIRECT = "one server, directly"
KINDS = ("python", "postgres", "pgbouncer")


@dataclass
class Way:
    """A service that reaches its database in one way, and the milliseconds of processor time of its turns by round."""

    name: str
    people: list[tuple[Person, str]]
    rounds: list[Mapping[str, float]] = field(default_factory=list)

    async def round(self, turns: int) -> None:
        async def talk(person: Person, conversation: str) -> None:
            for number in range(turns // PEOPLE):
                await person.say(conversation, f"message {number}")

        before = processor_seconds()
        await asyncio.gather(*(talk(*each) for each in self.people))
        after = processor_seconds()
        used = dict.fromkeys(KINDS, 0.0)
        # One that has ended in between, such as a vacuum, takes what it used along.
        for process in before.keys() & after.keys():
            used[process.kind] += (after[process] - before[process]) * 1000 / turns
        self.rounds.append(used)

    def of_a_turn(self, kind: str) -> float:
        """Return the median of the rounds, but for the first one."""
        return statistics.median(each[kind] for each in self.rounds[1:])


class Process(NamedTuple):
    """A process, and what kind of program it runs."""

    number: int
    kind: str


def processor_seconds() -> Mapping[Process, float]:
    """Return what this process and all that it started have used so far."""
    used: dict[Process, float] = {}
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            kind = "python" if process == this else process.name()
            if kind in KINDS:
                used[Process(process.pid, kind)] = times.user + times.system
    return used


async def _migrated(stack: AsyncExitStack) -> Cluster:
    server = await stack.enter_async_context(cluster())
    await asyncio.to_thread(migrations.upgrade, server.url)
    return server


async def _way(stack: AsyncExitStack, name: str, url: str) -> Way:
    service = await stack.enter_async_context(running(url))
    people = [await service.person() for _ in range(PEOPLE)]
    return Way(name, [(each, await each.conversation()) for each in people])


async def measure(rounds: int, turns: int) -> list[Way]:
    async with AsyncExitStack() as stack:
        alone, lagging, followed = [await _migrated(stack) for _ in range(3)]
        await stack.enter_async_context(standby(lagging))
        await stack.enter_async_context(synchronous_standby(followed))
        session = await stack.enter_async_context(pooled(alone.url, pool_mode="session", default_pool_size=40))
        transaction = await stack.enter_async_context(pooled(alone.url, pool_mode="transaction"))
        ways = [
            await _way(stack, DIRECT, alone.url),
            await _way(stack, "PgBouncer in session mode", session.url),
            await _way(stack, "PgBouncer in transaction mode", transaction.url),
            await _way(stack, "an asynchronous standby", lagging.url),
            await _way(stack, "a synchronous standby", followed.url),
        ]
        for _ in range(rounds + 1):
            for way in ways:
                await way.round(turns)
        return ways


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=200, help="of each way in a round")
    options = parser.parse_args()
    ways = asyncio.run(measure(options.rounds, options.turns))
    direct = next(way for way in ways if way.name == DIRECT)
    base = sum(map(direct.of_a_turn, KINDS))
    for way in ways:
        parts = ", ".join(f"{kind} {way.of_a_turn(kind):.1f}" for kind in KINDS)
        print(f"{way.name}: {sum(map(way.of_a_turn, KINDS)) / base:.2f} times; ms of a turn: {parts}")


if __name__ == "__main__":
    main()
