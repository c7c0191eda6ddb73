"""A real `chatkeep serve` whose limits are small enough to be met in a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process import ServeProcess, serving

PER_ADDRESS = 8
HEAD_SECONDS = 2
BODY_SECONDS = 3
# Its connections are not counted by address.
PROXY = "127.0.0.9"


@pytest.fixture(scope="module")
async def served(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServeProcess]:
    folder: Path = tmp_path_factory.mktemp("served")
    async with serving(
        folder,
        database_url=shared_database_url,
        max_connections_per_address=PER_ADDRESS,
        head_timeout_seconds=HEAD_SECONDS,
        body_timeout_seconds=BODY_SECONDS,
        trusted_proxies=PROXY,
        log_format="json",
    ) as service:
        yield service
