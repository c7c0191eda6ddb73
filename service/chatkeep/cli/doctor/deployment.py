"""Servers between the service and its data: poolers before the server, standbys behind it."""

import asyncio

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.database.libpq.address import shown_url
from chatkeep.database.pooler import Pooling
from chatkeep.database.replication import Replication, replication_of
from chatkeep.database.standby import NotNear, Objection, Standby

CATCH_UP_SECONDS, CATCH_UP_TRIES = 3, 15


# What is wrong with the standby for administrators' reads, and what to do.
_OBJECTIONS = {
    Objection.AWAY: (
        "The standby {} does not answer.",
        "Administrators read on the primary until it does. Check CHATKEEP_READ_DATABASE_URL.",
    ),
    Objection.TOO_FAR_BEHIND: (
        f"The standby {{}} has not caught up with the primary in {CATCH_UP_SECONDS} s.",
        "Administrators read on the primary while it is further behind than CHATKEEP_READ_MAX_LAG_SECONDS.",
    ),
    Objection.NO_STANDBY: (
        "The server {} is no standby, so that administrators read on the primary.",
        "Set CHATKEEP_READ_DATABASE_URL to the address of a standby, or leave it unset.",
    ),
    Objection.OF_ANOTHER_PRIMARY: (
        "The server {} is a standby of another primary, so that administrators read on this one.",
        "Set CHATKEEP_READ_DATABASE_URL to a standby of this primary, and the same database.",
    ),
}


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


async def look_at_options(database: Database, findings: Findings) -> None:
    for name in await database.options_not_in_force():
        findings.warn(
            Area.DATABASE,
            f"The pooler before the database drops {name}, which the address sets in its options.",
            f"Set it where no pooler can drop it: ALTER ROLE … SET {name} = …, and take it out of the address.",
        )


async def look_at_standbys(database: Database, findings: Findings) -> None:
    found = await replication_of(database)
    if found.read_only:
        _look_at_read_only(found, findings)
        return
    if found.waits and not found.hangs:
        findings.ok(Area.DATABASE, "Acknowledged turns are on a synchronous standby, too.")
    if found.hangs:
        findings.problem(
            Area.DATABASE,
            "Every write hangs: the server waits for a standby (synchronous_standby_names) that is not connected.",
            "Connect that standby, or change synchronous_standby_names in the server.",
        )
    elif found.may_lose:
        findings.warn(
            Area.DATABASE,
            f"{_standbys(found.may_lose)} asynchronous: acknowledged turns can be lost when "
            f"{'it' if found.may_lose == 1 else 'one of them'} is promoted.",
            "Promote a synchronous one only."
            if found.waits
            else "Set synchronous_standby_names in the server if that must not happen.",
        )
    if found.waits and found.hidden:
        findings.note(
            Area.DATABASE,
            f"This role cannot see which of its standbys the server waits for: {found.hidden} of {found.standbys} are "
            "not shown. An asynchronous one that is promoted can lose acknowledged turns.",
            "GRANT pg_read_all_stats to the role to have it checked.",
        )


async def look_at_administrators_standby(database: Database, settings: Settings, findings: Findings) -> None:
    if settings.read_database_url is None:
        return
    url = settings.read_database_url.get_secret_value()
    place = f"at {shown_url(url)}"
    standby = Standby(database, url, max_lag_seconds=settings.read_max_lag_seconds)
    try:
        await _wait_until_near(standby)
    except NotNear as error:
        what, advice = _OBJECTIONS[error.objection]
        findings.warn(Area.DATABASE, error.detail or what.format(place), advice)
    else:
        findings.ok(Area.DATABASE, f"Administrators read on the standby {place}. It has caught up with the primary.")
    finally:
        await standby.close()


async def _wait_until_near(standby: Standby) -> None:
    """Look until the standby has reached where the primary was at first.

    Raises:
        NotNear: it does not in time, or cannot.
    """
    for _ in range(CATCH_UP_TRIES):
        try:
            return await standby.require_near()
        except NotNear as error:
            if error.objection is not Objection.TOO_FAR_BEHIND:
                raise
        await asyncio.sleep(CATCH_UP_SECONDS / CATCH_UP_TRIES)
    raise NotNear(Objection.TOO_FAR_BEHIND)


def _look_at_read_only(found: Replication, findings: Findings) -> None:
    what = "is a standby" if found.is_standby else "was made read-only (default_transaction_read_only)"
    findings.problem(
        Area.DATABASE,
        f"The server takes no changes: it {what}.",
        "Use the address of the primary; of several servers, ?target_session_attrs=read-write finds it."
        if found.is_standby
        else "Turn default_transaction_read_only off in the server when the reason for it is gone.",
    )


def _standbys(number: int) -> str:
    return "A standby is" if number == 1 else f"{number} standbys are"
