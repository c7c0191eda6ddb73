"""Work that is repeated while the service runs.

Swept away are sessions, tokens and counters that are over, and guests who do not come back; notes become statistics;
conversations that are older than the policy keeps them are deleted.
"""

from collections.abc import Mapping
from datetime import timedelta

import structlog

from chatkeep.accounts import attempt_queries, link_queries, token_queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.guests import sweep_guests
from chatkeep.accounts.names import fill_names
from chatkeep.accounts.session_queries import sweep_sessions
from chatkeep.audit.trail import AuditTrail, Origin
from chatkeep.clock import utc_now
from chatkeep.config import KeptRole
from chatkeep.database.database import Database
from chatkeep.errors import Busy
from chatkeep.retention.policy import delete_old, rules
from chatkeep.statistics.counters import count_notes

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 600
COUNT_SECONDS = 10
RETENTION_SECONDS = 3600
# A write to a server that takes no changes any more fails at once. Reads would go on there, also of a session that was
# ended elsewhere since.
WEED_SECONDS = 1


async def cleanup(accounts: Accounts) -> None:
    """Delete the rows that count for nothing any more; every query ignores them already. Renew the audit trail's seals,
    so that a signing key can be taken away some time after another came. Fill in what the names of accounts that an
    earlier version made are compared by.
    """
    now = accounts.clock()
    unused_since = now - timedelta(seconds=accounts.guest_ttl_seconds)
    await sweep_guests(accounts.database, accounts.trail.by(Origin("service")), unused_since)
    async with accounts.database.transaction() as connection:
        await sweep_sessions(connection, now, accounts.limits)
        await token_queries.sweep_tokens(connection, now)
        await link_queries.sweep_links(connection, now)
        await attempt_queries.sweep_attempts(connection, now)
    await accounts.trail.renew_seals(accounts.database)
    await fill_names(accounts.database)


async def count(database: Database) -> None:
    """Turn what was noted for the statistics into counters."""
    async with database.transaction() as connection:
        await count_notes(connection)


async def retain(database: Database, trail: AuditTrail, days_of_role: Mapping[KeptRole, int]) -> None:
    """Delete conversations past their retention, unless another process is doing it."""
    try:
        removed = await delete_old(database, trail.by(Origin("service")), rules(days_of_role, utc_now()), wait=False)
    except Busy:
        log.info("retention_left_to_another_process")
    else:
        if removed.conversations:
            log.info("retention", deleted_conversations=removed.conversations, deleted_turns=removed.turns)
