"""What is done now and then.

Swept away are sessions, tokens and counters that are over, and guests who do not come back; notes become statistics;
conversations that are older than the policy keeps them are deleted.
"""

import asyncio
from collections.abc import Mapping

import structlog

from service.accounts import attempt_queries, token_queries
from service.accounts.accounts import Accounts
from service.accounts.guests import sweep_guests
from service.accounts.names import fill_names
from service.admin.retention import delete_old, rules
from service.audit.trail import AuditTrail, Origin
from service.clock import utc_now
from service.config import KeptRole
from service.database.database import Database
from service.errors import Busy, DatabaseUnavailable
from service.sessions.queries import sweep_sessions
from service.statistics.counting import count_notes

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 600
COUNT_SECONDS = 10
RETENTION_SECONDS = 3600
WEED_SECONDS = 1


async def sweep(accounts: Accounts) -> None:
    """Delete the rows that count for nothing any more; every query ignores them already. Renew the audit trail's seals,
    so that a signing key can be taken away some time after another came. Fill in what the names of accounts that an
    earlier version made are compared by.
    """
    await fill_names(accounts.database)
    await sweep_guests(accounts)
    now = accounts.clock()
    async with accounts.database.transaction() as connection:
        await sweep_sessions(connection, now, accounts.limits)
        await token_queries.sweep_tokens(connection, now)
        await attempt_queries.sweep_attempts(connection, now)
    await accounts.trail.renew_seals(accounts.database)


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


async def keep_weeded(database: Database) -> None:
    """Leave a server that takes no changes any more, for as long as the service runs.

    Whoever writes meets it at once. Whoever reads would go on reading there: a session that was ended elsewhere since.
    """
    while True:
        await asyncio.sleep(WEED_SECONDS)
        try:
            await database.weed()
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", step="connections", detail=error.detail)
        except Exception:
            # The connections stay until somebody writes; a loop that has ended never looks again.
            log.exception("background_step_failed", step="connections")


async def retain(database: Database, trail: AuditTrail, days_of_role: Mapping[KeptRole, int]) -> None:
    """Delete what is older than it may be, unless another process is doing it."""
    try:
        removed = await delete_old(database, trail.by(Origin("service")), rules(days_of_role, utc_now()), wait=False)
    except Busy:
        log.info("retention_left_to_another_process")
    else:
        if removed.conversations:
            log.info("retention", deleted_conversations=removed.conversations, deleted_turns=removed.turns)


async def keep_retained(database: Database, trail: AuditTrail, days_of_role: Mapping[KeptRole, int]) -> None:
    """Apply the retention policy every hour, for as long as the service runs."""
    while True:
        try:
            await retain(database, trail, days_of_role)
        except DatabaseUnavailable:
            log.warning("retention_put_off")
        except Exception:
            # What is not deleted now is deleted in an hour.
            log.exception("retention_failed")
        await asyncio.sleep(RETENTION_SECONDS)
