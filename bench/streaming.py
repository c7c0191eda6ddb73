"""Streams: what a piece costs, when the first one comes, and what an open one holds."""

import asyncio
import statistics
import time
from itertools import pairwise

from bench.bare_app import PIECES
from bench.measuring import Figure, Sides
from bench.servers import Measured, read_answer, request
from bench.web import Web

OPEN_STREAMS = 100


async def pieces(web: Web) -> list[Figure]:
    """Pieces of a stream a second of processor time, each an event of its own, and the time to the first byte."""
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
    return [
        Figure(
            *(speed.name, speed.value, speed.bar),
            at_least=True,
            ours=speed.ours,
            bare=speed.bare,
            side_unit="",
            rounds=speed.rounds,
        ),
        firsts.ratio("  time to the first byte", None),
    ]


async def memory(web: Web) -> list[Figure]:
    """What an open stream holds, of both: connection, request and reply."""
    many = max(10, web.effort.of(OPEN_STREAMS))
    service = [web.turn(await web.conversation(), "hold", stream=True) for _ in range(many * 4)]
    bare = [request(web.bare.port, "GET", "/hold")] * (many * 4)
    mine, theirs = await _held(web.service, service, many), await _held(web.bare, bare, many)
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


async def _stream(measured: Measured, raw: bytes, many: int) -> tuple[float, float]:
    """Return the processor seconds of one stream, and the seconds until its first byte."""
    before, begun = measured.processor_seconds(), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", measured.port)
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    first = time.perf_counter() - begun
    body = await read_answer(reader, head)
    if body.count(b"event: delta\n") != many:
        raise RuntimeError(f"{body.count(b'event: delta')} pieces came, not {many}")
    writer.close()
    await asyncio.sleep(0.05)
    return measured.processor_seconds() - before, first
