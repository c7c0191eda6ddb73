"""The block that a test claims, and the service that the documents' commands meet."""

from collections.abc import AsyncIterator

import pytest

from tests.docs.documents import Block, block_with
from tests.support.databases import create_database, drop_database


@pytest.fixture
def block(request: pytest.FixtureRequest) -> Block:
    """The block that the test claims with `runs`."""
    document, holds = request.param
    return block_with(document, holds)


@pytest.fixture
def blocks(request: pytest.FixtureRequest) -> list[Block]:
    """The blocks that the test claims with `runs`, where they are several."""
    document, holds = request.param
    return [block_with(document, each) for each in holds]


@pytest.fixture
async def empty_database_url(server_url: str) -> AsyncIterator[str]:
    """A database without tables, at an address as the documents write one."""
    url = await create_database(server_url)
    yield url
    await drop_database(server_url, url)
