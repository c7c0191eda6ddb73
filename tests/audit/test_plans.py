"""No list of the trail reads it from end to end, whatever it is filtered by."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.audit import queries
from chatkeep.audit.queries import EventFilters, events_page
from tests.admin.bulk_data import Filled
from tests.admin.plans import measured_plan, settled_plan
from tests.admin.test_plans import statements_of
from tests.support.urls import driver_url

ROWS = 40_000
PAGE = 51
MAX_VISITS = 1000
BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
ACTOR, SUBJECT = UUID(int=7), UUID(int=1007)
# A row every ten seconds; one of a hundred is a reading.
FILL = (
    """INSERT INTO audit_events (id, chain, seq, prev_hash, hash, created_at, action, actor_kind, actor_id, subject_ids)
    SELECT (lpad(to_hex(1735689600000 + n::bigint * 10000), 12, '0') || '7' || lpad(to_hex(n), 19, '0'))::uuid,
      n % 8, n / 8 + 1, '', sha256(n::text::bytea), timestamptz '2025-01-01Z' + n * interval '10 s',
      CASE WHEN n % 100 = 0 THEN 'history_read' WHEN n % 5000 = 1 THEN 'role_changed' ELSE 'signed_in' END, 'user',
      lpad(to_hex(n % 500), 32, '0')::uuid, ARRAY[lpad(to_hex(1000 + n % 500), 32, '0')::uuid]
    FROM generate_series(1, {rows}) n""",
    "INSERT INTO audit_subjects SELECT subject_ids[1], id, action = 'history_read' FROM audit_events",
    "ANALYZE audit_events, audit_subjects",
)
MIDDLE = BEGINNING + timedelta(seconds=5 * ROWS)
AFTER = UUID(f"{1735689600000 + ROWS // 2 * 10000:012x}70000000000000000000")
Run = Callable[[AsyncConnection, Filled], Awaitable[object]]


def events(after: UUID | None = None, **filters: object) -> Run:
    return lambda connection, _: events_page(connection, EventFilters(**filters), after=after, limit=PAGE)  # type: ignore[arg-type]  # by name


CASES: dict[str, Run] = {
    "all": events(),
    "all, next page": events(AFTER),
    "of an actor": events(actor_id=ACTOR),
    "of an actor, next page": events(AFTER, actor_id=ACTOR),
    "of nobody": events(actor_id=UUID(int=2**128 - 1)),
    "of a subject": events(subject_id=SUBJECT),
    "of a subject, next page": events(AFTER, subject_id=SUBJECT),
    "of a frequent action": events(action="signed_in"),
    "of a rare action": events(action="role_changed"),
    "of a rare action, next page": events(AFTER, action="role_changed"),
    "of an hour": events(since=MIDDLE, until=MIDDLE + timedelta(hours=1)),
    "of a subject and an action": events(subject_id=SUBJECT, action="role_changed"),
    "of an actor and a subject": events(actor_id=ACTOR, subject_id=SUBJECT),
    "who read": lambda connection, _: queries.reads_page(connection, UUID(int=1100), after=None, limit=PAGE),
    "who read, next page": lambda connection, _: queries.reads_page(
        connection, UUID(int=1100), after=AFTER, limit=PAGE
    ),
    "where chains end": lambda connection, _: queries.last_seqs(connection),
    "what stands nowhere": lambda connection, _: queries.strays(connection),
    "hashes at places": lambda connection, _: queries.hashes_at(connection, [(0, 5, ""), (3, 77, "")]),
}


@pytest.fixture(scope="module")
async def filled(shared_database_url: str) -> str:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    for statement in FILL:
        await connection.execute(statement.format(rows=ROWS))
    await connection.execute("VACUUM audit_events, audit_subjects")
    await connection.close()
    return shared_database_url


@pytest.mark.parametrize("name", CASES)
async def test_a_list_of_the_trail_goes_by_indexes(filled: str, name: str) -> None:
    nothing = Filled(0, ACTOR, ACTOR, ACTOR, ACTOR)
    connection = await asyncpg.connect(driver_url(filled))
    try:
        for sql, arguments in await statements_of(filled, CASES[name], nothing):
            measured = await measured_plan(connection, sql, arguments)
            settled = await settled_plan(connection, sql, arguments)
            for plan in (measured, settled):
                whole = plan.tables_read_whole() & {"audit_events", "audit_subjects"}
                assert not whole, json.dumps(plan.root, indent=1)
            assert measured.rows_visited() <= MAX_VISITS, json.dumps(measured.root, indent=1)
    finally:
        await connection.close()
