"""What administrators read on a real standby, and when they read on the primary instead."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database import migrations, reads, standby
from chatkeep.database.database import Database
from chatkeep.database.reads import Reads
from chatkeep.database.standby import Standby
from chatkeep.errors import QueryTooSlow
from tests.support.clusters import Cluster, cluster
from tests.support.clusters import standby as standby_of
from tests.support.running_service import Person, RunningService, running

HEADER = "X-Standby-Lag-Seconds"
HISTORY, AUDIT, STATISTICS = "/api/v1/admin/history", "/api/v1/admin/audit", "/api/v1/admin/stats"
VERIFICATION = "/web/console/audit/verification"
WAIT_SECONDS = 30


@dataclass
class Pair:
    """A migrated primary and its standby."""

    primary: Cluster
    standby: Cluster

    async def pause(self) -> None:
        await self.standby.ask("SELECT pg_wal_replay_pause()")
        await until(self._is_paused)

    async def resume(self) -> None:
        await self.standby.ask("SELECT pg_wal_replay_resume()")

    async def _is_paused(self) -> bool:
        (row,) = await self.standby.ask("SELECT pg_get_wal_replay_pause_state() AS state")
        return bool(row["state"] == "paused")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await holds():
            await asyncio.sleep(0.05)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with cluster() as primary:
        await asyncio.to_thread(migrations.upgrade, primary.url)
        async with standby_of(primary, max_standby_streaming_delay="0") as second:
            yield Pair(primary, second)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the log is told."""
    captured = structlog.testing.LogCapture()
    for module in (standby, reads):
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[captured])
        monkeypatch.setattr(module, "log", logger)
    return captured.entries


def reasons(said: list[Any]) -> list[str]:
    return [each["reason"] for each in said if each["event"] == "standby_not_used"]


@asynccontextmanager
async def reading(pair: Pair, **settings: Any) -> AsyncIterator[tuple[RunningService, Person, Person]]:
    """A service that administrators read on the standby of, with one of them and a user."""
    async with running(pair.primary.url, read_database_url=pair.standby.url, **settings) as service:
        yield service, await service.administrator(), await service.person()


async def reads_on(service: RunningService, place: str) -> None:
    async def does() -> bool:
        return bool((await service.client().get("/readyz")).json().get("administrators_read_on") == place)

    await until(does)


async def prompts(person: Person, *, on: str) -> list[str]:
    answer = await person.client.get(HISTORY)
    assert answer.status_code == 200, answer.text
    assert (HEADER in answer.headers) == (on == "standby"), answer.headers
    return [item["prompt"]["content"] for item in answer.json()["items"]]


async def test_administrators_read_there_and_users_do_not(pair: Pair) -> None:
    async with reading(pair) as (service, admin, alice):
        conversation = await alice.conversation()
        await alice.say(conversation, "before")
        await reads_on(service, "standby")
        await caught_up(pair)
        await pair.pause()
        await alice.say(conversation, "after")
        assert [turn["prompt"]["content"] for turn in await alice.turns(conversation)] == ["after", "before"]
        assert await prompts(admin, on="standby") == ["before"]
        (row,) = await pair.primary.ask("SELECT count(*) AS events FROM audit_events WHERE action = 'history_read'")
        assert row["events"] == 1
        (row,) = await pair.standby.ask("SELECT count(*) AS events FROM audit_events WHERE action = 'history_read'")
        assert row["events"] == 0
        export = await admin.client.get(f"{HISTORY}/export")
        assert ("before" in export.text, "after" in export.text, HEADER in export.headers) == (True, False, True)
        for path in (STATISTICS, AUDIT):
            answer = await admin.client.get(path)
            assert (answer.status_code, int(answer.headers[HEADER]) >= 1) == (200, True)
        searched = await admin.client.get(HISTORY, params={"q": "before"})
        assert HEADER in searched.headers
        verified = (await admin.client.post(VERIFICATION)).text.splitlines()[-1]
        assert '"broken": 0' in verified
        assert '"lag_seconds": null' not in verified


