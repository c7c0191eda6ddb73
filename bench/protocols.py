"""Compare uvicorn's two HTTP parsers with the one this service runs: processor time of the server for each request."""

import asyncio
import multiprocessing
import socket
from functools import partial
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import psutil
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chatkeep.connections.door import Door
from chatkeep.connections.limits import Limits
from chatkeep.connections.protocol import GuardedProtocol

ROUNDS = 7
REQUESTS = 2000
CONNECTIONS = 8
REQUEST = (
    b"GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b"Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Cookie: sid=" + b"x" * 100 + b"\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n"
    b"Sec-Fetch-Site: same-origin\r\n\r\n"
)
PROTOCOLS: dict[str, Any] = {
    "h11": H11Protocol,
    "httptools": HttpToolsProtocol,
    "httptools within limits": partial(GuardedProtocol, door=Door(Limits(connections=1000, per_address=1000))),
}


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def serve(name: str, told: Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    told.send(listener.getsockname()[1])
    config = uvicorn.Config(app, http=PROTOCOLS[name], lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


async def ask(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(REQUEST)
        await reader.readuntil(b"{}")
    writer.close()


async def seconds_of(process: psutil.Process, port: int) -> float:
    """Return the processor time of one request."""
    before = process.cpu_times()
    await asyncio.gather(*(ask(port, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS)))
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / REQUESTS


def main() -> None:
    servers: dict[str, tuple[multiprocessing.Process, int]] = {}
    for name in PROTOCOLS:
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(name, theirs), daemon=True)
        server.start()
        servers[name] = server, ours.recv()
    found: dict[str, list[float]] = {name: [] for name in PROTOCOLS}
    for _ in range(ROUNDS + 1):
        for name, (server, port) in servers.items():
            found[name].append(asyncio.run(seconds_of(psutil.Process(server.pid), port)))
    bare = median(found["httptools"][1:])
    for name, times in found.items():
        middle = median(times[1:])  # the first round warms up
        print(f"{name:24} {middle * 1e6:6.0f} µs a request, {middle / bare:5.2f} times httptools")
    for server, _ in servers.values():
        server.terminate()


if __name__ == "__main__":
    main()
