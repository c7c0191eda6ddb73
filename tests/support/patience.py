"""A service that waits as long as a slow machine needs.

The service gives up within seconds where its database or its hashing threads are overloaded, and answers 503. A test
that has many requests at once overloads a slow machine by itself. What it shows must not depend on that; the limits
have tests of their own, which set them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.limits import LIMITS, PATIENT_SECONDS


@contextmanager
def patience() -> Iterator[None]:
    """Have services that start in the block wait for as long as it takes."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in LIMITS:
            patch.setattr(limit, PATIENT_SECONDS)
        yield
