"""Streams: what a piece costs, when the first one comes, and what an open one holds."""

import asyncio
import statistics
import time
from dataclasses import replace
from itertools import pairwise

from bench.bare_app import PIECES, TEXT
from bench.measurements import Figure, Sides
from bench.servers import Measured, read_answer, request
from bench.web import Web

OPEN_STREAMS = 100
SLOW_STREAMS = 50
SLOW_SECONDS = 2


async def pieces(web: Web) -> list[Figure]:
    """Pieces that a model said a second of processor time, and the time to the first byte.

    The bare side sends each as an event of its own; the service sends together what comes within its pace.
    """
    many = web.effort.of(PIECES)
    conversation_id = await web.conversation()
    ours = web.turn(conversation_id, f"many {many}", stream=True)
    bare = request(web.bare.port, "GET", f"/stream?pieces={many}", Cookie=web.cookie)
    speeds, firsts = Sides(), Sides()
    for number in range(web.effort.rounds + 1):
        found = [(0.0, 0.0), (0.0, 0.0)]
        for _ in range(web.effort.of(4)):
            for side, (measured, raw) in enumerate(((web.service, ours), (web.bare, bare))):
                processor, first = await _stream(measured, raw, many)
                found[side] = found[side][0] + processor, found[side][1] + first
        if number:
            times = web.effort.of(4)
            speeds.pairs.append((many * times / found[0][0], many * times / found[1][0]))
            firsts.pairs.append((found[0][1] / times, found[1][1] / times))
    speed = speeds.ratio("pieces a second of processor time", 0.8, scale=1, side_unit="")
    slow = await _slow_pieces(web)
    return [replace(speed, at_least=True), slow, firsts.ratio("  time to the first byte", None)]


async def _slow_pieces(web: Web) -> Figure:
    """The same of many streams at once whose pieces come one by one, so that each is an event on both sides."""
    many = web.effort.of(SLOW_STREAMS)
    speeds = Sides()
    for number in range(web.effort.rounds + 1):
        conversations = [await web.conversation() for _ in range(many)]
        bare = [request(web.bare.port, "GET", "/stream?pieces=100000&pause_ms=25", Cookie=web.cookie)] * many
        mine = await _events(web.service, [web.turn(each, "slow", stream=True) for each in conversations])
        await web.delete(conversations)
        theirs = await _events(web.bare, bare)
        if number:
            speeds.pairs.append((mine, theirs))
    return speeds.ratio("  of 50 streams, a piece every 25 ms", None, scale=1, side_unit="")


async def memory(web: Web) -> list[Figure]:
    """What an open stream holds, of both: connection, request and reply."""
    many = max(10, web.effort.of(OPEN_STREAMS))
    conversations = [await web.conversation() for _ in range(many * 4)]
    bare = [request(web.bare.port, "GET", "/hold")] * (many * 4)
    mine = await _held(web.service, [web.turn(each, "hold", stream=True) for each in conversations], many)
    await web.delete(conversations)
    theirs = await _held(web.bare, bare, many)
    ours, held = statistics.median(mine), statistics.median(theirs)
    more = [each - held for each in mine]
    return [
        Figure("memory of an open stream", ours, 20.0, "kB", ours=ours, bare=held, side_unit="kB", rounds=mine),
        Figure("  beyond a bare one's", statistics.median(more), unit="kB", rounds=more),
    ]


async def _held(measured: Measured, requests: list[bytes], many: int) -> list[float]:
    """Open streams, `many` at a time; return how many kB each of the later times added a stream."""
    sizes: list[int] = []
    writers: list[asyncio.StreamWriter] = []
    for number, raw in enumerate(requests, 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", measured.port)
        writer.write(raw)
        await reader.readuntil(b"event: delta")
        writers.append(writer)
        if number % many == 0:
            await asyncio.sleep(0.5)
            sizes.append(measured.memory_bytes())
    for writer in writers:
        writer.close()
    return [(after - before) / many / 1000 for before, after in pairwise(sizes)]


async def _events(measured: Measured, requests: list[bytes]) -> float:
    """Open streams, and return how many events a second of processor time they bring once all are open."""
    streams = [await asyncio.open_connection("127.0.0.1", measured.port) for _ in requests]
    for (reader, writer), raw in zip(streams, requests, strict=True):
        writer.write(raw)
        await reader.readuntil(b"event: delta")
    came = 0

    async def read(reader: asyncio.StreamReader) -> None:
        nonlocal came
        while True:
            await reader.readuntil(b"event: delta")
            came += 1

    reading = [asyncio.create_task(read(reader)) for reader, _ in streams]
    await asyncio.sleep(0.5)  # all that was in between is read
    begun, before = came, measured.processor_seconds()
    await asyncio.sleep(SLOW_SECONDS)
    speed = (came - begun) / (measured.processor_seconds() - before)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    for _, writer in streams:
        writer.close()
    return speed


async def _stream(measured: Measured, raw: bytes, many: int) -> tuple[float, float]:
    """Return the processor seconds of one stream, and the seconds until its first byte."""
    before, begun = measured.processor_seconds(), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", measured.port)
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    first = time.perf_counter() - begun
    body = await read_answer(reader, head)
    came = int(body.rpartition(b"event: delta\nid: ")[2].partition(b"\n")[0])
    if came != many * len(TEXT):
        raise RuntimeError(f"{came} characters came, not {many * len(TEXT)}")
    writer.close()
    await asyncio.sleep(0.05)
    return measured.processor_seconds() - before, first
