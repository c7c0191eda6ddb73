"""Whether the trail is as it was written: every row, its place, and where the chains end.

Faults, and how each is found: a changed row by its own hash; a row put in, taken out or moved by its number and by the
hash of its neighbour; the newest rows taken away, or everything rewritten with new hashes, by the sealed end; a chain
emptied by its missing seal, and by what other chains saw of it. What cannot be found from the database alone: that all
of it was set back to a state that it once had, as from a backup (see `Checkpoint`), and what somebody does who has the
key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.audit import queries
from chatkeep.audit.events import GENESIS, Anchor, StoredEvent
from chatkeep.audit.keys import Head, SealingKeys
from chatkeep.database.reads import Reader
from chatkeep.database.tables import AUDIT_CHAINS

PAGE_ROWS = 1000
QUERY_TIMEOUT_SECONDS = 60
MAX_BREAKS = 100

Progress = Callable[[int], None]


class Fault(StrEnum):
    """A fault of a row, or of the end of a chain."""

    NO_CHAIN = "the whole chain is missing"
    UNKNOWN_KEY = "its end is sealed with a key that is not given"
    NOT_SEALED = "its end is not sealed: rows were removed, added or rewritten"
    CHANGED = "its content is not what was written"
    MOVED = "does not follow the row before it: one of the two was exchanged or moved"
    NOT_FOUND_BY_SUBJECTS = "is no longer found by all of its subjects (audit_subjects)"
    OTHER_CHAIN = "another chain no longer has the end that this row saw of it: rows were rewritten or removed there"
    MISSING = "is missing"
    OTHER_END = "is not the row that the chain ended with"
    BEHIND_END = "was put in behind the end of its chain"
    IN_NO_CHAIN = "stands in no chain"
    GONE_SINCE = "was there at the checkpoint, and is not there now"


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail is not as it was written.

    Args:
        last: the last one of several missing rows.
        keys: the ids of those that sealed the chain.
    """

    chain: int
    seq: int
    fault: Fault
    event_id: UUID | None = None
    last: int | None = None
    keys: str = ""

    def __str__(self) -> str:
        event = f", event {self.event_id}" if self.event_id else ""
        last = f", and all up to row {self.last}" if self.last else ""
        keys = f" ({self.keys})" if self.keys else ""
        return f"chain {self.chain}, row {self.seq}{event}: {self.fault}{last}{keys}"


@dataclass(slots=True)
class Verdict:
    """Args:
    whole: how many rows are as they were written and stand where they stood.
    breaks: the first ones; `broken` counts all.
    heads: where the chains end, to be compared with later on.
    """

    whole: int = 0
    broken: int = 0
    breaks: list[Break] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)

    def add(self, found: Break) -> None:
        self.broken += 1
        if len(self.breaks) < MAX_BREAKS:
            self.breaks.append(found)

    @property
    def checkpoint(self) -> Anchor:
        return [(head.chain, head.seq, head.hash.hex()) for head in self.heads]


async def verify(
    reader: Reader, keys: SealingKeys, *, checkpoint: Anchor | None = None, progress: Progress = lambda _: None
) -> Verdict:
    """Read all rows, a page at a time, and return what is whole and what is not. Others may write in the meantime.

    Args:
        checkpoint: where the chains ended at an earlier time, kept elsewhere: all of it has to be there still.
        progress: told of each page how many rows it had.

    Raises:
        QueryTooSlow: a page took longer than `QUERY_TIMEOUT_SECONDS`.
        DatabaseUnavailable: nothing answers, or not in time.
    """
    verdict = await verify_ends(reader, keys)
    for head in verdict.heads:
        await _verify_chain(reader, head, verdict, progress)
    await _look_behind_the_ends(reader, verdict)
    if checkpoint:
        for found in await _missing(reader, checkpoint):
            verdict.add(found)
    return verdict


async def verify_ends(reader: Reader, keys: SealingKeys) -> Verdict:
    """Return whether every chain ends where it was sealed: a few rows are read, however long the trail is. Whether the
    rows before the ends are whole only `verify` tells.

    Raises:
        QueryTooSlow: a page took longer than `QUERY_TIMEOUT_SECONDS`.
        DatabaseUnavailable: nothing answers, or not in time.
    """
    verdict = Verdict()
    verdict.heads = await reader.read(queries.all_heads, timeout_seconds=QUERY_TIMEOUT_SECONDS)
    _check_heads(verdict, keys)
    return verdict


