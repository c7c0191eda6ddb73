"""Clients that do not read what they asked for cost little, and not for long: a process of its own, and its memory."""

import asyncio
from pathlib import Path

import psutil

from tests.support.process import serving
from tests.support.running_service import running
from tests.support.unread import TURN_BYTES, UnreadAnswer, add_long_turns

CLIENTS = 30
TURNS = 400
MAX_BYTES_EACH = 1024 * 1024
# What the first exports of a process cost it once: code that is loaded, connections, statements.
ONCE_BYTES = 24 * 1024 * 1024


async def test_thirty_unread_exports_cost_at_most_a_megabyte_each_and_are_cut(
    shared_database_url: str, tmp_path: Path
) -> None:
    async with running(shared_database_url) as service:
        owner = await service.person()
        await add_long_turns(shared_database_url, owner.id, await owner.conversation(), TURNS)
        headers = {"Cookie": f"sid={owner.client.cookies['sid']}"}
        timeout_seconds = 8
        settings = {"database_url": shared_database_url, "follower_timeout_seconds": timeout_seconds}
        async with serving(tmp_path, **settings) as process:
            memory = psutil.Process(process.pid)
            first = await UnreadAnswer.ask(process.url, "/api/v1/export", headers)
            before, highest = memory.memory_info().rss, 0
            asking = [UnreadAnswer.ask(process.url, "/api/v1/export", headers) for _ in range(CLIENTS)]
            gathering = asyncio.gather(*asking)
            while not gathering.done():
                highest = max(highest, memory.memory_info().rss)
                await asyncio.sleep(0.05)
            unread = [first, *await gathering]
            async with asyncio.timeout(60):
                while _clients(memory, process.url):
                    highest = max(highest, memory.memory_info().rss)
                    await asyncio.sleep(0.2)
            assert highest - before < CLIENTS * MAX_BYTES_EACH + ONCE_BYTES
            for answer in unread:
                size, whole = await answer.rest()
                assert not whole
                assert size < TURNS * TURN_BYTES / 2


def _clients(process: psutil.Process, url: str) -> int:
    """Return how many connections of clients the process has open."""
    port = int(url.rpartition(":")[2])
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in process.net_connections())