async def caught_up(pair: Pair) -> None:
    (row,) = await pair.primary.ask("SELECT pg_current_wal_insert_lsn()::text AS place")

    async def has() -> bool:
        query = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn AS there"
        return bool((await pair.standby.ask(query, row["place"]))[0]["there"])

    await until(has)


async def test_one_that_is_too_far_behind_is_not_asked(pair: Pair, said: list[Any]) -> None:
    async with reading(pair, read_max_lag_seconds=2) as (service, admin, alice):
        await reads_on(service, "standby")
        await pair.pause()
        await alice.say(await alice.conversation(), "after")
        await reads_on(service, "primary")
        assert await prompts(admin, on="primary") == ["after"]
        assert reasons(said)[-1] == "too_far_behind"
        await pair.resume()
        await reads_on(service, "standby")
        assert await prompts(admin, on="standby") == ["after"]
        assert said[-1]["event"] == "standby_used"


async def test_one_that_has_lost_its_primary_is_behind_though_it_does_not_know(pair: Pair, said: list[Any]) -> None:
    """All that it has received it has applied: by its own figures it is not behind."""
    async with reading(pair, read_max_lag_seconds=2) as (service, admin, alice):
        await reads_on(service, "standby")
        await pair.standby.reconfigure(primary_conninfo="host=127.0.0.1 port=1")
        await alice.say(await alice.conversation(), "after")
        await reads_on(service, "primary")
        assert await prompts(admin, on="primary") == ["after"]
        assert reasons(said)[-1] == "too_far_behind"


async def test_one_that_is_away_keeps_nobody_from_starting_or_reading(pair: Pair, said: list[Any]) -> None:
    await pair.standby.stop()
    async with reading(pair) as (service, admin, alice):
        await alice.say(await alice.conversation(), "hello")
        assert await prompts(admin, on="primary") == ["hello"]
        await pair.standby.start()
        await reads_on(service, "standby")
        await pair.standby.stop(signal.SIGQUIT)
        assert await prompts(admin, on="primary") == ["hello"]
        await reads_on(service, "primary")
        await pair.standby.start()
        await reads_on(service, "standby")
    assert reasons(said) == ["away", "away"]


async def test_one_that_is_promoted_is_not_asked_any_more(pair: Pair, said: list[Any]) -> None:
    async with reading(pair) as (service, admin, alice):
        await reads_on(service, "standby")
        await pair.standby.promote()
        await alice.say(await alice.conversation(), "after")
        assert await prompts(admin, on="primary") == ["after"]
        await reads_on(service, "primary")
    assert reasons(said)[-1] == "no_standby"


async def test_of_several_standbys_another_one_takes_over(pair: Pair, said: list[Any]) -> None:
    async with standby_of(pair.primary, "third") as third:
        hosts = f"host=127.0.0.1,127.0.0.1&port={pair.standby.port},{third.port}"
        url = f"postgresql://postgres@/postgres?{hosts}"
        async with running(pair.primary.url, read_database_url=url) as service:
            admin = await service.administrator()
            await reads_on(service, "standby")
            await pair.standby.promote()
            await until(lambda: told(said, "no_standby"))
            await reads_on(service, "standby")
            assert await prompts(admin, on="standby") == []


async def told(said: list[Any], reason: str) -> bool:
    return reason in reasons(said)


async def test_a_standby_of_another_primary_is_not_asked(pair: Pair, said: list[Any]) -> None:
    async with cluster() as other:
        await asyncio.to_thread(migrations.upgrade, other.url)
        async with running(other.url, read_database_url=pair.standby.url) as service:
            admin = await service.administrator()
            await until(lambda: known(said))
            assert await prompts(admin, on="primary") == []
    assert reasons(said) == ["of_another_primary"]


async def known(said: list[Any]) -> bool:
    return bool(said)


