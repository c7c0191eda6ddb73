"""The block that a test claims, and the service that the documents' commands meet."""

import pytest

from tests.docs.documents import Block, block_with


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
