"""`python -m tests.scaling`: the time of a turn by each way to the database, beside the direct one.

Each way has a service of its own; all share this machine and this process, so the ratios count and the milliseconds do
not. The ways take turns, in rounds of the same number of turns; the first round does not count.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from chatkeep.database import migrations
from tests.support.clusters import Cluster, cluster, standby, synchronous_standby
from tests.support.poolers import pooled
from tests.support.running_service import Person, running

# At once, each in a conversation of their own.
PEOPLE = 4
DIRECT = "one server, directly"


@dataclass
class Way:
    """A service that reaches its database in one way, and the milliseconds of its turns by round."""

    name: str
    people: list[tuple[Person, str]]
    rounds: list[float] = field(default_factory=list)

    async def round(self, turns: int) -> None:
        taken: list[float] = []

        async def talk(person: Person, conversation: str) -> None:
            for number in range(turns // PEOPLE):
                begun = time.perf_counter()
                await person.say(conversation, f"message {number}")
                taken.append(time.perf_counter() - begun)

        await asyncio.gather(*(talk(*each) for each in self.people))
        self.rounds.append(statistics.median(taken) * 1000)


async def _migrated(stack: AsyncExitStack) -> Cluster:
    server = await stack.enter_async_context(cluster(fsync="on"))
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
    parser.add_argument("--turns", type=int, default=100, help="of each way in a round")
    options = parser.parse_args()
    ways = asyncio.run(measure(options.rounds, options.turns))
    (direct,) = [way.rounds[1:] for way in ways if way.name == DIRECT]
    for way in ways:
        ratios = [own / base for own, base in zip(way.rounds[1:], direct, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{way.name}: {statistics.median(way.rounds[1:]):.1f} ms, {statistics.median(ratios):.2f} times ({spread})"
        )


if __name__ == "__main__":
    main()
