"""Streamed turns: the first byte, a reply of 40 pieces, fast streams, and many slow ones at once."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from operator import attrgetter

from bench import bars
from bench.measurements import Figure, Sides
from bench.model_app import PIECE_CHARACTERS, at_once, every
from bench.requests import BARE, OURS, PIECES, Stream, turn_sides
from bench.rounds import Side, interleaved
from bench.run import Findings
from bench.servers import Measured, read_answer
from bench.web import Web

TURNS = 100
FAST_PIECES = 2_000
FAST_TURNS = 4
SLOW_STREAMS = 50
SLOW_PACE_MS = 25
SLOW_SECONDS = 2
# More than are ever read: these streams are ended by their readers.
SLOW_PIECES = 100_000
# Until all that was in between is read.
CATCH_UP_SECONDS = 0.5
PROMPT = "What happens next, and why?"


async def streamed_turn(running: Web) -> Findings:
    """A streamed turn of 40 pieces, one after the other: the time to the first byte, and what all of it costs."""
    case = f"a streamed turn of {PIECES} pieces"
    async with _sides(running, PIECES) as sides:
        rounds = await interleaved(case, sides, running.run.server, running.run.effort, tasks=1, times=TURNS)
    service = [each.service * 1e3 for each in rounds.of[OURS]]
    return [
        *rounds.costs(),
        Figure.of(f"{case}: processor of the service", service, bars.STREAMED_TURN_MS, "ms"),
        rounds.ratio(f"{case}: processor, beside bare", None, attrgetter("service"), BARE),
        rounds.ratio(f"{case}: first byte, beside bare", bars.FIRST_BYTE, attrgetter("p50"), BARE),
    ]


async def fast_stream(running: Web) -> Findings:
    """Pieces a second of processor time, of a model that says 2,000 at once.

    The bare side sends each as an event of its own; the service sends together what comes within its pace.
    """
    pieces = running.run.effort.of(FAST_PIECES)
    async with _sides(running, pieces) as sides:
        rounds = await interleaved(
            "a fast stream", sides, running.run.server, running.run.effort, tasks=1, times=FAST_TURNS
        )
    pairs = [(pieces / ours.service, pieces / bare.service) for ours, bare in zip(*rounds.of.values(), strict=True)]
    name = f"a fast stream of {pieces:,}: pieces a second of processor"
    return [Sides(pairs).ratio(name, bars.FAST_STREAMS, scale=1, side_unit="/s")]


async def slow_streams(running: Web) -> Findings:
    """Events a second of processor time, of 50 streams whose pieces come one by one: each is an event on both sides."""
    many = max(2, round(SLOW_STREAMS * running.run.effort.share))
    model, speeds = every(SLOW_PACE_MS, SLOW_PIECES), Sides()
    for number in range(running.run.effort.rounds + 1):
        ids = await running.conversations(many)
        mine = await _events(running.service, [running.turn(each, model, PROMPT, stream=True) for each in ids])
        await running.delete(ids)
        asked = [running.bare_turn(each, model, PROMPT, stream=True) for each in ids]
        theirs = await _events(running.bare, asked)
        if number:
            speeds.pairs.append((mine, theirs))
    name = f"{many} slow streams: events a second of processor"
    return [speeds.ratio(name, bars.SLOW_STREAMS, scale=1, side_unit="/s")]


def _sides(running: Web, pieces: int) -> AbstractAsyncContextManager[list[Side]]:
    return turn_sides(running, 1, at_once(pieces), partial(_first_byte, pieces=pieces), stream=True)


async def _first_byte(reader: asyncio.StreamReader, *, pieces: int) -> float:
    """Read a streamed answer whole; return the seconds to its first byte.

    Raises:
        RuntimeError: it has not all of the pieces.
    """
    begun = time.perf_counter()
    head = await reader.readuntil(b"\r\n\r\n")
    seconds = time.perf_counter() - begun
    body = await read_answer(reader, head)
    came = int(body.rpartition(b"event: delta\nid: ")[2].partition(b"\n")[0])
    if came != pieces * PIECE_CHARACTERS:
        raise RuntimeError(f"{came} characters came, not {pieces * PIECE_CHARACTERS}")
    return seconds


async def _events(measured: Measured, requests: Sequence[bytes]) -> float:
    """Open streams, and return how many events a second of processor time they bring once all are open."""
    streams = [await _open(measured, raw) for raw in requests]
    came = 0

    async def read(reader: asyncio.StreamReader) -> None:
        nonlocal came
        while True:
            await reader.readuntil(b"event: delta")
            came += 1

    reading = [asyncio.create_task(read(reader)) for reader, _ in streams]
    await asyncio.sleep(CATCH_UP_SECONDS)
    begun, before = came, measured.processor_seconds()
    await asyncio.sleep(SLOW_SECONDS)
    speed = (came - begun) / (measured.processor_seconds() - before)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    for _, writer in streams:
        writer.close()
    return speed


async def _open(measured: Measured, raw: bytes) -> Stream:
    """Open a stream, and read it up to its first piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", measured.port)
    writer.write(raw)
    await reader.readuntil(b"event: delta")
    return reader, writer
