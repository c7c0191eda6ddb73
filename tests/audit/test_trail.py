"""Rows of the trail: written with the act or not at all, by many at once, in chains without gaps."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from chatkeep.audit.actions import Action
from chatkeep.audit.keys import SealingKeys
from chatkeep.audit.trail import ANCHOR_EVERY, AuditTrail, Origin
from chatkeep.audit.verification import Verdict, verify
from chatkeep.errors import AnotherSigningKey
from chatkeep.ids import new_id
from tests.audit.audit_fixtures import SECRET, RolledBack, opened, rows, tamper, write, writers
from tests.support.process import environment
from tests.support.urls import driver_url

PROJECT = Path(__file__).parents[2]
COUNT = "SELECT count(*) FROM audit_events"


async def verdict_on(url: str, *secrets: str) -> Verdict:
    async with opened(url, *secrets) as (database, _):
        return await verify(database, SealingKeys(secrets or (SECRET,)))


async def test_a_row_holds_who_did_what_to_whom_from_where_and_why(database_url: str) -> None:
    actor, subject, other = new_id(), new_id(), new_id()
    origin = Origin("user", actor, "192.0.2.1", "request-1", "理由")
    async with opened(database_url) as (database, trail), database.transaction() as connection:
        await trail.by(origin).record(connection, Action.HISTORY_READ, subject, other, turns=3, flags=[True, None])
    (row,) = await rows(database_url, "SELECT * FROM audit_events")
    assert (row["action"], row["actor_kind"], row["actor_id"]) == ("history_read", "user", actor)
    assert row["subject_ids"] == sorted([subject, other])
    assert (row["address"], row["request_id"], row["reason"]) == ("192.0.2.1", "request-1", "理由")
    assert row["details"] == '{"flags": [true, null], "turns": 3}'
    found_by = await rows(database_url, "SELECT subject_id, is_read FROM audit_subjects ORDER BY 1")
    assert [tuple(each) for each in found_by] == [(each, True) for each in sorted([subject, other])]
    assert (await verdict_on(database_url)).whole == 1


async def test_an_act_that_is_rolled_back_leaves_no_row_and_no_gap(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        audit = trail.by(Origin("service"))
        for fails in (False, True, False, True, True, False):
            try:
                async with database.transaction() as connection:
                    await audit.record(connection, Action.SIGNED_IN, new_id())
                    if fails:
                        raise RolledBack
            except RolledBack:
                pass
    assert [row["seq"] for row in await rows(database_url, "SELECT seq FROM audit_events ORDER BY seq")] == [1, 2, 3]
    assert (await verdict_on(database_url)).broken == 0


async def test_details_that_json_would_change_are_refused(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        for value in (0.5, (1, 2), b"x", {"a": 1.0}):
            async with database.transaction() as connection:
                with pytest.raises(TypeError):
                    await trail.by(Origin("service")).record(connection, Action.SIGNED_IN, value=value)
    assert (await rows(database_url, COUNT))[0][0] == 0


async def test_nobody_waits_for_a_chain_that_somebody_holds(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        audit = trail.by(Origin("service"))
        async with database.transaction() as slow, asyncio.timeout(5):
            await audit.record(slow, Action.SIGNED_IN, new_id())
            await write(database, audit, 3)
    chains = await rows(database_url, "SELECT chain, count(*) FROM audit_events GROUP BY chain ORDER BY chain")
    assert [tuple(row) for row in chains] == [(0, 1), (1, 3)]
    assert (await verdict_on(database_url)).whole == 4


async def test_a_row_waits_while_all_chains_are_taken_and_then_follows(database_url: str) -> None:
    holder = await asyncpg.connect(driver_url(database_url))
    async with opened(database_url) as (database, trail):
        transaction = holder.transaction()
        await transaction.start()
        await holder.fetch("SELECT 1 FROM audit_chains FOR UPDATE")
        writing = asyncio.create_task(write(database, trail.by(Origin("service")), 1))
        await asyncio.sleep(0.1)
        assert not writing.done()
        await transaction.rollback()
        await writing
    await holder.close()
    assert (await verdict_on(database_url)).whole == 1


async def test_many_processes_write_at_once_and_roll_back_and_the_trail_is_whole(database_url: str) -> None:
    command = (sys.executable, "-m", "tests.audit.audit_fixtures", database_url, "4", "25")
    processes = [
        await asyncio.create_subprocess_exec(
            *command, str(seed), cwd=PROJECT, env=environment(), stdout=asyncio.subprocess.PIPE
        )
        for seed in range(2)
    ]
    here = await writers(database_url, 4, 25, 3)
    kept = here + sum([int((await process.communicate())[0]) for process in processes])
    verdict = await verdict_on(database_url)
    assert (verdict.whole, verdict.broken, verdict.breaks) == (kept, 0, [])
    # They did not stand in one line, and rows of one chain saw the ends of others.
    assert len(await rows(database_url, "SELECT DISTINCT chain FROM audit_events")) > 1
    assert (await rows(database_url, f"{COUNT} WHERE heads IS NOT NULL"))[0][0] >= kept // ANCHOR_EVERY - 8


async def test_the_owner_of_the_tables_cannot_change_a_row_by_accident(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        await write(database, trail.by(Origin("service")), 1)
    if (await rows(database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))[0][0]:
        pytest.skip("a superuser may do anything")
    for statement in ("UPDATE audit_events SET reason = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rows(database_url, statement)


async def test_a_key_is_exchanged_while_processes_with_the_old_one_still_write(database_url: str) -> None:
    old, new = f"old {SECRET}", f"new {SECRET}"
    async with opened(database_url, old) as (database, first):
        await write(database, first.by(Origin("service")), 3)
        async with opened(database_url, old, new) as (_, second):
            for trail in (second, first, second, first):
                await write(database, trail.by(Origin("service")), 2)
            # What the sweep does now and then.
            assert await second.renew_seals(database) == []
    async with opened(database_url, new) as (database, third):
        await write(database, third.by(Origin("service")), 1)
        assert await third.renew_seals(database) == []
    assert (await verdict_on(database_url, new)).whole == 12


async def test_a_row_on_a_foreign_end_is_not_sealed_until_an_operator_says_so(database_url: str) -> None:
    new = f"new {SECRET}"
    async with opened(database_url) as (database, trail):
        await write(database, trail.by(Origin("service")), 2)
        # As a process does whose key was taken away while it runs.
        other = AuditTrail(SealingKeys([new]))
        await write(database, other.by(Origin("service")), 1)
        verdict = await verify(database, SealingKeys([new]))
        assert (verdict.whole, verdict.broken) == (3, 8)
        async with database.transaction() as connection:
            assert await other.seal_as_it_is(connection, Origin("operator")) == list(range(8))
        verdict = await verify(database, SealingKeys([new]))
        assert (verdict.whole, verdict.broken) == (4, 0)
    ((details,),) = await rows(database_url, "SELECT details FROM audit_events WHERE action = 'trail_sealed'")
    assert '[0, 3, "' in details


async def test_a_trail_that_is_sealed_with_another_key_alone_is_not_opened(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        await write(database, trail.by(Origin("service")), 2)
        before = await rows(database_url, "SELECT * FROM audit_chains ORDER BY chain")
        with pytest.raises(AnotherSigningKey, match="set CHATKEEP_SECRET_KEY to that one, or to old,new to replace it"):
            await AuditTrail.open(database, [f"new {SECRET}"])
        assert await rows(database_url, "SELECT * FROM audit_chains ORDER BY chain") == before
        # A single chain that somebody has changed keeps nobody from starting.
        await tamper(database_url, """UPDATE audit_chains SET seals = '{"0": "0"}' WHERE chain = 5""")
        assert await (await AuditTrail.open(database, [SECRET])).renew_seals(database) == [5]


async def test_a_trail_that_was_emptied_is_not_begun_anew_chain_by_chain(database_url: str) -> None:
    async with opened(database_url) as (database, trail):
        await write(database, trail.by(Origin("service")), 2)
        await tamper(
            database_url,
            "DELETE FROM audit_events",
            "UPDATE audit_chains SET seq = 0, hash = decode(repeat('00', 32), 'hex'), seals = '{}' WHERE chain = 0",
        )
        assert await (await AuditTrail.open(database, [SECRET])).renew_seals(database) == [0]
        verdict = await verify(database, SealingKeys([SECRET]))
    assert "its end is not sealed" in str(verdict.breaks[0])
