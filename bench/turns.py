"""Turns kept in the database, by the service and by others, one after the other and many at once."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from operator import attrgetter
from typing import TypeAlias

from bench import bars, plain_schema
from bench.bulk_data import MESSAGE_CHARACTERS
from bench.contenders.chatkeep import Chatkeep, chatkeep
from bench.contenders.contender import Contender, Reader, of_task, places
from bench.contenders.langchain import Langchain, is_installed, langchain
from bench.contenders.plain import OneStatement, TwoCommits, connections
from bench.contenders.sqlalchemy_core import SqlalchemyCore, sqlalchemy_core
from bench.measurements import Figure
from bench.rounds import Rounds, Side, at, interleaved
from bench.run import Findings, Run
from bench.texts import turns_of

TASKS = 16
TIMES = {1: 200, TASKS: 1600}
TEXTS = 500
PLAIN = TwoCommits.name
SERVICE_TURNS = "turns"
# Schema and table, for each share of HOT updates. The plain tables are shared by all but the service.
TABLES = {
    Chatkeep.name: ("public", None),
    PLAIN: (plain_schema.SCHEMA, None),
    SERVICE_TURNS: ("public", "turns"),
}

_time = attrgetter("seconds_of_one")

Opened: TypeAlias = Callable[[Run], AbstractAsyncContextManager[Sequence[Contender]]]


async def turn(run: Run) -> Findings:
    """A turn's prompt and reply, kept by every contender; the service's also findable."""
    found: Findings = []
    for tasks in TIMES:
        rounds, hot_shares = await _measure(run, f"a turn, {at(tasks)}", tasks, everyone, "add_turn")
        found += [*rounds.costs(hot_shares), *_figures(rounds, tasks)]
        hot_share = hot_shares[SERVICE_TURNS]
        if hot_share is not None:
            found.append(Figure.of(f"{rounds.case}: turns updated by HOT", [hot_share * 100], None, "%"))
    return found


async def turn_with_context(run: Run) -> Findings:
    """The same, and between prompt and reply what a model has to know is read."""
    found: Findings = []
    for tasks in TIMES:
        name = f"a turn with its context, {at(tasks)}"
        rounds, hot_shares = await _measure(run, name, tasks, readers, "add_turn_with_context")
        found += [*rounds.costs(hot_shares), rounds.ratio(f"{name}: time, beside plain", None, _time, PLAIN)]
    return found


@asynccontextmanager
async def readers(run: Run) -> AsyncIterator[Sequence[Reader]]:
    """Open those who also read back."""
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(chatkeep(run.url))
        plain = TwoCommits(await stack.enter_async_context(connections(run.url)))
        core = await stack.enter_async_context(sqlalchemy_core(run.url))
        yield [ours, plain, core]


@asynccontextmanager
async def everyone(run: Run) -> AsyncIterator[Sequence[Contender]]:
    async with AsyncExitStack() as stack:
        ours, plain, core = await stack.enter_async_context(readers(run))
        assert isinstance(plain, TwoCommits)
        contenders: list[Contender] = [ours, plain, OneStatement(plain.connections), core]
        if is_installed():
            contenders.append(await stack.enter_async_context(langchain(run.url)))
        else:
            run.say("langchain-postgres is not installed and is left out: see requirements/bench.in.")
        yield contenders


async def _measure(
    run: Run, case: str, tasks: int, opened: Opened, work_name: str
) -> tuple[Rounds, dict[str, float | None]]:
    """Return the rounds, and the share of HOT updates of `TABLES`.

    Args:
        work_name: the contenders' method that is measured.
    """
    of, texts = await places(run.server.connection), turns_of(MESSAGE_CHARACTERS * 2, TEXTS)

    def side(contender: Contender) -> Side:
        add = getattr(contender, work_name)

        async def work(task: int, number: int) -> None:
            await add(task, of_task(of, task, tasks, number), *texts[number % TEXTS])

        return Side(contender.name, work, settle=contender.settle)

    before = {of_whom: await run.server.updates(*tables) for of_whom, tables in TABLES.items()}
    async with opened(run) as contenders:
        sides = [side(each) for each in contenders]
        rounds = await interleaved(case, sides, run.server, run.effort, tasks=tasks, times=TIMES[tasks])
    after = {of_whom: await run.server.updates(*tables) for of_whom, tables in TABLES.items()}
    return rounds, {of_whom: after[of_whom].share_since(each) for of_whom, each in before.items()}


def _figures(rounds: Rounds, tasks: int) -> list[Figure]:
    bars_of = {"time": bars.TURN_TIME, "p99": bars.TURN_P99} if tasks == TASKS else {}
    case = rounds.case
    figures = [
        rounds.ratio(f"{case}: time, beside plain two commits", bars_of.get("time"), _time, PLAIN),
        rounds.ratio(f"{case}: p99, beside the same", bars_of.get("p99"), lambda each: each.p99, PLAIN),
        rounds.ratio(f"{case}: time, beside the limit", None, _time, OneStatement.name),
    ]
    bar = bars.TURN_BESIDE_OTHERS if tasks == TASKS else None
    others = [each for each in (Langchain.name, SqlalchemyCore.name) if each in rounds.of]
    return figures + [rounds.ratio(f"{case}: time, beside {each}", bar, _time, each) for each in others]
