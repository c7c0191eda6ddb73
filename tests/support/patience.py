"""A service that waits as long as a slow machine needs.

The service gives up within seconds where its database or its hashing threads are overloaded, and answers 503. A test
that has many requests at once overloads a slow machine by itself. What it shows must not depend on that; the limits
have tests of their own, which set them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chatkeep.database import connector, database
from tests.support.limits import LIMITS, PATIENT_SECONDS

CONNECT_SECONDS = connector.CONNECT_TIMEOUT_SECONDS


@contextmanager
def patience() -> Iterator[None]:
    """Have services that start in the block wait for as long as it takes."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in LIMITS:
            patch.setattr(limit, PATIENT_SECONDS)
        yield


@contextmanager
def patient_start() -> Iterator[None]:
    """Have a service that starts in the block wait for its first connections, unless the test has set how long.

    A start that is refused because many of them share the machine shows nothing of what the test is about.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (connector, database):
            if module.CONNECT_TIMEOUT_SECONDS == CONNECT_SECONDS:
                patch.setattr(module, "CONNECT_TIMEOUT_SECONDS", PATIENT_SECONDS)
        yield
