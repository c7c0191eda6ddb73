"""Tampering by somebody who owns the database and has no key, and how it is found."""

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from chatkeep.audit import queries
from chatkeep.audit.actions import Action
from chatkeep.audit.events import Event
from chatkeep.audit.keys import Head, SealingKeys
from chatkeep.audit.trail import Origin
from chatkeep.audit.verification import Verdict, verify
from chatkeep.database.database import Database
from chatkeep.ids import new_id
from tests.audit.audit_fixtures import SECRET, opened, tamper, write
from tests.support.urls import driver_url

KEYS = SealingKeys([SECRET])
ROWS = 20


async def two_chains(url: str) -> list[Head]:
    """Write 20 rows to each of the first two chains, and return all ends."""
    async with opened(url) as (database, trail):
        audit = trail.by(Origin("service", address="192.0.2.1"))
        await write(database, audit, ROWS)
        async with database.transaction() as holder:
            await holder.exec_driver_sql("SELECT 1 FROM audit_chains WHERE chain = 0 FOR UPDATE")
            await write(database, audit, ROWS, action=Action.HISTORY_READ)
        async with database.transaction() as connection:
            return await queries.all_heads(connection)


async def found(url: str, checkpoint: list[tuple[int, int, str]] | None = None) -> Verdict:
    database = await Database.connect(url, pool_size=2)
    try:
        return await verify(database, KEYS, checkpoint=checkpoint)
    finally:
        await database.close()


TABLES = ("audit_subjects", "audit_events", "audit_chains")


@pytest.fixture(scope="module")
async def kept_trail(shared_database_url: str) -> str:
    """A trail of two chains, and a copy of it."""
    await two_chains(shared_database_url)
    await tamper(shared_database_url, *(f"CREATE TABLE kept_{table} AS TABLE {table}" for table in TABLES))
    return shared_database_url


@pytest.fixture
async def trail_url(kept_trail: str) -> AsyncIterator[str]:
    """A trail of two chains, which is put back afterwards."""
    yield kept_trail
    away = [f"DELETE FROM {table}" for table in TABLES]
    back = [f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in reversed(TABLES)]
    await tamper(kept_trail, *away, *back)