@asynccontextmanager
async def opened(pair: Pair) -> AsyncIterator[tuple[Database, Standby]]:
    database = await Database.connect(pair.primary.url, pool_size=4)
    second = Standby(database, pair.standby.url, max_lag_seconds=60)
    try:
        yield database, second
    finally:
        await second.close()
        await database.close()


async def looked_at(second: Standby) -> None:
    async def is_near() -> bool:
        await second.look()
        return second.is_near

    await until(is_near)


# Where it ran. On the standby it takes so long that something comes in between.
LONG = text("SELECT pg_is_in_recovery(), pg_sleep(CASE WHEN pg_is_in_recovery() THEN 60 ELSE 0 END) FROM turns LIMIT 1")


async def ran_on_standby(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(text("SELECT pg_is_in_recovery()")))


async def long_query(connection: AsyncConnection) -> bool:
    # In any case a row: of a table that changes.
    return bool(await connection.scalar(text(f"SELECT * FROM ({LONG.text}) AS it")))


async def asleep(pair: Pair) -> int:
    """Wait until the long query runs on the standby, and return its process."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (rows := await pair.standby.ask("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")):
            await asyncio.sleep(0.02)
    return int(rows[0]["pid"])


# The connection's end may come before its last words.
@pytest.mark.parametrize("states", [("40001",), ("57P01", "08003")])
async def test_what_a_standby_breaks_off_is_read_on_the_primary(
    pair: Pair, said: list[Any], states: tuple[str, ...]
) -> None:
    async with running(pair.primary.url) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        for number in range(3):
            await alice.say(conversation, f"hello {number}")
    await caught_up(pair)
    async with opened(pair) as (database, second):
        await looked_at(second)
        query = asyncio.create_task(Reads(database, second).read(long_query, timeout_seconds=60))
        pid = await asleep(pair)
        if "57P01" in states:
            await pair.standby.ask("SELECT pg_terminate_backend($1)", pid)
        else:
            await pair.primary.ask("UPDATE turns SET comment = 'so that there is something to remove'")
            await pair.primary.ask("VACUUM turns")
        async with asyncio.timeout(WAIT_SECONDS):
            assert await query is False
    (state,) = [each["sqlstate"] for each in said if each["event"] == "standby_read_failed"]
    assert state in states


async def test_a_slow_query_is_not_run_again_on_the_primary(pair: Pair) -> None:
    async with opened(pair) as (database, second):
        await looked_at(second)
        ran: list[bool] = []

        async def slow(connection: AsyncConnection) -> None:
            ran.append(await ran_on_standby(connection))
            await connection.execute(text("SELECT pg_sleep(30)"))

        with pytest.raises(QueryTooSlow):
            await Reads(database, second).read(slow, timeout_seconds=0.2)
    assert ran == [True]


async def test_a_later_read_never_finds_less_than_an_earlier_one(pair: Pair) -> None:
    """Nor does a verification find rows missing that were there a moment ago."""
    async with opened(pair) as (database, second):
        request = Reads(database, second)
        await pair.pause()
        await pair.primary.ask("CREATE TABLE written_after_the_pause ()")
        assert await request.read(ran_on_standby, timeout_seconds=10) is False  # nobody has looked at the standby yet
        await pair.resume()
        await looked_at(second)
        await pair.pause()
        await pair.primary.ask("CREATE TABLE written_after_this_pause_too ()")
        assert await Reads(database, second).read(ran_on_standby, timeout_seconds=10) is True
        second._objection = standby.Objection.AWAY
        assert await request.read(ran_on_standby, timeout_seconds=10) is False
        second._objection = None
        assert await request.read(ran_on_standby, timeout_seconds=10) is False
        await pair.resume()
        await caught_up(pair)
        assert await request.read(ran_on_standby, timeout_seconds=10) is True


async def test_the_log_holds_no_secret_of_its_address(pair: Pair, said: list[Any]) -> None:
    url = "postgresql://postgres:geheim@127.0.0.1:1/postgres"
    async with running(pair.primary.url, read_database_url=url):
        await until(lambda: known(said))
    assert "geheim" not in str(said)
    assert reasons(said) == ["away"]
