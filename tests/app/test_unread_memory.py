"""Clients that do not read what they asked for cost little, and not for long: a process of its own, and its memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.process import serving
from tests.support.running_service import running
from tests.support.unread import TURN_BYTES, UnreadAnswer, add_long_turns

CLIENTS = 30
TURNS = 400
MAX_BYTES_EACH = 1024 * 1024
LONG_TURN_BYTES = 4_000_000
# The first of each path pay for what the process keeps: memory that was needed for a moment is not given back at once.
FIRST_CLIENTS = 6
MORE_CLIENTS = 20
SETTLED_SECONDS = 30
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


@pytest.mark.long
async def test_answers_of_one_long_turn_cost_at_most_a_megabyte_each(shared_database_url: str, tmp_path: Path) -> None:
    """A prompt and a reply of megabytes, which no batch can divide."""
    async with running(shared_database_url) as service:
        owner = await service.person()
        conversation = await owner.conversation()
        await add_long_turns(shared_database_url, owner.id, conversation, 1, turn_bytes=LONG_TURN_BYTES)
        turn = (await owner.turns(conversation))[0]["id"]
        headers = {"Cookie": f"sid={owner.client.cookies['sid']}", "Connection": "close"}
        turns = f"/api/v1/conversations/{conversation}/turns"
        paths = (
            "/api/v1/export",
            f"/api/v1/conversations/{conversation}/export?format=json",
            f"/api/v1/conversations/{conversation}/export?format=jsonl",
            f"/api/v1/conversations/{conversation}/export?format=markdown",
            turns,
            f"{turns}/{turn}",
            f"{turns}/{turn}/events",
        )
        async with serving(tmp_path, database_url=shared_database_url, follower_timeout_seconds=300) as process:
            memory = psutil.Process(process.pid)
            for path in paths:
                unread = [await _waiting(process.url, path, headers) for _ in range(FIRST_CLIENTS)]
                before = memory.memory_full_info().uss
                unread += [await _waiting(process.url, path, headers) for _ in range(MORE_CLIENTS)]
                # What is being written down at this moment is in memory for that long.
                held = await _settled(lambda: (memory.memory_full_info().uss - before) / MORE_CLIENTS)  # noqa: B023
                last = unread.pop()
                size, whole = await last.rest()
                for answer in unread:
                    answer.close()
                assert held < MAX_BYTES_EACH, path
                assert whole or b"content-length: " in last.head, path
                assert size > LONG_TURN_BYTES, path


async def _waiting(url: str, path: str, headers: dict[str, str]) -> UnreadAnswer:
    """Return an answer whose beginning has come: the rest waits for its client."""
    answer = await UnreadAnswer.ask(url, path, headers)
    await answer.read_a_little()
    return answer


async def _settled(measure: Callable[[], float]) -> float:
    """Return the measurement once it is small enough, or when it has had time to become so."""
    deadline = asyncio.get_running_loop().time() + SETTLED_SECONDS
    while (found := measure()) >= MAX_BYTES_EACH and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)
    return found


def _clients(process: psutil.Process, url: str) -> int:
    """Return how many connections of clients the process has open."""
    port = int(url.rpartition(":")[2])
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in process.net_connections())
