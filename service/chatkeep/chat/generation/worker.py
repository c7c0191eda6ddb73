"""The background of a replica: writes replies down as they grow, keeps the lease, takes over from the dead, and makes
findable what they left.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from uuid import UUID

import structlog

from chatkeep.chat.generation.generation import Generation
from chatkeep.chat.generation.recovery import Recovery
from chatkeep.chat.generation.registry import GenerationRegistry
from chatkeep.chat.generation.replica import RECOVERY_INTERVAL_SHARE, Replica
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.search.indexer import index_ended, index_pending
from chatkeep.chat.search.older_entries import remake_older
from chatkeep.chat.search.unindexed_turns import UnindexedTurns
from chatkeep.errors import DatabaseUnavailable
from chatkeep.periodic import run_every

log = structlog.get_logger(__name__)

# The share of a lease after which it is renewed.
RENEWAL_SHARE = 1 / 4
# Until then a search of their user looks at the turns themselves.
INDEX_ENDED_SECONDS = 0.5


class Worker:
    """Loops that run as long as the replica does; a database that is away only delays them.

    Args:
        flush_seconds: how far the database may be behind what was seen.
    """

    def __init__(
        self, turn_store: TurnStore, replica: Replica, generations: GenerationRegistry, *, flush_seconds: float
    ) -> None:
        self._store = turn_store
        self._replica = replica
        self._recovery = Recovery(turn_store, replica)
        self._unindexed = UnindexedTurns(turn_store.database, turn_store.clock)
        self._generations = generations
        self._flush_seconds = flush_seconds
        self._tasks: list[asyncio.Task[None]] = []
        # Since when this replica has kept its lease without a gap; None while it cannot.
        self._held_since: float | None = -math.inf
        self._renewed_at = 0.0

    async def open(self) -> None:
        """Take the lease, and the turns of dead replicas; then begin.

        Raises:
            DatabaseUnavailable: without a lease nothing may be generated.
        """
        await self._replica.renew_lease()
        self._renewed_at = time.monotonic()
        await self._replica.release_dead_leases()
        await self._recover()
        lease_seconds = self._replica.lease_seconds
        self._tasks = [
            asyncio.create_task(run_every(self._flush_seconds, self._flush, name="flush")),
            asyncio.create_task(run_every(lease_seconds * RENEWAL_SHARE, self._look_after, name="lease")),
            asyncio.create_task(
                run_every(lease_seconds * RECOVERY_INTERVAL_SHARE, self._recover_in_time, name="take over")
            ),
            # By themselves: a lease must not wait for long texts.
            asyncio.create_task(run_every(INDEX_ENDED_SECONDS, self._index_ended, name="index ended")),
            asyncio.create_task(run_every(lease_seconds / 4, self._index, name="index")),
        ]

    async def close(self) -> None:
        """Stop, and give the lease back: any replica may take over turns that are still `streaming`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(DatabaseUnavailable):  # others do it; the lease runs out by itself
            await self._index_ended()
            await self._replica.release_lease()

    async def _flush(self) -> None:
        generations = [each for each in self._generations.all() if each.generating and each.begun.is_kept]
        if not generations:
            return
        fragments = [fragment for each in generations for fragment in each.begin_write()]
        ours: dict[UUID, bool] | None = None
        try:
            ours = await self._store.flush(fragments)
        finally:
            for generation in generations:
                # A turn that was moved to another user was not written under the one that we knew.
                generation.end_write(worked=ours is not None and generation.begun.id in ours)
        await self._rename(generations)
        owners = await self._store.owners([each.begun.id for each in generations if each.begun.id not in ours])
        for generation in generations:
            match ours.get(generation.begun.id):
                case None if owner := owners.get(generation.begun.id):
                    generation.move_to(owner)
                case None:  # deleted or taken over: what comes now would be nobody's
                    generation.cancel("interrupted")
                case True:
                    generation.cancel("stopped")

    async def _rename(self, generations: Sequence[Generation]) -> None:
        """Write down of text that it was reasoning, where a model told so late.

        If the process dies before: the text is kept as text. A step that is not known to be done is done again.
        """
        for generation in generations:
            if (renaming := generation.renaming()) is not None:
                await self._store.rename_text(generation.begun, *renaming)
                generation.end_renaming()

    async def _look_after(self) -> None:
        if not self._holds_lease():
            self._held_since = None
        await self._replica.renew_lease()
        self._renewed_at = time.monotonic()
        if self._held_since is None:
            self._held_since = time.monotonic()
        await self._recovery.interrupt_unclaimed({each.begun.id for each in self._generations.all()})

    async def _recover_in_time(self) -> None:
        """Take over, unless the database was away a moment ago, or this machine stood still.

        Then the leases of the living ran out as well, perhaps this replica's own.
        """
        if self._held_since is None or not self._holds_lease():
            return
        if time.monotonic() - self._held_since >= self._replica.lease_seconds:
            await self._recover()

    def _holds_lease(self) -> bool:
        """Whether it was renewed so lately that those of the others, renewed one interval before, hold too."""
        return time.monotonic() - self._renewed_at < self._replica.lease_seconds * (
            1 - RECOVERY_INTERVAL_SHARE - RENEWAL_SHARE
        )

    async def _recover(self) -> None:
        if interrupted := await self._recovery.interrupt_stalled():
            log.warning("turns_interrupted", count=interrupted)

    async def _index_ended(self) -> None:
        if turns := self._store.ended_turns.take():
            await index_ended(self._store.database, turns)

    async def _index(self) -> None:
        database = self._store.database
        made = await index_pending(database) + await self._unindexed.index()
        if made := made + await remake_older(database, self._replica.id):
            log.info("turns_made_findable", count=made)
