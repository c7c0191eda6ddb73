"""Places for generations: who may have how many."""

from contextlib import ExitStack
from uuid import UUID

import pytest

from chatkeep.app.metrics import Metrics
from chatkeep.chat.generation.registry import GenerationRegistry
from chatkeep.chat.models import DemonstrationModel
from chatkeep.errors import TooManyGenerations

RUNNING = 8


@pytest.fixture
def registry() -> GenerationRegistry:
    return GenerationRegistry(DemonstrationModel(), max_running=RUNNING, max_waiting=RUNNING, observer=Metrics())


def test_guests_together_hold_half_of_what_runs(registry: GenerationRegistry) -> None:
    """Anybody becomes a guest by asking, as often as they like."""
    with ExitStack() as stack:
        for number in range(RUNNING // 2):
            stack.enter_context(registry.reserve(UUID(int=number), is_guest=True))
        with pytest.raises(TooManyGenerations, match="guests"):
            stack.enter_context(registry.reserve(UUID(int=100), is_guest=True))
        with pytest.raises(TooManyGenerations, match="guests"):
            stack.enter_context(registry.reserve(UUID(int=0), is_guest=True))
        for _ in range(RUNNING // 2):
            stack.enter_context(registry.reserve(UUID(int=200)))
    with registry.reserve(UUID(int=100), is_guest=True):
        pass