def _check_heads(verdict: Verdict, keys: SealingKeys) -> None:
    present = {head.chain for head in verdict.heads}
    for chain in set(range(AUDIT_CHAINS)) - present:
        verdict.add(Break(chain, 0, Fault.NO_CHAIN))
    if not verdict.broken and all(head.is_untouched for head in verdict.heads):
        return
    for head in verdict.heads:
        if keys.fit(head):
            continue
        if head.seals and not keys.know(head):
            made_with = ", ".join(sorted(head.seals))
            verdict.add(Break(head.chain, head.seq, Fault.UNKNOWN_KEY, keys=made_with))
        else:
            verdict.add(Break(head.chain, head.seq, Fault.NOT_SEALED))


async def _verify_chain(reader: Reader, head: Head, verdict: Verdict, progress: Progress) -> None:
    seq, last_hash = 0, GENESIS
    while seq < head.seq:
        page, anchors, kept = await reader.read(
            partial(_chain_page, head=head, after=seq), timeout_seconds=QUERY_TIMEOUT_SECONDS
        )
        hashes = await anyio.to_thread.run_sync(_hashes, page)
        bad_anchors = {by for chain, at, row_hash, by in anchors if at > 0 and kept.get((chain, at)) != row_hash}
        for row, its_hash in zip(page, hashes, strict=True):
            event = row.event
            if event.seq > seq + 1:
                verdict.add(_gap(head.chain, seq + 1, event.seq - 1))
            problem = _problem(row, its_hash, last_hash)
            if problem is None and event.seq in bad_anchors:
                problem = Fault.OTHER_CHAIN
            if problem is None:
                verdict.whole += 1
            else:
                verdict.add(Break(head.chain, event.seq, problem, event.id))
            seq, last_hash = event.seq, row.hash
        progress(len(page))
        if not page:
            break
    if seq < head.seq:
        verdict.add(_gap(head.chain, seq + 1, head.seq))
    elif last_hash != head.hash:
        verdict.add(Break(head.chain, seq, Fault.OTHER_END))


async def _chain_page(
    connection: AsyncConnection, *, head: Head, after: int
) -> tuple[list[StoredEvent], list[tuple[int, int, str, int]], Mapping[tuple[int, int], str]]:
    """Return rows of a chain, what each saw of other chains' ends, and what stands there."""
    page = await queries.chain_page(connection, head.chain, after=after, limit=min(PAGE_ROWS, head.seq - after))
    page = [row for row in page if row.event.seq <= head.seq]
    anchors = [(*place, row.event.seq) for row in page for place in _places_in(row.event.heads)]
    places = [(chain, at, row_hash) for chain, at, row_hash, _ in anchors if at > 0]
    return page, anchors, await queries.hashes_at(connection, places) if places else {}


def _places_in(heads: Any) -> Anchor:
    """Return the places that a row names; malformed ones are left out, the row's own hash tells of them."""
    listed = heads if isinstance(heads, list) else []
    return [(place[0], place[1], place[2]) for place in listed if _is_place(place)]


def _is_place(place: Any) -> bool:
    if not isinstance(place, list) or [type(each) for each in place] != [int, int, str]:
        return False
    return 0 <= place[0] < AUDIT_CHAINS and 0 <= place[1] < 2**63


def _hashes(page: Sequence[StoredEvent]) -> list[bytes]:
    """A tenth of a second of computing: not for the event loop of a service that is asked to verify."""
    return [row.event.hash() for row in page]


def _problem(row: StoredEvent, its_hash: bytes, last_hash: bytes) -> Fault | None:
    if its_hash != row.hash:
        return Fault.CHANGED
    if row.event.prev_hash != last_hash:
        return Fault.MOVED
    if row.found_by != len(row.event.subject_ids):
        return Fault.NOT_FOUND_BY_SUBJECTS
    return None


def _gap(chain: int, first: int, last: int) -> Break:
    return Break(chain, first, Fault.MISSING, last=None if first == last else last)


async def _look_behind_the_ends(reader: Reader, verdict: Verdict) -> None:
    """Rows may have been written since we began, and with them the end has moved; others nobody wrote."""
    ends = await reader.read(queries.last_seqs, timeout_seconds=QUERY_TIMEOUT_SECONDS)
    strays = await reader.read(queries.strays, timeout_seconds=QUERY_TIMEOUT_SECONDS)
    for stray in strays:
        verdict.add(Break(stray.chain, stray.seq, Fault.IN_NO_CHAIN, stray.id))
    for chain, (by_head, by_row) in ends.items():
        if by_row > by_head:
            verdict.add(Break(chain, by_head + 1, Fault.BEHIND_END))


async def _missing(reader: Reader, places: Anchor) -> Sequence[Break]:
    wanted = [place for place in places if place[1] > 0]
    query = partial(queries.hashes_at, places=wanted)
    kept = await reader.read(query, timeout_seconds=QUERY_TIMEOUT_SECONDS) if wanted else {}
    return [
        Break(chain, seq, Fault.GONE_SINCE) for chain, seq, row_hash in wanted if kept.get((chain, seq)) != row_hash
    ]
