"""Trails for tests: opened on a database, written by many at once, and read back."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import AuditTrail, Origin, Recorder
from chatkeep.database.database import Database
from chatkeep.ids import new_id
from tests.support.urls import driver_url

SECRET = "a key for tests: 0123456789abcdefghijklmnopqrstuvwxyz"


class RolledBack(Exception):
    """An error that a test raises in the middle of a transaction."""


@asynccontextmanager
async def opened(url: str, *secrets: str, pool_size: int = 8) -> AsyncIterator[tuple[Database, AuditTrail]]:
    """Yield a connected database and its trail."""
    database = await Database.connect(url, pool_size=pool_size)
    try:
        yield database, await AuditTrail.open(database, secrets or (SECRET,))
    finally:
        await database.close()


async def write(database: Database, audit: Recorder, number: int, *, action: Action = Action.SIGNED_IN) -> None:
    """Write so many rows, each in a transaction of its own."""
    for _ in range(number):
        async with database.transaction() as connection:
            await audit.record(connection, action, new_id())


async def write_or_not(database: Database, audit: Recorder, number: int, seed: int) -> int:
    """Write rows of which about a third is rolled back; return how many stay."""
    dice, kept = random.Random(seed), 0
    for _ in range(number):
        try:
            async with database.transaction() as connection:
                await audit.record(connection, Action.SIGNED_IN, new_id(), seed=seed)
                await asyncio.sleep(dice.random() / 500)
                if dice.random() < 0.33:
                    raise RolledBack
                kept += 1
        except RolledBack:
            pass
    return kept


async def writers(url: str, tasks: int, number: int, seed: int) -> int:
    """Write from many connections at once; return how many rows stay."""
    async with opened(url, pool_size=2 * tasks) as (database, trail):
        audit = trail.by(Origin("service", request_id=str(seed)))
        kept = await asyncio.gather(*(write_or_not(database, audit, number, seed * 100 + i) for i in range(tasks)))
    return sum(kept)


async def rows(url: str, query: str, *values: object) -> list[Any]:
    connection = await asyncpg.connect(driver_url(url))
    try:
        return await connection.fetch(query, *values)
    finally:
        await connection.close()


async def tamper(url: str, *statements: str) -> None:
    """Change the trail as somebody does who owns the database and has no key."""
    connection = await asyncpg.connect(driver_url(url))
    try:
        await connection.execute("GRANT ALL ON audit_events, audit_subjects, audit_chains TO CURRENT_USER")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    # A process of its own: the database, tasks, rows for each, a seed.
    print(asyncio.run(writers(sys.argv[1], *map(int, sys.argv[2:]))))
