"""A server that is the primary no more: real standbys, promoted while people chat."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatkeep.database import migrations
from tests.app.gates import gate
from tests.http.test_bodies import code_of
from tests.support.clusters import Cluster, cluster, standby, synchronous_standby
from tests.support.running_service import RunningService, running
from tests.support.talk import WHOLE_SECONDS, readiness, require_kept, talking


async def left(service: RunningService, server: Cluster) -> None:
    """Wait until the service has no connection to a server; an idle one goes when it is to be used next."""
    async with asyncio.timeout(WHOLE_SECONDS):
        while await connections_of_the_service(server) > 0:
            await asyncio.sleep(0.1)
            await service.client().get("/readyz")


@pytest.fixture
async def primary() -> AsyncIterator[Cluster]:
    """A migrated primary, whose commits wait for its standby as soon as it is told to."""
    async with cluster() as server:
        await asyncio.to_thread(migrations.upgrade, server.url)
        yield server


async def test_a_standby_that_is_promoted_under_load_has_all_that_was_acknowledged(primary: Cluster) -> None:
    async with synchronous_standby(primary) as second:
        url = documented_address(primary, second)
        async with running(url) as service, talking(service) as talk:
            await talk.more()
            await primary.stop(signal.SIGQUIT)
            assert code_of(await readiness(service, 503), 503) == "database_unavailable"
            await second.promote()
            await readiness(service, 200)
            await talk.more()
        await require_kept(second.url, talk)


async def test_an_address_that_moves_takes_every_connection_along(primary: Cluster) -> None:
    """The old primary lives on and takes no changes; what it answers to readers is old."""
    async with standby(primary) as second, gate(primary.url) as address:
        async with running(address.url) as service, talking(service) as talk:
            await talk.more()
            await primary.reconfigure(default_transaction_read_only="on")
            await readiness(service, 503)
            await caught_up(primary, second)
            await second.promote()
            address.lead_to(second.url)
            await readiness(service, 200)
            await talk.more()
            await left(service, primary)
        await require_kept(second.url, talk)


async def test_connections_to_what_became_a_standby_elsewhere_go_without_a_write(primary: Cluster) -> None:
    """Nobody writes, and the address leads elsewhere already: sessions that were ended there would be good here."""
    async with (
        standby(primary) as second,
        gate(primary.url) as address,
        running(address.url, lease_seconds=600) as service,
    ):
        person = await service.person()
        await asyncio.gather(*(person.client.get("/api/v1/conversations") for _ in range(20)))
        await caught_up(primary, second)
        await second.promote()
        address.lead_to(second.url)
        await primary.reconfigure(default_transaction_read_only="on")
        await left(service, primary)
        assert (await person.client.get("/api/v1/conversations")).status_code == 200


async def test_a_server_that_is_read_only_for_a_while(primary: Cluster) -> None:
    async with running(primary.url) as service, talking(service) as talk:
        await talk.more()
        await primary.reconfigure(default_transaction_read_only="on")
        answer = await readiness(service, 503)
        assert code_of(answer, 503) == "database_unavailable"
        assert "read-only for now" in answer.json()["detail"]
        refused = talk.statuses[503]
        async with asyncio.timeout(30):
            while talk.statuses[503] == refused:
                await asyncio.sleep(0.02)
        await primary.reconfigure(default_transaction_read_only="off")
        await readiness(service, 200)
        await talk.more()
    await require_kept(primary.url, talk)


async def test_a_server_that_restarts_and_ends_connections(primary: Cluster) -> None:
    async with running(primary.url) as service, talking(service) as talk:
        for _ in range(3):
            await talk.more()
            await primary.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        await talk.more()
        await primary.stop(signal.SIGINT)
        await readiness(service, 503)
        await primary.start()
        await readiness(service, 200)
        await talk.more()
    await require_kept(primary.url, talk)


def documented_address(*servers: Cluster) -> str:
    """Return the address of docs/operating.md, with these servers in it."""
    text = Path(__file__).parents[2].joinpath("docs", "operating.md").read_text()
    (address,) = re.findall(r"'(postgresql://\S+&target_session_attrs=read-write)'", text)
    hosts, ports = ",".join("127.0.0.1" for _ in servers), ",".join(str(each.port) for each in servers)
    for written, real in (
        ("//chatkeep:…@/chatkeep?", "//postgres@/postgres?"),
        ("host=db1,db2", f"host={hosts}"),
        ("port=5432,5432", f"port={ports}"),
    ):
        assert written in address
        address = address.replace(written, real)
    return address


async def connections_of_the_service(server: Cluster) -> int:
    rows = await server.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatkeep'")
    return int(rows[0][0])


async def caught_up(primary: Cluster, second: Cluster) -> None:
    (row,) = await primary.ask("SELECT pg_current_wal_lsn()::text AS place")
    async with asyncio.timeout(30):
        while not (await second.ask("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", row["place"]))[0][0]:
            await asyncio.sleep(0.05)
