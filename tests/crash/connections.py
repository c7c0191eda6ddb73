"""How many connections of the service's pools can be used: requests are made to wait for a lock in all of them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import httpx2

from tests.crash.clients import Browser, Site
from tests.crash.scenario_run import until
from tests.support.urls import driver_url

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'chatkeep' AND wait_event_type = 'Lock'
"""
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'chatkeep'"
LOCK_CONVERSATION = "SELECT 1 FROM conversations WHERE id = $1 FOR UPDATE"
LOCK_USERS = "SELECT 1 FROM users WHERE username = ANY($1) FOR UPDATE"
POOL_SIZE = 16
MORE = 4
# One of them holds a quarter of the connections for transactions at most.
PEOPLE = 6
# Of the hot connections, a quarter never works for turns.
FOR_TURNS = POOL_SIZE // 2 - POOL_SIZE // 2 // 4
# A request waits no longer for a connection, and PostgreSQL no longer for a lock.
WAITING_SECONDS = 8

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def check_connections(site: Site, url: str, *, most: int = POOL_SIZE) -> str:
    """Find out whether every connection of both pools is of use; return how many were.

    Args:
        most: how many PostgreSQL has for the service.
    """
    people = [await site.person() for _ in range(PEOPLE)]
    browser, next_one = people[0], itertools.cycle(people)
    conversation = (await browser.insist("POST", "/api/v1/conversations", {})).json()["id"]
    # Two: within a transaction, PostgreSQL's statistics stand still.
    holding, watching = await asyncpg.connect(driver_url(url)), await asyncpg.connect(driver_url(url))
    try:
        hot = await _usable(
            holding, watching, lambda: _turn(browser, conversation), LOCK_CONVERSATION, conversation, most=FOR_TURNS
        )
        others = await _usable(
            holding,
            watching,
            lambda: _profile(next(next_one)),
            LOCK_USERS,
            [each.username for each in people],
            most=POOL_SIZE // 2,
        )
        opened: int = await watching.fetchval(OPEN)
    finally:
        await holding.close()
        await watching.close()
    found = f"{hot} + {others} of {most}"
    # The hot pool may have opened all that it may, also those that never work for turns.
    enough = hot == FOR_TURNS and others >= min(POOL_SIZE // 2, most - POOL_SIZE // 2)
    site.findings.require(enough, "no connection is lost", f"only {found} can be used")
    site.findings.require(opened <= POOL_SIZE, "no connection is lost", f"{opened} are open")
    return found


async def _usable(
    holding: Connection,
    watching: Connection,
    request: Callable[[], Awaitable[httpx2.Response]],
    lock: str,
    locked: str | list[str],
    *,
    most: int,
) -> int:
    waiting = 0

    async def all_wait() -> bool:
        nonlocal waiting
        waiting = max(waiting, await watching.fetchval(WAITING))
        return waiting >= most

    async with holding.transaction():
        await holding.execute(lock, locked)
        requests = [asyncio.ensure_future(request()) for _ in range(POOL_SIZE // 2 + MORE)]
        await until(all_wait, seconds=WAITING_SECONDS)
    await asyncio.gather(*requests)
    return waiting


async def _turn(browser: Browser, conversation: str) -> httpx2.Response:
    body = {"content": "Say 1 pieces: 0", "stream": False}
    return await browser.ask("POST", f"/api/v1/conversations/{conversation}/turns", body)


async def _profile(browser: Browser) -> httpx2.Response:
    return await browser.ask("PATCH", "/api/v1/auth/me", {"display_name": "still here"})
