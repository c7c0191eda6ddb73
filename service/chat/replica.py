"""One process as the others see it: by its lease in the database, and on its own machine by the process itself."""

from service.chat import replica_statements as statements
from service.chat.neighbours import ServiceProcess
from service.clock import Clock
from service.database.database import Database
from service.ids import new_id

# The share of a lease between two looks for the turns of the dead, and by which it runs out sooner: so a dead process's
# turns are over before its lease is.
TAKING_OVER = 1 / 8


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
            statements.RENEW_LEASE,
            replica_id=self.id,
            now=self._clock(),
            seconds=self.lease_seconds * (1 - TAKING_OVER),
            machine=self.process.machine,
            pid=self.process.pid,
            process_began_at=self.process.began_at,
        )

    async def end_lease(self) -> None:
        await self._database.execute(statements.END_LEASE, replica_id=self.id)

    async def end_leases_of_the_dead(self) -> None:
        """Give up the leases of processes on this machine that are seen to have ended: nobody need wait for them."""
        rows = await self._database.rows(statements.NEIGHBOURS, replica_id=self.id, machine=self.process.machine)
        for row in rows:
            if ServiceProcess.from_row(row).has_ended():
                await self._database.execute(statements.END_LEASE, replica_id=row["id"])

    async def forget_the_dead(self) -> None:
        """Take away what is left of replicas whose leases ran out long ago."""
        await self._database.execute(statements.FORGET_DEAD_REPLICAS)
