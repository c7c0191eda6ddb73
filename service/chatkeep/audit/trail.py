"""Writing the trail: each act is one row in the act's own transaction.

Rows stand in one of a few chains, each row with the hash of the one before it. A writer takes the first chain that
is free and holds it until the transaction ends; so replicas write at once, and a transaction that is
rolled back leaves neither a row nor a gap. A chain's end is sealed with the service's key.

If the process dies before the commit, there is neither the act nor its row; after it there are both. A read is on
record before its answer is sent: dying in between leaves a row about an answer that nobody got, never the reverse.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.audit import queries
from chatkeep.audit.actions import Action
from chatkeep.audit.events import Anchor, Event, require_plain
from chatkeep.audit.keys import Head, SealingKeys
from chatkeep.clock import Clock, utc_now
from chatkeep.database.database import Database
from chatkeep.errors import AnotherSigningKey, DatabaseUnavailable
from chatkeep.ids import new_id

log = structlog.get_logger(__name__)

ActorKind = Literal["user", "operator", "service", "nobody"]

# Every so many rows of a chain one names the ends of all of them.
ANCHOR_EVERY = 16
PAUSE_SECONDS = 0.005
MAX_WAIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """The actor of an act, their address, and their reason as far as they gave one.

    Args:
        os_user: of an operator: the account on the machine where the command ran.
    """

    actor_kind: ActorKind = "nobody"
    actor_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None
    reason: str | None = None
    os_user: str | None = None


class AuditTrail:
    """The trail of one database; made by `open`."""

    def __init__(self, keys: SealingKeys, clock: Clock = utc_now) -> None:
        self._keys = keys
        self._clock = clock

    @classmethod
    async def open(cls, database: Database, secrets: Sequence[str], clock: Clock = utc_now) -> Self:
        """Begin the trail where it is new, and make sure that each end has the seal of all keys.

        Args:
            secrets: the service's signing keys, newest last.

        Raises:
            AnotherSigningKey: the trail is sealed with other keys. Each act under the wrong key would take a seal away.
        """
        trail = cls(SealingKeys(secrets), clock)
        async with database.transaction() as connection:
            heads = await queries.all_heads(connection)
        if trail.keys.know_none(heads):
            raise AnotherSigningKey
        await trail.renew_seals(database)
        return trail

    async def renew_seals(self, database: Database) -> list[int]:
        """Seal with all keys what one of them had sealed, so that an old key can be taken away some time later.

        Returns:
            The chains whose seals do not fit: they stay as they are. See `chatkeep audit verify`.
        """
        async with database.transaction() as connection:
            heads = await queries.all_heads(connection)
        if not all(self._keys.fit(head) and self._keys.all_sealed(head) for head in heads):
            async with database.transaction() as connection:
                heads = await queries.lock_all_heads(connection)
                # All or none: one chain alone that is new again was emptied.
                new = all(head.is_untouched for head in heads)
                for head in heads:
                    if new or (self._keys.fit(head) and not self._keys.all_sealed(head)):
                        await queries.seal(connection, head.chain, self._seals(head))
        broken = [] if heads and all(head.is_untouched for head in heads) else self._unfit(heads)
        if broken:
            log.error("audit_trail_seal_does_not_fit", chains=broken)
        return broken

    async def seal_as_it_is(self, connection: AsyncConnection, origin: Origin) -> list[int]:
        """Seal every chain where it ends now, also one of another process, and put that on record; return those without
        a fitting seal until now.
        """
        heads = await queries.lock_all_heads(connection)
        unfit = self._unfit(heads)
        for head in heads:
            await queries.seal(connection, head.chain, self._seals(head))
        ends = [[head.chain, head.seq, head.hash.hex()] for head in heads if head.chain in unfit]
        await self.record(connection, origin, Action.TRAIL_SEALED, [], {"ends": ends})
        return unfit

    @property
    def keys(self) -> SealingKeys:
        return self._keys

    def by(self, origin: Origin) -> "Recorder":
        """Return a writer of rows about one actor."""
        return Recorder(self, origin)

    def name_digest(self, typed: str) -> str:
        return self._keys.name_digest(typed)

    async def record(
        self,
        connection: AsyncConnection,
        origin: Origin,
        action: Action,
        subject_ids: Sequence[UUID],
        details: Mapping[str, Any],
    ) -> Event:
        """Write one row, and return it. See `Recorder.record`."""
        if origin.actor_kind == "operator":
            details = {**details, "os_user": origin.os_user}
        require_plain(details)
        head = await _chain_of_our_own(connection)
        seq = head.seq + 1
        event = Event(
            id=new_id(),
            chain=head.chain,
            seq=seq,
            prev_hash=head.hash,
            created_at=self._clock(),
            action=str(action),
            actor_kind=origin.actor_kind,
            actor_id=origin.actor_id,
            subject_ids=sorted(set(subject_ids)),
            reason=origin.reason,
            address=origin.address,
            request_id=origin.request_id,
            details=dict(details),
            heads=await _anchor(connection) if seq % ANCHOR_EVERY == 0 else None,
        )
        # Rows of somebody without the key are not sealed as if they were ours.
        seals = self._keys.seals_for(head.chain, seq, event.hash()) if self._keys.fit(head) else {}
        await queries.append(connection, event, seals)
        return event

    def _unfit(self, heads: Sequence[Head]) -> list[int]:
        return [head.chain for head in heads if not self._keys.fit(head)]

    def _seals(self, head: Head) -> dict[str, str]:
        return self._keys.seals_for(head.chain, head.seq, head.hash)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes rows about what one actor does."""

    trail: AuditTrail
    origin: Origin

    def acting_as(self, user_id: UUID) -> "Recorder":
        """Return the same for somebody who has just shown who they are."""
        return replace(self, origin=replace(self.origin, actor_kind="user", actor_id=user_id))

    def because(self, reason: str | None) -> "Recorder":
        return replace(self, origin=replace(self.origin, reason=reason))

    async def record(self, connection: AsyncConnection, action: Action, *subject_ids: UUID, **details: Any) -> Event:
        """Put an act on record, in the transaction that carries it out; return its row.

        Call it last, when every other row of the transaction is locked: from here on the transaction holds one of a
        few chains, and should end soon.

        Args:
            subject_ids: the accounts that it was done to.
            details: whole numbers, flags, ids and words of a fixed list. Never a secret, a name or what somebody wrote:
                the row outlives the account.

        Raises:
            DatabaseUnavailable: no chain was free for a long time.
        """
        return await self.trail.record(connection, self.origin, action, subject_ids, details)


async def _chain_of_our_own(connection: AsyncConnection) -> Head:
    """Asked for again and again, never waited for: a row that is waited for can be part of a circle."""
    deadline = asyncio.get_running_loop().time() + MAX_WAIT_SECONDS
    while (head := await queries.take_chain(connection)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise DatabaseUnavailable("The audit trail cannot be written just now. Nothing was done; try again.")
        await asyncio.sleep(PAUSE_SECONDS)
    return head


async def _anchor(connection: AsyncConnection) -> Anchor:
    return [(head.chain, head.seq, head.hash.hex()) for head in await queries.all_heads(connection)]
