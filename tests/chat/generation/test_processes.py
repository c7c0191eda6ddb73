"""A process that has ended is seen by its neighbours, whatever its lease says."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

from chatkeep.chat.generation.processes import ServiceProcess
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from tests.support.replicas import ReplicaStore


def test_a_process_that_lives_has_not_ended() -> None:
    assert not ServiceProcess.this().has_ended()


def test_a_process_that_is_gone_has_ended_even_before_anyone_took_notice() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = replace(ServiceProcess.this(), pid=child.pid, began_at=utc_now())
    assert not process.has_ended()
    child.kill()
    while not process.has_ended():  # a zombie from here on
        assert child.returncode is None
    child.communicate()
    assert process.has_ended()


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    this = ServiceProcess.this()
    assert replace(this, began_at=this.began_at - timedelta(minutes=1)).has_ended()


def test_of_another_machine_nothing_is_known() -> None:
    assert not replace(ServiceProcess.this(), machine="another", pid=2**22 + 1).has_ended()


async def test_only_the_dead_lose_their_leases(database_url: str) -> None:
    database = await Database.connect(database_url, pool_size=4)
    try:
        logs = [ReplicaStore(database, lease_seconds=600) for _ in range(4)]
        alive, dead, elsewhere, asking = logs
        dead.replica.process = replace(
            dead.replica.process, began_at=dead.replica.process.began_at - timedelta(hours=1)
        )
        elsewhere.replica.process = replace(elsewhere.replica.process, machine="another", pid=2**22 + 1)
        for log in logs:
            await log.replica.renew_lease()
        await asking.replica.release_dead_leases()
        async with database._pool.acquire() as connection:
            left = {row["id"] for row in await connection.fetch("SELECT id FROM replicas")}
        assert left == {alive.replica.id, elsewhere.replica.id, asking.replica.id}
    finally:
        await database.close()
