"""Server processes to measure, and a client that costs little."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


def processor_seconds(process: psutil.Process) -> float:
    """Return what a process has used; on Linux to the nanosecond, elsewhere as its clock ticks."""
    if sys.platform == "linux":
        # The clock of another process, as clock_getcpuclockid(3) makes its number.
        return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Measured:
    """A running server process."""

    process: psutil.Process
    port: int

    def processor_seconds(self) -> float:
        return processor_seconds(self.process)

    def memory_bytes(self) -> int:
        """What the process has to itself."""
        return int(self.process.memory_full_info().uss)


@contextmanager
def server(application: str, **environment: str) -> Iterator[Measured]:
    """Run an application under uvicorn until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    # A kept connection outlives the rounds of the others, and no open stream keeps the server from ending.
    options += ["--timeout-keep-alive", "3600", "--timeout-graceful-shutdown", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", application, *options],
        env=os.environ | environment,
    )
    try:
        _wait_for(port, process)
        yield Measured(psutil.Process(process.pid), port)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def listening(*command: str, **environment: str) -> Iterator[Measured]:
    """Run a program that says where it listens until the block ends."""
    process = subprocess.Popen(
        [sys.executable, *command], env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"listening on http://[\w.]+:(\d+)", line):
                yield Measured(psutil.Process(process.pid), int(found[1]))
                return
        raise RuntimeError(f"{command} ended with {process.wait()} before it listened; what it said is above")
    finally:
        process.terminate()
        process.communicate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server ended with {process.returncode} before it listened; what it said is above")


def request(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def send_all(port: int, requests: Sequence[bytes], connections: int = 1) -> None:
    """Send requests over kept connections, each after the answer to the one before."""
    waiting = iter(requests)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for raw in waiting:
            writer.write(raw)
            await read_answer(reader)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(connections)))


async def read_answer(reader: asyncio.StreamReader, head: bytes | None = None) -> bytes:
    """Read one answer whole, after its `head` where that was read; return its body.

    Raises:
        RuntimeError: it is not a success.
    """
    head = head or await reader.readuntil(b"\r\n\r\n")
    body = await _body(reader, head.lower())
    if head.split()[1][:1] != b"2":
        raise RuntimeError((head + body).decode())
    return body


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for header in head.split(b"\r\n"):
        if header.startswith(b"content-length:"):
            return await reader.readexactly(int(header.partition(b":")[2]))
    body = bytearray()
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return bytes(body)
