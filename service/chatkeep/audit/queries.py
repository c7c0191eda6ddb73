"""The rows of the trail: one statement a function, and none commits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, and_, any_, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.audit.actions import READS
from chatkeep.audit.events import Anchor, Details, Event, StoredEvent
from chatkeep.audit.keys import Head
from chatkeep.database.tables import AUDIT_CHAINS, audit_chains, audit_events, audit_subjects, users
from chatkeep.ids import earliest_id, latest_id

# A row's id is made a moment before or after its time is read: the range of ids finds the rows, the times decide.
ID_SLACK = timedelta(seconds=10)
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)

_e, _s, _c = audit_events.c, audit_subjects.c, audit_chains.c
_heads = select(audit_chains).order_by(_c.chain)


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Args:
    since: acts of this moment or later.
    until: acts before this moment.
    place: the chain and the row in it, of one act alone.
    """

    actor_id: UUID | None = None
    subject_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """A reading of somebody's history by somebody else, with the reader's name where there still is one."""

    id: UUID
    created_at: datetime
    action: str
    actor_kind: str
    username: str | None
    details: Details


async def event_at(connection: AsyncConnection, chain: int, seq: int) -> StoredEvent | None:
    query = select(audit_events).where(_e.chain == chain, _e.seq == seq)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else StoredEvent.from_row(row)


async def events_about(
    connection: AsyncConnection, subject_ids: Sequence[UUID], action: str, *, limit: int
) -> list[StoredEvent]:
    """Return the newest acts of one kind that any of some accounts is found by."""
    about = select(_s.event_id).where(_s.subject_id.in_(subject_ids))
    query = select(audit_events).where(_e.id.in_(about), _e.action == action).order_by(_e.id.desc()).limit(limit)
    return [StoredEvent.from_row(row) for row in (await connection.execute(query)).mappings()]


async def take_chain(connection: AsyncConnection) -> Head | None:
    """Lock the first chain that nobody writes right now, until the transaction ends; None where all are taken.

    It never waits, so that nobody can wait for this transaction in a circle.

    Source: PostgreSQL manual, SELECT, The Locking Clause: SKIP LOCKED.
    """
    query = _heads.limit(1).with_for_update(skip_locked=True, key_share=True)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Head.of_row(*row)


async def all_heads(connection: AsyncConnection) -> list[Head]:
    return [Head.of_row(*row) for row in await connection.execute(_heads)]


async def lock_all_heads(connection: AsyncConnection) -> list[Head]:
    """Keep everybody from writing until the transaction ends. For one that writes no row."""
    return [Head.of_row(*row) for row in await connection.execute(_heads.with_for_update(key_share=True))]


async def append(connection: AsyncConnection, event: Event, seals: dict[str, str]) -> None:
    """Keep an event, what it is found by, and its chain's new end, in one statement."""
    row_hash = event.hash()
    values = {name: getattr(event, name) for name in Event.__slots__}
    kept = insert(audit_events).values(**values, hash=row_hash).cte("kept")
    move = update(audit_chains).where(_c.chain == event.chain).values(seq=event.seq, hash=row_hash, seals=seals)
    move = move.add_cte(kept)
    if event.subject_ids:
        subjects = func.unnest(bindparam("subjects", event.subject_ids, type_=ARRAY(Uuid)), type_=Uuid)
        found_by = select(subjects, literal(event.id, Uuid), literal(event.action in READS))
        names = ["subject_id", "event_id", "is_read"]
        move = move.add_cte(insert(audit_subjects).from_select(names, found_by).cte("found_by"))
    await connection.execute(move)


async def seal(connection: AsyncConnection, chain: int, seals: dict[str, str]) -> None:
    await connection.execute(update(audit_chains).where(_c.chain == chain).values(seals=seals))


