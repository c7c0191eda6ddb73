"""Places in which texts are rendered: two at once, for their own users.

Text that was made to be slow holds up one of them, for its own user: neither the pages of others, nor the event loop,
nor the password hashing.
"""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import anyio.to_thread

from chatkeep.fair_queue import FairQueue

Made = TypeVar("Made")

RENDERED_AT_ONCE = 2
_threads = anyio.CapacityLimiter(RENDERED_AT_ONCE)
_places = FairQueue(RENDERED_AT_ONCE, max_per_user=1)


async def render_in_place(user_id: UUID, render_all: Callable[[], Made]) -> Made:
    """Run what renders in a thread, when its user's turn has come."""
    async with _places.place(user_id):
        return await anyio.to_thread.run_sync(render_all, limiter=_threads)
