"""A place in ChatStream's queue: taken before a handler is asked, and given back by a callback."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.requests import Request

SUCCESS = "success"
DISCONNECTED = "client_disconnected_while_streaming"
FAILED = "unknown_error_occurred"

Finished = Callable[[Request, str], Awaitable[object]]


class Slot:
    """Gives the place back exactly once, however often it is asked to.

    Never given back, ChatStream answers one request fewer for as long as it runs; given back twice, one too many.
    """

    def __init__(self, request: Request, finished: Finished) -> None:
        self._request = request
        self._finished = finished
        self._given_back = False
        # A generation has it, and gives it back when the model is free again.
        self.in_use = False

    async def give_back(self, message: str) -> None:
        """Tell ChatStream that the request is over; its own words for how are the constants above."""
        if not self._given_back:
            self._given_back = True
            with anyio.CancelScope(shield=True):
                await self._finished(self._request, message)

    async def give_back_unused(self) -> None:
        """Give it back where no generation ever began."""
        if not self.in_use:
            await self.give_back(SUCCESS)

    async def finished(self, _request: Request, message: str) -> None:
        """Stand in for ChatStream's callback where its own code is handed one."""
        await self.give_back(message)
