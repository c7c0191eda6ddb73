"""Reading back, one after the other and many at once: the same turns and conversations from the plain tables."""

from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import TypeAlias

from bench import bars
from bench.contenders.contender import CONNECTIONS, LIST_LENGTH, PAGE_TURNS, Place, Reader, places
from bench.contenders.plain import TwoCommits
from bench.rounds import Side, at, interleaved
from bench.run import Findings, Run
from bench.turns import readers

TIMES = {1: 200, CONNECTIONS: 1600}
_time = attrgetter("seconds_of_one")

Read: TypeAlias = Callable[[Reader, int, Place], Awaitable[None]]


async def last_turns(run: Run) -> Findings:
    """The last 50 turns of a long conversation, as turns; beside them their 100 messages, as rows."""
    of = await places(run.server.connection, min_turns=PAGE_TURNS)

    async def read(reader: Reader, task: int, place: Place) -> None:
        found = await reader.last_turns(task, place)
        assert found == PAGE_TURNS, f"{reader.name}: {found} turns"

    return await _measure(run, "the last 50 turns", of, read)


async def conversations(run: Run) -> Findings:
    """The newest 30 conversations of users who have some more."""
    of = await places(run.server.connection)

    async def read(reader: Reader, task: int, place: Place) -> None:
        found = await reader.list_conversations(task, place.user_id)
        assert found == LIST_LENGTH, f"{reader.name}: {found} conversations"

    return await _measure(run, "30 conversations", of, read)


async def _measure(run: Run, name: str, of: Sequence[Place], read: Read) -> Findings:
    found: Findings = []
    for tasks, times in TIMES.items():
        case = f"{name}, {at(tasks)}"

        def side(reader: Reader, tasks: int = tasks) -> Side:
            async def work(task: int, number: int) -> None:
                await read(reader, task, of[(number * tasks + task) % len(of)])

            return Side(reader.name, work)

        async with readers(run) as opened:
            sides = [side(each) for each in opened]
            rounds = await interleaved(case, sides, run.server, run.effort, tasks=tasks, times=times)
        bar = bars.READ_TIME if tasks == CONNECTIONS else None
        found += [*rounds.costs(), rounds.ratio(f"{case}: time, beside plain", bar, _time, TwoCommits.name)]
    return found
