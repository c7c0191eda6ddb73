"""Admission: new turns are refused before anything is done for them, and wait behind everything else."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chatkeep.database.priority import Priority, with_priority

Handle = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Admission(Protocol):
    """Decides whether a new turn has a chance. `app.state.admission` is one; without it every turn has."""

    def require_room(self, *, may_be_retry: bool) -> None:
        """Look at no more than this process knows already.

        Args:
            may_be_retry: the request has an `Idempotency-Key`, and may only join a turn.

        Raises:
            TooMany: it would be refused later, too.
        """


def begins_turn(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint of a `JsonRoute` that begins a turn."""
    endpoint.begins_turn = True  # type: ignore[attr-defined]  # read by `JsonRoute`
    return endpoint


def with_admission(handle: Handle) -> Handle:
    """Return a handler that refuses a turn in vain before its body is read and before it is known who asks.

    A service that gets twice the turns that it can answer refuses half of them. If that cost as much as reading the
    body and two questions to the database, refusals alone would keep it from answering.
    """

    async def admitted(request: Request) -> Response:
        admission: Admission | None = getattr(request.app.state, "admission", None)
        if admission is not None:
            admission.require_room(may_be_retry="idempotency-key" in request.headers)
        with with_priority(Priority.NEW_TURN):
            return await handle(request)

    return admitted
