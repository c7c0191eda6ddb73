"""WebSockets of an application of one's own, within the same limits."""

import asyncio
from pathlib import Path

from tests.connections.raw import Raw, connected
from tests.support.process import serving

APPLICATION = """
from fastapi import WebSocket
from chatkeep.app import create_app
from chatkeep.config import Settings

app = create_app(Settings.read(), owns_process=True)

@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())
"""
UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Masked with zeros, as RFC 6455 has it for clients' frames.
HELLO = b"\x81\x85\x00\x00\x00\x00hello"
ADDRESS = "127.0.0.77"


async def status_of(raw: Raw) -> int | None:
    await raw.send(UPGRADE)
    answer = await raw.answer()
    return None if answer is None else answer.status


async def test_a_websocket_lasts_and_counts_until_it_ends(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(APPLICATION)
    async with serving(
        tmp_path,
        "--app",
        "talking:app",
        database_url=database_url,
        max_connections_per_address=2,
        head_timeout_seconds=1,
        body_timeout_seconds=1,
    ) as service:
        for _ in range(2):
            async with connected(service.url, ADDRESS) as first, connected(service.url, ADDRESS) as second:
                assert await status_of(first) == 101
                assert await status_of(second) == 101
                assert await first.is_open(2)
                await first.send(HELLO)
                assert await first.read(7) == b"\x81\x05hello"
                async with connected(service.url, ADDRESS) as third:
                    assert (await third.refused()).problem["code"] == "too_many_connections"
            await asyncio.sleep(1)
        async with connected(service.url, ADDRESS) as raw:
            await raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await raw.answer()
        assert answer is not None
        assert answer.status == 200
        assert await service.end() == 0
    assert "Traceback" not in service.log
