"""Streams that one process of the service holds open as it is set by default: refusals, pauses and memory.

The model server speaks slowly, over sockets. Each stream is read by a client of its own.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from bench import bars
from bench.measurements import Figure
from bench.model_app import every
from bench.open_files import raise_file_limit
from bench.run import Findings, Run
from bench.servers import Measured, server
from bench.web import registered, service_of, turn_request

PROMPT = "Go on, slowly."
# The streams, and the milliseconds between two pieces of each.
LOADS = ((2_000, 1_000), (200, 100))
STREAMS_A_USER = 40
OPEN_A_SECOND = 100
WARM_UP_STREAMS = 10
HOLD_SECONDS = 20
# A client address may hold so many connections of those that the service allows.
STREAMS_AN_ADDRESS = 100
PIECE = b"event: delta"


@dataclass
class Streams:
    """What the clients saw.

    Args:
        refused: how many were answered with another status than 200, by status.
        last: when each open stream's last piece came; its beginning, where none came yet.
        pauses: the longest pause of each before that, in seconds.
    """

    pieces: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    last: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def max_pause(self) -> float:
        """Return the longest pause of all until now, in seconds."""
        now = time.perf_counter()
        return max([0.0, *self.pauses, *(now - each for each in self.last)])

    async def read(self, port: int, raw: bytes, address: str) -> None:
        """Open a stream, and read it until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        self.writers.append(writer)
        writer.write(raw)
        status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
        if status != 200:
            self.refused[status] += 1
            writer.close()  # it is no stream, and what it holds is none's memory
            return
        number = len(self.last)
        self.last.append(time.perf_counter())
        self.pauses.append(0.0)
        while True:
            await reader.readuntil(PIECE)
            now = time.perf_counter()
            self.pieces += 1
            self.pauses[number] = max(self.pauses[number], now - self.last[number])
            self.last[number] = now


async def open_streams(run: Run) -> Findings:
    """Many streams at once, each slow; not of the usual run, since it takes long."""
    raise_file_limit()
    found: Findings = []
    for streams, pace_ms in LOADS:
        many = max(WARM_UP_STREAMS * 2, round(streams * run.effort.share))
        found += await _load(run, many, pace_ms)
    return found


async def _load(run: Run, many: int, pace_ms: int) -> Findings:
    hold = max(2.0, HOLD_SECONDS * run.effort.share)
    opening = many / OPEN_A_SECOND
    # They go on until all are over, and no longer than a little after.
    pieces = round((opening + hold + 30) * 1000 / pace_ms)
    async with _service(run) as service:
        requests = await _requests(service, many, every(pace_ms, pieces))
        streams = Streams()
        reading = await _open(service, streams, requests[:WARM_UP_STREAMS], 0)
        await asyncio.sleep(1)
        before = service.memory_bytes()
        reading += await _open(service, streams, requests[WARM_UP_STREAMS:], WARM_UP_STREAMS)
        processor, pieces_before = service.processor_seconds(), streams.pieces
        await asyncio.sleep(hold)
        processor, came = service.processor_seconds() - processor, streams.pieces - pieces_before
        held = (service.memory_bytes() - before) / max(1, len(streams.last) - WARM_UP_STREAMS)
        pause = streams.max_pause() - pace_ms / 1000
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for writer in streams.writers:
            writer.close()
    name = f"{many:,} open streams, a piece every {pace_ms / 1000:g} s"
    if streams.refused:
        run.say(f"{name}: refused with {dict(streams.refused)}")
    return [
        Figure.of(f"{name}: refused", [float(streams.refused.total())], bars.REFUSED_STREAMS, ""),
        Figure.of(f"{name}: the longest pause more than the model's", [pause], bars.STREAM_PAUSE_SECONDS, "s"),
        Figure.of(f"{name}: memory of each", [held / 1e3], bars.STREAM_KB, "kB"),
        Figure.of(f"{name}: pieces a second", [came / hold], None, ""),
        Figure.of(f"{name}: processors in use", [processor / hold], None, ""),
    ]


@asynccontextmanager
async def _service(run: Run) -> AsyncIterator[Measured]:
    with ExitStack() as stack:
        model = stack.enter_context(server("bench.model_app:application"))
        yield stack.enter_context(service_of(run, f"http://127.0.0.1:{model.port}/v1"))


async def _requests(service: Measured, many: int, model: str) -> list[bytes]:
    """Return a turn each in conversations of many users."""
    cookies, requests = [], []
    base = f"http://127.0.0.1:{service.port}"
    for number in range(max(4, many // STREAMS_A_USER)):
        async with httpx2.AsyncClient(base_url=base) as client:
            cookies.append(await registered(client, str(number)))
    async with httpx2.AsyncClient(base_url=base) as client:
        for cookie in itertools.islice(itertools.cycle(cookies), many):
            made = await client.post("/api/v1/conversations", json={}, headers={"Cookie": cookie})
            made.raise_for_status()
            requests.append(turn_request(service.port, cookie, made.json()["id"], model, PROMPT, stream=True))
    return requests


async def _open(
    service: Measured, streams: Streams, requests: Sequence[bytes], first: int
) -> list["asyncio.Task[None]"]:
    """Open streams at a steady rate, from as many addresses as they need."""
    reading, begun = [], time.perf_counter()
    for number, raw in enumerate(requests):
        address = f"127.0.0.{2 + (first + number) // STREAMS_AN_ADDRESS}"
        reading.append(asyncio.create_task(streams.read(service.port, raw, address)))
        await asyncio.sleep(max(0.0, begun + (number + 1) / OPEN_A_SECOND - time.perf_counter()))
    return reading
