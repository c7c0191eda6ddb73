"""One process as the others see it: by its lease in the database, and on its own machine by the process itself."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from sqlalchemy import Float, Integer, Text, bindparam, delete, func, literal, select
from sqlalchemy.dialects import postgresql

from chatkeep.chat.generation.processes import ServiceProcess
from chatkeep.chat.history.parameters import NOW, REPLICA_ID
from chatkeep.chat.search.older_release_queries import KEEPS
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.database.statement import Row, Statement
from chatkeep.database.tables import TIME, replicas
from chatkeep.ids import new_id

RELEASE_LEASE = Statement(delete(replicas).where(replicas.c.id == REPLICA_ID))


@dataclass(frozen=True, slots=True)
class LocalReplica:
    """Another replica on this machine, and its process."""

    id: UUID
    process: ServiceProcess

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(row["id"], ServiceProcess(row["machine"], row["pid"], row["process_began_at"]))


LOCAL_REPLICAS = Statement(
    select(replicas.c.id, replicas.c.machine, replicas.c.pid, replicas.c.process_began_at).where(
        replicas.c.lease_expires_at >= func.now(),
        replicas.c.machine == bindparam("machine", type_=Text),
        replicas.c.id != REPLICA_ID,
    ),
    row=LocalReplica.from_row,
)
PRUNE_REPLICAS = Statement(
    delete(replicas).where(
        replicas.c.lease_expires_at < func.now() - func.make_interval(0, 0, 0, 1),
    )
)

# The share of a lease between two looks for the turns of the dead, and by which it runs out sooner: so a dead process's
# turns are over before its lease is.
RECOVERY_INTERVAL_SHARE = 1 / 8


def _renew_lease() -> Statement[Row]:
    expires_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Float))
    new = postgresql.insert(replicas).values(
        id=REPLICA_ID,
        started_at=NOW,
        lease_expires_at=expires_at,
        machine=bindparam("machine", type_=Text),
        pid=bindparam("pid", type_=Integer),
        process_began_at=bindparam("process_began_at", type_=TIME),
        search_version=literal(KEEPS),
    )
    return Statement(
        new.on_conflict_do_update(
            index_elements=["id"], set_={"lease_expires_at": new.excluded.lease_expires_at}
        ).returning(replicas.c.lease_expires_at)
    )


RENEW_LEASE = _renew_lease()


class Replica:
    """This process.

    Args:
        lease_seconds: how long after its last sign of life it is taken for dead.
    """

    def __init__(self, database: Database, clock: Clock, *, lease_seconds: int) -> None:
        self.id = new_id()
        self.process = ServiceProcess.this()
        self.lease_seconds = lease_seconds
        self._database = database
        self._clock = clock

    async def renew_lease(self) -> None:
        """Say that this replica lives."""
        await self._database.execute(
            RENEW_LEASE,
            replica_id=self.id,
            now=self._clock(),
            seconds=self.lease_seconds * (1 - RECOVERY_INTERVAL_SHARE),
            machine=self.process.machine,
            pid=self.process.pid,
            process_began_at=self.process.began_at,
        )

    async def release_lease(self) -> None:
        await self._database.execute(RELEASE_LEASE, replica_id=self.id)

    async def release_dead_leases(self) -> None:
        """Give up the leases of processes on this machine that are seen to have ended: nobody need wait for them."""
        for other in await self._database.rows(LOCAL_REPLICAS, replica_id=self.id, machine=self.process.machine):
            if other.process.has_ended():
                await self._database.execute(RELEASE_LEASE, replica_id=other.id)

    async def prune_expired(self) -> None:
        """Delete the rows of replicas whose leases ran out long ago."""
        await self._database.execute(PRUNE_REPLICAS)
