"""The bound of all connections of a process: whoever comes beyond it is told so at once, and nobody else is cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.connections.conftest import PROXY
from tests.connections.raw import Raw, connected, new_address
from tests.connections.test_protocol import GET, PATIENCE_SECONDS, assert_complete
from tests.support.process import ServeProcess, serving

CONNECTIONS = 12


@pytest.fixture
async def small(shared_database_url: str, tmp_path: Path) -> AsyncIterator[ServeProcess]:
    async with serving(
        tmp_path,
        database_url=shared_database_url,
        max_connections=CONNECTIONS,
        trusted_proxies=PROXY,
        log_format="json",
    ) as service:
        yield service


async def status_of(raw: Raw) -> int:
    await raw.send(GET)
    answer = await raw.answer()
    return answer.status if answer else 0


async def until_open(service: ServeProcess, stack: AsyncExitStack, count: int) -> list[Raw]:
    """Hold so many connections, each from an address of its own; those that the start left may end first."""
    held: list[Raw] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(held) < count:
            raw = await stack.enter_async_context(connected(service.url, new_address()))
            if await status_of(raw) == 200:
                held.append(raw)
    return held


async def test_one_more_than_all_is_told_so_at_once(small: ServeProcess) -> None:
    async with AsyncExitStack() as stack:
        held = await until_open(small, stack, CONNECTIONS)
        for address in (new_address(), PROXY):  # no proxy has room where nobody has
            async with connected(small.url, address) as raw:
                answer = await raw.refused()  # before a byte of a request
                assert_complete(answer, 503, "connections_exhausted")
                assert int(answer.headers["retry-after"]) > 0
        assert [await status_of(raw) for raw in held] == [200] * CONNECTIONS, "somebody was cut for a newcomer"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:  # what ended counts no more
            async with connected(small.url, new_address()) as raw:
                if await status_of(raw) == 200:
                    break
    assert small.log.count('"code": "connections_exhausted"') == 1, "one line for a flood"


async def test_a_flood_beyond_the_bound_is_refused_whole(small: ServeProcess) -> None:
    async with AsyncExitStack() as stack:
        held = await until_open(small, stack, CONNECTIONS)

        async def refused() -> int:
            async with connected(small.url, new_address()) as raw:
                return (await raw.refused()).status

        assert set(await asyncio.gather(*(refused() for _ in range(100)))) == {503}
        assert [await status_of(raw) for raw in held] == [200] * CONNECTIONS