async def events_page(
    connection: AsyncConnection, filters: EventFilters, *, after: UUID | None, limit: int, oldest_first: bool = False
) -> list[StoredEvent]:
    """Return at most `limit` events, newest first, from after the event `after`.

    Ids are made in the order of time, so that they are both the order and the cursor.

    Source: PostgreSQL manual 9.25, Row and Array Comparisons.
    """
    query, place = select(audit_events), _e.id
    if filters.subject_id is not None:
        place = _s.event_id
        query = query.join(audit_subjects, _s.event_id == _e.id).where(
            _s.subject_id == filters.subject_id, _e.subject_ids.any_() == filters.subject_id
        )
    if filters.place is not None:
        query = query.where(_e.chain == filters.place[0], _e.seq == filters.place[1])
    if filters.actor_id is not None:
        query = query.where(_e.actor_id == filters.actor_id)
    if filters.action is not None:
        query = query.where(_e.action == filters.action)
    if filters.since is not None:
        first = earliest_id(max(filters.since, FIRST_TIME) - ID_SLACK)
        query = query.where(place >= first, _e.created_at >= filters.since)
    if filters.until is not None:
        last = latest_id(min(filters.until, LAST_TIME) + ID_SLACK)
        query = query.where(place <= last, _e.created_at < filters.until)
    if after is not None:
        query = query.where(place > after if oldest_first else place < after)
    query = query.order_by(place if oldest_first else place.desc()).limit(limit)
    return [StoredEvent.from_row(row) for row in (await connection.execute(query)).mappings()]


async def reads_page(
    connection: AsyncConnection, subject_id: UUID, *, after: UUID | None, limit: int
) -> list[HistoryRead]:
    """Return at most `limit` readings of the subject's history by others, newest first, from after `after`."""
    query = (
        select(_e.id, _e.created_at, _e.action, _e.actor_kind, users.c.username, _e.details)
        .select_from(audit_subjects)
        .join(audit_events, _e.id == _s.event_id)
        .outerjoin(users, users.c.id == _e.actor_id)
        .where(_s.subject_id == subject_id, _s.is_read, _e.subject_ids.any_() == subject_id)
        .order_by(_s.event_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(_s.event_id < after)
    return [HistoryRead(*row) for row in await connection.execute(query)]


async def usernames_in(connection: AsyncConnection, events: Iterable[StoredEvent]) -> dict[UUID, str]:
    """Return the names of the actors and subjects of events, as far as they still exist."""
    ids = {each for stored in events for each in (stored.event.actor_id, *stored.event.subject_ids)} - {None}
    wanted = bindparam("ids", list(ids), type_=ARRAY(Uuid))
    found = await connection.execute(select(users.c.id, users.c.username).where(users.c.id == any_(wanted)))
    return {row.id: row.username for row in found}


async def chain_page(connection: AsyncConnection, chain: int, *, after: int, limit: int) -> list[StoredEvent]:
    """Return at most `limit` rows of a chain in its order, each with how many of its subjects it is found by."""
    found_by = (
        select(func.count())
        .select_from(audit_subjects)
        .where(
            _s.subject_id == any_(_e.subject_ids),
            _s.event_id == _e.id,
            _s.is_read == _e.action.in_(READS),
        )
        .scalar_subquery()
    )
    query = (
        select(audit_events, found_by.label("found_by"))
        .where(_e.chain == chain, _e.seq > after)
        .order_by(_e.seq)
        .limit(limit)
    )
    return [StoredEvent.from_row(row) for row in (await connection.execute(query)).mappings()]


async def last_seqs(connection: AsyncConnection) -> dict[int, tuple[int, int]]:
    """Return of each chain where it ends, by its head and by its last row, both at one moment."""
    last = select(func.coalesce(func.max(_e.seq), 0)).where(_e.chain == _c.chain).scalar_subquery()
    found = await connection.execute(select(_c.chain, _c.seq, last))
    return {chain: (by_head, by_row) for chain, by_head, by_row in found}


async def strays(connection: AsyncConnection) -> Sequence[Any]:
    """Return some rows that stand in no chain, or before its beginning; nobody here writes such."""
    outside = or_(_e.chain < 0, _e.chain >= AUDIT_CHAINS, and_(_e.chain.in_(range(AUDIT_CHAINS)), _e.seq < 1))
    return (await connection.execute(select(_e.chain, _e.seq, _e.id).where(outside).limit(10))).all()


async def hashes_at(connection: AsyncConnection, places: Anchor) -> dict[tuple[int, int], str]:
    """Return the hashes of the rows at these places, those of them that are there."""
    chains = bindparam("chains", [chain for chain, _, _ in places], type_=ARRAY(_e.chain.type))
    seqs = bindparam("seqs", [seq for _, seq, _ in places], type_=ARRAY(_e.seq.type))
    wanted = func.unnest(chains, seqs).table_valued("chain", "seq", name="wanted").render_derived()
    query = select(_e.chain, _e.seq, _e.hash).join(wanted, (_e.chain == wanted.c.chain) & (_e.seq == wanted.c.seq))
    return {(row.chain, row.seq): row.hash.hex() for row in await connection.execute(query)}
