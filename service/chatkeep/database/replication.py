"""Where an acknowledged commit is: on the disk of one server, or on a standby's, too."""

from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy import text

from chatkeep.database.database import Database
from chatkeep.database.durability import require_safe

log = structlog.get_logger(__name__)

# Everybody may read which standbys there are; only `pg_read_all_stats` shows which of them commits wait for. A logical
# subscriber or a running base backup is no standby.
_QUERY = """
SELECT current_setting('transaction_read_only') = 'on' AS read_only, pg_is_in_recovery() AS is_standby,
    current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') NOT IN ('off', 'local')
        AS waits,
    count(pid) AS standbys,
    count(pid) FILTER (WHERE sync_state IN ('async', 'potential')) AS asynchronous,
    count(pid) FILTER (WHERE sync_state IS NULL) AS hidden
FROM pg_stat_replication LEFT JOIN pg_replication_slots ON active_pid = pid
WHERE coalesce(slot_type, 'physical') = 'physical' AND coalesce(state, '') <> 'backup'
"""


@dataclass(frozen=True, slots=True)
class Replication:
    """A server and its standbys, as it knows them. One that is fed below PostgreSQL or from an archive is not seen.

    Attributes:
        read_only: it takes no changes.
        is_standby: it is a standby itself.
        waits: a commit is acknowledged when a synchronous standby has it.
        standbys: how many are connected.
        asynchronous: of these, how many commits do not wait for, as far as this role may see.
        hidden: of these, how many the role may not see that of.
    """

    read_only: bool
    is_standby: bool
    waits: bool
    standbys: int
    asynchronous: int
    hidden: int

    @property
    def may_lose(self) -> int:
        """The number of standbys that may miss acknowledged turns when they are promoted."""
        return self.asynchronous if self.waits else self.standbys

    @property
    def hangs(self) -> bool:
        """Whether every commit waits for a standby that is not there."""
        return self.waits and self.standbys == self.asynchronous and not self.hidden

    @property
    def acknowledged_on(self) -> Literal["primary", "standby"]:
        """The last place that a turn has reached when it is acknowledged."""
        return "standby" if self.waits else "primary"


async def replication_of(database: Database) -> Replication:
    """Return the server and its standbys, as it knows them."""
    async with database.transaction() as connection:
        return Replication(**(await connection.execute(text(_QUERY))).mappings().one())


async def check_promises(database: Database, *, accept_unsafe: bool) -> None:
    """Refuse a database that may forget, and log what else may be lost.

    Raises:
        UnsafeDatabase: says why; not with `accept_unsafe`.
    """
    if not accept_unsafe:
        await require_safe(database)
    await log_promises(database)


async def log_promises(database: Database) -> None:
    """Log what operators may believe and does not hold: commits that no standby has, settings that a pooler drops."""
    found = await replication_of(database)
    if found.may_lose:
        log.warning("asynchronous_standbys", standbys=found.may_lose, detail="acknowledged turns can be lost")
    if found.hidden and found.waits:
        log.warning("standbys_not_shown", standbys=found.hidden, detail="the role lacks pg_read_all_stats")
    for name, (wanted, value) in sorted((await database.settings_not_in_force()).items()):
        log.warning("setting_not_in_force", setting=name, wanted=wanted, found=value)
    for name in await database.options_not_in_force():
        log.warning("option_not_in_force", option=name, detail="a pooler dropped it from the address")
