"""What is done now and then.

Swept away are sessions, tokens and counters that are over, and guests who do not come back; notes become statistics.
"""

import asyncio

import structlog

from service.accounts import queries
from service.accounts.accounts import Accounts
from service.accounts.guests import sweep_guests
from service.database.database import Database
from service.errors import DatabaseUnavailable
from service.sessions.queries import sweep_sessions
from service.statistics.counting import count_notes

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 600
COUNT_SECONDS = 10


async def sweep(accounts: Accounts) -> None:
    """Delete the rows that count for nothing any more; every query ignores them already."""
    await sweep_guests(accounts)
    now = accounts.clock()
    async with accounts.database.transaction() as connection:
        await sweep_sessions(connection, now, accounts.limits)
        await queries.sweep_tokens(connection, now)
        await queries.sweep_attempts(connection, now)


async def keep_swept(accounts: Accounts) -> None:
    """Sweep for as long as the service runs."""
    while True:
        try:
            await sweep(accounts)
        except DatabaseUnavailable:
            log.warning("sweep_put_off")
        except Exception:
            # What is not swept today is swept tomorrow; a loop that has ended never sweeps again.
            log.exception("sweep_failed")
        await asyncio.sleep(SWEEP_SECONDS)


async def keep_counted(database: Database) -> None:
    """Turn what was noted for the statistics into counters, for as long as the service runs."""
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        try:
            async with database.transaction() as connection:
                await count_notes(connection)
        except DatabaseUnavailable:
            log.warning("count_put_off")
        except Exception:
            # The notes stay, and are counted later; a loop that has ended never counts again.
            log.exception("count_failed")
