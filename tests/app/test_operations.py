"""Operators' questions to a running service."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatkeep.database import migrations
from tests.app.gates import Gate, gate
from tests.http.test_bodies import code_of
from tests.support.clusters import cluster, synchronous_standby
from tests.support.databases import run
from tests.support.running_service import RunningService, running


@pytest.fixture
async def own(database_url: str) -> AsyncIterator[RunningService]:
    """A service that the test may harm."""
    async with running(database_url) as service:
        yield service


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """One that gives up in time: in other files the shared one does not."""
    async with running(shared_database_url) as service:
        yield service


async def test_a_process_that_lives_says_so(service: RunningService) -> None:
    answer = await service.client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_service_that_can_work_is_ready(service: RunningService) -> None:
    answer = await service.client().get("/readyz")
    told = {"status": "ready", "revision": migrations.head_revision(), "acknowledged_on": "primary"}
    told["administrators_read_on"] = "primary"
    assert (answer.status_code, answer.json()) == (200, told)


async def test_readiness_says_where_an_acknowledged_turn_is() -> None:
    async with cluster() as primary:
        await asyncio.to_thread(migrations.upgrade, primary.url)
        async with synchronous_standby(primary), running(primary.url) as service:
            assert (await service.client().get("/readyz")).json()["acknowledged_on"] == "standby"
            await primary.reconfigure(synchronous_standby_names="")
            async with asyncio.timeout(30):
                while (await service.client().get("/readyz")).json()["acknowledged_on"] == "standby":
                    await asyncio.sleep(0.1)


async def test_monitors_need_no_body(service: RunningService) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await service.client().head(path)
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "change",
    ["UPDATE alembic_version SET version_num = '0000'", "DELETE FROM alembic_version", "DROP TABLE alembic_version"],
)
async def test_a_database_that_is_not_migrated_is_not_ready(
    own: RunningService, database_url: str, change: str
) -> None:
    await run(database_url, change)
    answer = await own.client().get("/readyz")
    assert code_of(answer, 503) == "database_not_migrated"
    assert int(answer.headers["retry-after"]) > 0
    assert (await own.client().get("/healthz")).status_code == 200


async def test_while_it_goes_down_it_is_not_ready(own: RunningService) -> None:
    own.app.state.draining = True
    assert code_of(await own.client().get("/readyz"), 503) == "draining"
    assert (await own.client().head("/readyz")).status_code == 503
    assert (await own.client().get("/healthz")).status_code == 200


@pytest.fixture
async def between(database_url: str) -> AsyncIterator[Gate]:
    async with gate(database_url) as between:
        yield between


async def test_without_its_database_it_is_alive_and_not_ready(between: Gate) -> None:
    async with running(between.url) as service:
        person = await service.person()
        await between.shut()
        answer = await service.client().get("/readyz")
        assert code_of(answer, 503) == "database_unavailable"
        answer = await person.client.get("/api/v1/conversations")
        assert code_of(answer, 503) == "database_unavailable"
        assert int(answer.headers["retry-after"]) > 0
        assert between.password not in answer.text
        for path in ("/healthz", "/metrics", "/docs"):
            assert (await service.client().get(path)).status_code == 200
        await between.open()
        async with asyncio.timeout(30):
            while (await service.client().get("/readyz")).status_code != 200:
                await asyncio.sleep(0.1)
        assert (await person.client.get("/api/v1/conversations")).status_code == 200


async def test_a_database_that_does_not_answer_does_not_hold_a_probe_up(between: Gate) -> None:
    async with running(between.url) as service:
        await between.hold()
        async with asyncio.timeout(10):
            answer = await service.client().get("/readyz")
        assert code_of(answer, 503) == "database_unavailable"
        await between.open()
