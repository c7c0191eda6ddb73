"""Notes become counters: each once, whoever counts and whenever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from chatkeep.accounts.queries import insert_user
from chatkeep.accounts.users import erase_user
from chatkeep.chat.history import conversations
from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.database.tables import statistics, statistics_notes
from chatkeep.errors import Invalid
from chatkeep.ids import new_id
from chatkeep.statistics.counters import count_notes
from chatkeep.statistics.report import Bucket, Statistics, read_statistics, start_of
from tests.support.replicas import ReplicaStore

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=24)
    yield database
    await database.close()


async def count(database: Database) -> None:
    async with database.transaction() as connection:
        await count_notes(connection)


async def read(
    database: Database, bucket: Bucket = "hour", since: datetime | None = None, until: datetime | None = None
) -> Statistics:
    since, until = since or utc_now() - timedelta(hours=2), until or utc_now()
    async with database.read_only(timeout_seconds=10) as connection:
        return await read_statistics(connection, since, until, bucket)


async def note(database: Database, *, many: int = 1, at: datetime = MONDAY, **values: object) -> None:
    note = {"user_id": new_id(), "kind": "complete", "at": at, **values}
    async with database.transaction() as connection:
        await connection.execute(insert(statistics_notes), [note] * many)


async def rows_in(database: Database, table: object) -> int:
    async with database.transaction() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


async def new_user(database: Database) -> UUID:
    name = f"user-{new_id()}"
    async with database.transaction() as connection:
        user = await insert_user(connection, username=name, username_key=name, password_hash=None, now=utc_now())
    assert user is not None
    return user.id


async def new_conversation(database: Database, user_id: UUID) -> UUID:
    conversation_id = new_id()
    values = {"user_id": user_id, "conversation_id": conversation_id, "params": {}, "extra": {}, "now": utc_now()}
    await database.row(conversations.CREATE_CONVERSATION, **values)
    return conversation_id


@pytest.fixture
async def log(database: Database) -> ReplicaStore:
    log = ReplicaStore(database, lease_seconds=10, counted_models=("known",))
    await log.replica.renew_lease()
    return log


async def say(log: ReplicaStore, user_id: UUID, outcome: Outcome, model: str | None = None) -> None:
    conversation_id = await new_conversation(log.database, user_id)
    begun = await log.begin(user_id, NewTurn(conversation_id, "?", model=model), context_tokens=1000)
    assert await log.end(begun, outcome) is not None


async def test_what_happens_is_counted_before_and_after_it_is_added_up(database: Database, log: ReplicaStore) -> None:
    user_id = await new_user(database)
    await say(log, user_id, Outcome("complete", "Yes.", input_tokens=3, output_tokens=5, first_text_ms=20))
    await say(log, user_id, Outcome("complete", "Yes."), model="known")
    await say(log, user_id, Outcome("stopped", "Y", first_text_ms=30))
    await say(log, user_id, Outcome("failed", error_code="model_failed", error_detail="It did."))
    before = await read(database)
    await count(database)
    assert await rows_in(database, statistics_notes) == 0
    for found in (before, await read(database)):
        everything = found.total.everything
        wanted = {"user": 1, "conversation": 4, "complete": 2, "stopped": 1, "failed": 1}
        assert everything.amounts == wanted | {"input_tokens": 3, "output_tokens": 5, "turns_with_tokens": 1}
        assert {model: counts.turns for model, counts in found.total.models.items()} == {"demonstration": 3, "known": 1}
        assert sum(everything.durations["duration"].values()) == 2
        assert sum(everything.durations["first_text"].values()) == 2
        assert everything.percentiles("first_text")["p50"] == pytest.approx(0.020, rel=0.05)


async def test_a_turn_whose_process_died_is_counted_as_interrupted(database: Database, log: ReplicaStore) -> None:
    user_id = await new_user(database)
    conversation_id = await new_conversation(database, user_id)
    begun = await log.begin(user_id, NewTurn(conversation_id, "?"), context_tokens=1000)
    await log.replica.release_lease()
    other = ReplicaStore(database, lease_seconds=10)
    await asyncio.gather(*(other.recovery().interrupt_stalled() for _ in range(5)))
    assert await log.end(begun, Outcome("complete", "too late")) is None
    found = (await read(database)).total.everything
    assert (found.turns, found.amounts["interrupted"], found.durations) == (1, 1, {})


async def test_a_name_that_nobody_vouches_for_is_not_kept(database: Database, log: ReplicaStore) -> None:
    await say(log, await new_user(database), Outcome("complete", "Yes."), model="my mother's maiden name")
    await count(database)
    (found,) = (await read(database)).total.models
    assert found is None


async def test_many_who_count_at_once_count_each_note_once(database: Database) -> None:
    for n in range(4):
        await note(database, many=200, model=f"model {n}", duration_ms=100 * n)
    await asyncio.gather(*(count(database) for _ in range(8)))
    found = await read(database, since=MONDAY, until=MONDAY + timedelta(hours=1))
    assert (found.total.everything.turns, await rows_in(database, statistics_notes)) == (800, 0)


async def test_what_is_read_is_right_while_others_count(database: Database) -> None:
    async def write() -> None:
        for _ in range(30):
            await note(database, many=3)
            await count(database)

    async def look() -> list[int]:
        since, until = MONDAY, MONDAY + timedelta(hours=1)
        return [(await read(database, since=since, until=until)).total.everything.turns for _ in range(60)]

    _, seen = await asyncio.gather(write(), look())
    assert seen == sorted(seen)
    assert {each % 3 for each in seen} == {0}


async def test_a_count_that_is_broken_off_has_counted_nothing(database: Database) -> None:
    await note(database, many=3)

    async def count_and_die() -> None:
        async with database.transaction() as connection:
            await count_notes(connection)
            raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        await count_and_die()
    assert (await rows_in(database, statistics_notes), await rows_in(database, statistics)) == (3, 0)


async def test_deleting_a_user_changes_no_counter_and_leaves_no_note_of_theirs(
    database: Database, log: ReplicaStore
) -> None:
    user_id, other_id = await new_user(database), await new_user(database)
    await say(log, user_id, Outcome("complete", "Yes."))
    await say(log, other_id, Outcome("complete", "Yes."))
    before = (await read(database)).total
    async with database.transaction() as connection:
        await erase_user(connection, user_id)
    assert (await read(database)).total == before
    async with database.transaction() as connection:
        left = (await connection.scalars(select(statistics_notes.c.user_id).distinct())).all()
    assert left == [other_id]


@pytest.mark.parametrize(
    ("bucket", "starts"),
    [
        ("hour", [MONDAY - timedelta(hours=n) for n in (2, 1, 0)]),
        ("day", [MONDAY - timedelta(days=1), MONDAY]),
        ("week", [MONDAY - timedelta(days=7), MONDAY]),
    ],
)
async def test_periods_are_whole_follow_each_other_and_are_those_of_utc(
    database: Database, bucket: Bucket, starts: list[datetime]
) -> None:
    await note(database, at=MONDAY - timedelta(microseconds=1))
    await note(database, many=2, at=MONDAY)
    await count(database)
    tokyo = (MONDAY + timedelta(minutes=30)).astimezone(datetime.fromisoformat("2026-01-01T00:00:00+09:00").tzinfo)
    found = await read(database, bucket, since=MONDAY - timedelta(minutes=90), until=tokyo)
    assert [period.start for period in found.periods] == starts
    assert [period.everything.turns for period in found.periods] == [0] * (len(starts) - 2) + [1, 2]


def test_a_week_begins_on_its_monday_across_the_year() -> None:
    assert start_of(datetime(2027, 1, 3, 23, 59, tzinfo=UTC), "week") == datetime(2026, 12, 28, tzinfo=UTC)


async def test_no_time_and_too_many_periods_are_refused(database: Database) -> None:
    for since, bucket in ((MONDAY, "hour"), (MONDAY - timedelta(hours=1001), "hour")):
        with pytest.raises(Invalid):
            await read(database, bucket, since=since, until=MONDAY)  # type: ignore[arg-type]
