"""Servers between the service and its data: poolers before the server, standbys behind it."""

from sqlalchemy import text

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.database.pooler import Pooling

# Everybody may read these columns. A logical subscriber or a running base backup is no standby.
_STANDBYS = """
SELECT current_setting('transaction_read_only') = 'on' AS read_only, pg_is_in_recovery() AS is_standby,
    current_setting('synchronous_standby_names') <> '' AS is_synchronous,
    (SELECT count(*) FROM pg_stat_replication LEFT JOIN pg_replication_slots ON active_pid = pid
     WHERE coalesce(slot_type, 'physical') = 'physical' AND coalesce(state, '') <> 'backup') AS standbys
"""


def look_at_pooler(database: Database, settings: Settings, findings: Findings) -> None:
    match database.pooling:
        case Pooling.SESSION:
            most = settings.database_pool_size * settings.workers
            findings.note(
                Area.DATABASE,
                "A pooler in session mode is in front of the database.",
                f"Give it at least {most} connections to the server for this service (default_pool_size in "
                "PgBouncer), and a few more for commands: a request without a connection waits, and then gets 503.",
            )
        case Pooling.TRANSACTION:
            findings.note(
                Area.DATABASE,
                "A pooler in transaction mode is in front of the database.",
                "It works, with more round trips for each turn than session mode (pool_mode = session in PgBouncer) or "
                "a direct connection.",
            )


async def look_at_standbys(database: Database, findings: Findings) -> None:
    async with database.transaction() as connection:
        found = (await connection.execute(text(_STANDBYS))).one()
    if found.read_only:
        what = "is a standby" if found.is_standby else "was made read-only (default_transaction_read_only)"
        findings.problem(
            Area.DATABASE,
            f"The server takes no changes: it {what}.",
            "Use the address of the primary; of several servers, ?target_session_attrs=read-write finds it."
            if found.is_standby
            else "Turn default_transaction_read_only off in the server when the reason for it is gone.",
        )
    elif found.standbys and not found.is_synchronous:
        findings.warn(
            Area.DATABASE,
            f"None of {found.standbys} standbys is synchronous: a failover may lose the last acknowledged turns.",
            "Set synchronous_standby_names in the server if that must not happen.",
        )
    elif found.standbys:
        findings.ok(Area.DATABASE, "Acknowledged turns are on a standby, too.")