SWAP = """UPDATE audit_events SET seq = CASE seq WHEN 5 THEN 1006 ELSE 1005 END WHERE chain = 0 AND seq IN (5, 6);
UPDATE audit_events SET seq = seq - 1000 WHERE seq > 1000"""
COPY = """INSERT INTO audit_events SELECT gen_random_uuid(), chain, {seq}, prev_hash, hash, created_at, action,
actor_kind, actor_id, subject_ids, reason, address, request_id, details, heads FROM audit_events
WHERE chain = 0 AND seq = 7"""
MAKE_ROOM = """UPDATE audit_events SET seq = seq + 1001 WHERE chain = 0 AND seq > 7;
UPDATE audit_events SET seq = seq - 1000 WHERE seq > 1000"""
BACK = "UPDATE audit_chains SET seq = 18, hash = (SELECT hash FROM audit_events WHERE chain = 0 AND seq = 18)"
# By what was done: the statements, and the first thing that is said about it.
TAMPERED: dict[str, tuple[list[str], str]] = {
    f"changed: {column}": (
        [f"UPDATE audit_events SET {column} = {value} WHERE chain = 0 AND seq = 7"],
        "chain 0, row 7, event *: its content is not what was written",
    )
    for column, value in {
        "id": "gen_random_uuid()",
        "created_at": "created_at - interval '1 microsecond'",
        "action": "'signed_out'",
        "actor_kind": "'nobody'",
        "actor_id": "gen_random_uuid()",
        "reason": "''",
        "address": "'192.0.2.2'",
        "request_id": "'x'",
        "details": """'{"a": 1}'""",
        "heads": "'[]'",
        "subject_ids": "'{}'",
        "prev_hash": r"'\x00'",
        "hash": r"'\x00'",
    }.items()
} | {
    "removed": (["DELETE FROM audit_events WHERE chain = 1 AND seq = 9"], "chain 1, row 9: is missing"),
    "removed, some": (
        ["DELETE FROM audit_events WHERE chain = 0 AND seq BETWEEN 1 AND 3"],
        "chain 0, row 1: is missing, and all up to row 3",
    ),
    "removed, and those after it moved up": (
        [
            "DELETE FROM audit_events WHERE chain = 0 AND seq = 9",
            "UPDATE audit_events SET seq = seq + 999 WHERE chain = 0 AND seq > 9",
            "UPDATE audit_events SET seq = seq - 1000 WHERE seq > 1000",
        ],
        "chain 0, row 9, event *: its content is not what was written",
    ),
    "the newest removed": (
        ["DELETE FROM audit_events WHERE chain = 0 AND seq > 18"],
        "chain 0, row 19: is missing, and all up to row 20",
    ),
    "the newest removed, and the end put back": (
        ["DELETE FROM audit_events WHERE chain = 0 AND seq > 18", f"{BACK} WHERE chain = 0"],
        "chain 0, row 18: its end is not sealed",
    ),
    "all rows of a chain removed": (
        ["DELETE FROM audit_events WHERE chain = 1"],
        "chain 1, row 1: is missing, and all up to row 20",
    ),
    "a chain emptied": (
        [
            "DELETE FROM audit_events WHERE chain = 1",
            "UPDATE audit_chains SET seq = 0, hash = decode(repeat('00', 32), 'hex'), seals = '{}' WHERE chain = 1",
        ],
        "chain 1, row 0: its end is not sealed",
    ),
    "a chain removed": (
        ["DELETE FROM audit_events WHERE chain = 1", "DELETE FROM audit_chains WHERE chain = 1"],
        "chain 1, row 0: the whole chain is missing",
    ),
    "reordered": ([SWAP], "chain 0, row 5, event *: its content is not what was written"),
    "put in": ([MAKE_ROOM, COPY.format(seq=8)], "chain 0, row 8, event *: its content is not what was written"),
    "put in behind the end": ([COPY.format(seq=21)], "chain 0, row 21: was put in behind the end of its chain"),
    "put in nowhere": (
        [
            "ALTER TABLE audit_events DROP CONSTRAINT ck_audit_events_chain",
            COPY.format(seq=1).replace("chain, 1", "99, 1"),
        ],
        "chain 99, row 1, event *: stands in no chain",
    ),
    "hidden from its subject": (
        ["DELETE FROM audit_subjects s USING audit_events e WHERE s.event_id = e.id AND e.chain = 1 AND e.seq = 4"],
        "chain 1, row 4, event *: is no longer found by all of its subjects",
    ),
    "hidden from the access log": (
        [
            """UPDATE audit_subjects s SET is_read = false FROM audit_events e
            WHERE s.event_id = e.id AND e.chain = 1 AND e.seq = 4"""
        ],
        "chain 1, row 4, event *: is no longer found by all of its subjects",
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_was_done_to_the_trail_is_found(trail_url: str, how: str) -> None:
    assert (await found(trail_url)).broken == 0
    statements, said = TAMPERED[how]
    await tamper(trail_url, *statements)
    verdict = await found(trail_url)
    assert verdict.broken > 0
    before, _, after = said.partition("*")
    assert any(str(each).startswith(before) and after in str(each) for each in verdict.breaks), verdict.breaks
    assert verdict.whole <= 2 * ROWS


async def test_hashes_are_computed_beside_the_event_loop(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await two_chains(database_url)
    threads: list[int] = []
    computed = Event.hash

    def noted(event: Event) -> bytes:
        threads.append(threading.get_ident())
        return computed(event)

    monkeypatch.setattr(Event, "hash", noted)
    assert (await found(database_url)).broken == 0
    assert len(threads) == 2 * ROWS
    assert threading.get_ident() not in threads


async def test_a_chain_that_is_rewritten_with_new_hashes_does_not_fit_its_seal(database_url: str) -> None:
    await two_chains(database_url)
    connection = await asyncpg.connect(driver_url(database_url))
    async with opened(database_url) as (database, _), database.transaction() as reading:
        page = [row.event for row in await queries.chain_page(reading, 0, after=6, limit=100)]
    await tamper(database_url)
    last = page[0].prev_hash
    for old in page:
        event = replace(old, prev_hash=last, address="198.51.100.1" if old.seq == 7 else old.address)
        last = event.hash()
        update = "UPDATE audit_events SET prev_hash = $1, hash = $2, address = $3 WHERE id = $4"
        await connection.execute(update, event.prev_hash, last, event.address, event.id)
    await connection.execute("UPDATE audit_chains SET hash = $1 WHERE chain = 0", last)
    await connection.close()
    verdict = await found(database_url)
    said = "chain 0, row 20: its end is not sealed: rows were removed, added or rewritten"
    assert str(verdict.breaks[0]) == said


async def test_an_end_with_its_seal_from_before_is_found_by_what_other_chains_saw(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        audit = trail.by(Origin("service"))
        await write(database, audit, 3)
        (before,) = [head for head in await all_heads(database) if head.chain == 0]
    await two_chains(database_url)
    assert (await found(database_url)).broken == 0
    await set_back(database_url, before)
    verdict = await found(database_url)
    assert "another chain no longer has the end that this row saw" in str(verdict.breaks[0])


async def test_a_trail_that_is_set_back_as_a_whole_is_found_by_a_checkpoint_alone(database_url: str) -> None:
    early = await two_chains(database_url)
    await two_chains(database_url)
    checkpoint = (await found(database_url)).checkpoint
    assert (await found(database_url, checkpoint)).broken == 0
    for head in early:
        await set_back(database_url, head)
    assert (await found(database_url)).broken == 0
    verdict = await found(database_url, checkpoint)
    assert "was there at the checkpoint" in str(verdict.breaks[0])


async def test_it_says_which_key_is_missing(database_url: str) -> None:
    await two_chains(database_url)
    database = await Database.connect(database_url, pool_size=2)
    verdict = await verify(database, SealingKeys([f"another {SECRET}"]))
    await database.close()
    assert verdict.whole == 2 * ROWS
    assert "sealed with a key that is not given" in str(verdict.breaks[0])


async def test_others_may_write_meanwhile(database_url: str) -> None:
    async with opened(database_url, pool_size=16) as (database, trail):
        audit = trail.by(Origin("service"))
        writing = [asyncio.create_task(write(database, audit, 40)) for _ in range(4)]
        while not all(task.done() for task in writing):
            assert (await verify(database, KEYS)).breaks == []
        await asyncio.gather(*writing)
        assert (await verify(database, KEYS)).whole == 160


async def test_memory_does_not_grow_with_the_trail(database_url: str) -> None:
    """Many rows in few statements: as they would have been written."""
    await fill(database_url, 5_000)
    database = await Database.connect(database_url, pool_size=2)
    counted: list[int] = []
    tracemalloc.start()
    try:
        verdict = await verify(database, KEYS, progress=counted.append)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await database.close()
    assert (verdict.whole, verdict.breaks, sum(counted)) == (5_000, [], 5_000)
    assert peak < 20_000_000, peak


async def all_heads(database: Database) -> list[Head]:
    async with database.transaction() as connection:
        return await queries.all_heads(connection)


async def set_back(url: str, head: Head) -> None:
    """Take a chain back to an end that it had, with the seal of that time."""
    await tamper(url, f"DELETE FROM audit_events WHERE chain = {head.chain} AND seq > {head.seq}")
    database = await Database.connect(url, pool_size=2)
    async with database.transaction() as connection:
        values = (head.seq, head.hash, head.chain)
        await connection.exec_driver_sql("UPDATE audit_chains SET seq = $1, hash = $2 WHERE chain = $3", values)
        await queries.seal(connection, head.chain, head.seals)
    await database.close()


async def fill(url: str, number: int) -> None:
    """Write so many rows to the first chain at once."""
    async with opened(url) as (database, trail):
        await write(database, trail.by(Origin("user", new_id(), "192.0.2.1", "request")), 1)
        async with database.transaction() as connection:
            (row,) = await queries.chain_page(connection, 0, after=0, limit=1)
        event, last = row.event, row.hash
        events = []
        for seq in range(2, number + 1):
            event = replace(event, id=new_id(), seq=seq, prev_hash=last)
            last = event.hash()
            events.append((event.id, seq, event.prev_hash, last))
        raw = await asyncpg.connect(driver_url(url))
        await raw.execute("CREATE TEMPORARY TABLE made (id uuid, seq bigint, prev_hash bytea, hash bytea)")
        await raw.copy_records_to_table("made", records=events)
        await raw.execute(
            "INSERT INTO audit_events SELECT m.id, e.chain, m.seq, m.prev_hash, m.hash, e.created_at, e.action,"
            " e.actor_kind, e.actor_id, e.subject_ids, e.reason, e.address, e.request_id, e.details, e.heads"
            " FROM made m, audit_events e WHERE e.seq = 1"
        )
        await raw.execute("INSERT INTO audit_subjects SELECT subject_ids[1], id, false FROM audit_events WHERE seq > 1")
        await raw.execute("UPDATE audit_chains SET seq = $1, hash = $2 WHERE chain = 0", number, last)
        await raw.close()
        async with database.transaction() as connection:
            await queries.seal(connection, 0, KEYS.seals_for(0, number, last))
