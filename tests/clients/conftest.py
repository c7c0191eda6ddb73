"""A service in front of the tests' model server; these tests take the clients that `make test-clients` installs."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clients.installed import INSTALLED_IN, Client
from tests.openai.clients import api_user
from tests.support.running_service import RunningService, running
from tests.upstream import Upstream

collect_ignore_glob = [] if INSTALLED_IN in os.environ else ["test_*.py"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(models=("my-model", "gpt-5-tests"), pause_seconds=0.01) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def service(shared_database_url: str, upstream: Upstream) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model_url=upstream.url, flush_interval_ms=50) as service:
        yield service


@pytest.fixture
async def client(service: RunningService, tmp_path: Path) -> Client:
    """Somebody with a token, and with every client at hand."""
    return Client(await api_user(service), f"{service.url}/v1", tmp_path)
