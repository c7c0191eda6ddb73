"""Pages of very long turns: read whole by their cursors, a little at a time, and nobody else waits for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import psutil

from chatkeep.chat.search.lexemes import VERSION
from tests.app.test_metrics import samples
from tests.support.process import serving
from tests.support.running_service import running
from tests.support.unread import add_long_turns
from tests.support.urls import driver_url

TURNS = 200
TURN_BYTES = 1_000_000
# One turn ends a page, and the one before it may have left room for it.
MAX_ANSWER_BYTES = 3 * TURN_BYTES
# Rows, turns and what is written of them, of the pages of one client.
MAX_MORE_BYTES = 64 * 1024 * 1024
INDEXED = """
INSERT INTO turn_entries (user_id, turn_id, version, lexemes) SELECT user_id, id, $2, '{}' FROM turns WHERE user_id = $1
"""
HELD = "chatkeep_event_loop_blocked_seconds_count"


class Reading:
    """A client of the process, and the most memory that the process took meanwhile."""

    def __init__(self, client: httpx2.AsyncClient, process: psutil.Process) -> None:
        self.client, self._process = client, process
        self.highest_bytes = 0

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = await self.client.get(path, params={name: value for name, value in params.items() if value})
        assert answer.status_code == 200, answer.text[:1000]
        assert len(answer.content) < MAX_ANSWER_BYTES, path
        page: dict[str, Any] = answer.json()
        return page

    async def pages(self, path: str, field: str = "items", **params: Any) -> list[list[Any]]:
        """Return what stands in the pages, each read by the cursor of the one before."""
        found: list[list[Any]] = []
        cursor = None
        while cursor or not found:
            page = await self.get(path, cursor=cursor, **params)
            found.append(page[field])
            cursor = page["next_cursor"]
        return found

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        async def measure() -> None:
            while True:
                self.highest_bytes = max(self.highest_bytes, self._process.memory_info().rss)
                await asyncio.sleep(0.01)

        measuring = asyncio.create_task(measure())
        try:
            yield
        finally:
            measuring.cancel()


async def test_two_hundred_turns_of_a_megabyte_are_read_in_bounded_pages(
    shared_database_url: str, tmp_path: Path
) -> None:
    async with running(shared_database_url) as service:
        owner, administrator = await service.person(), await service.administrator()
        conversation = await owner.conversation()
        await add_long_turns(shared_database_url, owner.id, conversation, TURNS, turn_bytes=TURN_BYTES)
        await _index(shared_database_url, owner.id)
        numbers = list(range(TURNS))
        path = f"/api/v1/conversations/{conversation}/turns"
        settings = {"database_url": shared_database_url, "log_level": "error"}
        async with serving(tmp_path, **settings) as process:
            memory = psutil.Process(process.pid)

            def reading(cookies: httpx2.Cookies) -> Reading:
                client = service.client(cookies={"sid": cookies["sid"]})
                client.base_url = process.url
                return Reading(client, memory)

            own, other = reading(owner.client.cookies), reading(administrator.client.cookies)
            await own.get(path, limit=2)
            before = memory.memory_info().rss
            async with own.measured():
                for order, expected in (("desc", numbers[::-1]), ("asc", numbers)):
                    pages = await own.pages(path, order=order, limit=200)
                    assert [turn["index"] for page in pages for turn in page] == expected
                    assert all(len(turn["reply"]["content"]) == TURN_BYTES for page in pages for turn in page)

                # The same where others read it; the page of the chat from its end and from a place in the middle.
                window = f"/web/conversations/{conversation}/turns"
                for place in ({}, {"start": str(UUID(int=TURNS // 2))}, {"first": TURNS // 2}):
                    part = await own.get(window, limit=30, **place)
                    assert part["items"]
                    assert part["more"]
                page = await own.get(f"/api/v1/ui/chat/{conversation}/messages", limit=200)
                assert page["messages"]
                assert page["next_cursor"]
                own.client.headers["Authorization"] = f"Bearer {await owner.token()}"
                page = await own.get(f"/v1/conversations/conv_{UUID(conversation).hex}/items", limit=100)
                assert page["data"]
                assert page["has_more"]
                for path in (f"/api/v1/admin/conversations/{conversation}/turns", "/api/v1/admin/history"):
                    page = await other.get(path, limit=200)
                    assert page["items"]
                    assert page["next_cursor"]
            assert own.highest_bytes - before < MAX_MORE_BYTES
            figures = samples(await _metrics(process.url))
            held = {dict(labels)["holder"] for name, labels in figures if name == HELD}
            assert not {each for each in held if "turns" in each or "messages" in each or "history" in each}


async def _index(database_url: str, user_id: str) -> None:
    """Have the turns be found by nothing: hundreds of megabytes would keep the processes busy for half a minute."""
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        await connection.execute(INDEXED, UUID(user_id), VERSION)
    finally:
        await connection.close()


async def _metrics(url: str) -> str:
    async with httpx2.AsyncClient() as client:
        return (await client.get(f"{url}/metrics")).text
