"""Requests and whole turns over HTTP, beside bare FastAPI on the same kind of socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import TypeAlias

from bench import bars
from bench.bulk_data import MESSAGE_CHARACTERS
from bench.model_app import at_once, in_one
from bench.rounds import Side, Work, at, interleaved
from bench.run import Findings
from bench.servers import Measured, read_answer, request
from bench.texts import turns_of
from bench.web import Web

PIECES = 40
TASKS = 16
OURS, BARE = "chatkeep", "bare FastAPI"
CONVERSATIONS = 32
TURNS = {1: 100, TASKS: 400}

Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Reads an answer; returns its seconds, where not all of them count.
Read: TypeAlias = Callable[[asyncio.StreamReader], Awaitable[float | None]]
_processor, _time = attrgetter("service"), attrgetter("seconds_of_one")


async def signed_in(running: Web) -> Findings:
    """A trivial request of somebody who is signed in, which the bare application looks up with one statement."""
    trivial = f"{BARE}, no look-up"
    run = running.run
    async with connections(running.service, 1) as ours, connections(running.bare, 1) as bare:
        asked = {
            OURS: (ours, running.service, "/api/v1/auth/me"),
            BARE: (bare, running.bare, "/me/looked-up"),
            trivial: (bare, running.bare, "/me"),
        }
        sides = [
            Side(
                name,
                asker(opened, [request(of.port, "GET", path, Cookie=running.cookie)], whole_answer),
                of.processor_seconds,
            )
            for name, (opened, of, path) in asked.items()
        ]
        rounds = await interleaved("a signed-in request", sides, run.server, run.effort, tasks=1, times=600)
    name = f"{rounds.case}: processor"
    return [
        *rounds.costs(),
        rounds.ratio(f"{name}, beside a bare look-up", bars.SIGNED_IN_PROCESSOR, _processor, BARE),
        rounds.ratio(f"{name}, beside no look-up", None, _processor, trivial),
    ]


async def whole_turn(running: Web) -> Findings:
    """A whole turn as JSON, of a reply that the model server says in one piece, and of one in 40."""
    found: Findings = []
    run = running.run
    for tasks, model in ((1, in_one(PIECES)), (1, at_once(PIECES)), (TASKS, in_one(PIECES))):
        pieces = "one piece" if model == in_one(PIECES) else f"{PIECES} pieces"
        case = f"a whole HTTP turn of {pieces}, {at(tasks)}"
        async with turn_sides(running, tasks, model, whole_answer, stream=False) as sides:
            rounds = await interleaved(case, sides, run.server, run.effort, tasks=tasks, times=TURNS[tasks])
        is_barred = tasks == 1 and model == in_one(PIECES)
        processor_bar, time_bar = (bars.WHOLE_TURN_PROCESSOR, bars.WHOLE_TURN_TIME) if is_barred else (None, None)
        found += [
            *rounds.costs(),
            rounds.ratio(f"{case}: processor, beside bare", processor_bar, _processor, BARE),
            rounds.ratio(f"{case}: time, beside bare", time_bar, _time, BARE),
        ]
    return found


@asynccontextmanager
async def turn_sides(running: Web, tasks: int, model: str, read: Read, *, stream: bool) -> AsyncIterator[list[Side]]:
    """Open connections for turns of both, each task in conversations of its own."""
    ids = await running.conversations(CONVERSATIONS)
    prompts = (prompt for prompt, _ in turns_of(MESSAGE_CHARACTERS * 2, len(ids)))
    asked = [(each, model, prompt) for each, prompt in zip(ids, prompts, strict=True)]
    of: list[tuple[str, Measured, Callable[..., bytes]]] = [
        (OURS, running.service, running.turn),
        (BARE, running.bare, running.bare_turn),
    ]
    async with connections(running.service, tasks) as ours, connections(running.bare, tasks) as bare:
        yield [
            Side(
                name,
                asker(opened, [make(*each, stream=stream) for each in asked], read),
                measured.processor_seconds,
            )
            for (name, measured, make), opened in zip(of, (ours, bare), strict=True)
        ]


@asynccontextmanager
async def connections(measured: Measured, many: int) -> AsyncIterator[list[Stream]]:
    """Open kept connections, one for each task."""
    opened = [await asyncio.open_connection("127.0.0.1", measured.port) for _ in range(many)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


def asker(opened: Sequence[Stream], requests: Sequence[bytes], read: Read) -> Work:
    """Return the work of sending one of the requests and reading its answer; each task has its own requests."""
    own = [requests[task :: len(opened)] for task in range(len(opened))]

    async def work(task: int, number: int) -> float | None:
        reader, writer = opened[task]
        writer.write(own[task][number % len(own[task])])
        return await read(reader)

    return work


async def whole_answer(reader: asyncio.StreamReader) -> None:
    await read_answer(reader)
