"""`python -m tests.crash.broken <fault> serve …`: the service with one fault, which the harness has to find.

A harness that finds nothing wrong with these proves nothing about the service.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from uuid import UUID

from chatkeep.accounts.identity import Identity
from chatkeep.app import worker
from chatkeep.app.app import create_app
from chatkeep.chat.generation.recovery import Recovery
from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.schemas import Turn
from chatkeep.cli.main import main
from chatkeep.ids import new_id

LATE_SECONDS = 1.0


class EarlyRequestHandler(PersistentRequestHandler):
    """Acknowledges a turn before it is committed, and commits it a little later."""

    def __init__(self, turn_store: TurnStore, *, context_tokens: int) -> None:
        super().__init__(turn_store, context_tokens=context_tokens)
        self._begins: dict[UUID, asyncio.Task[None]] = {}

    async def begin_turn(self, identity: Identity, new: NewTurn) -> OpenTurn:
        begun = OpenTurn(
            id=new_id(),
            user_id=identity.user_id,
            conversation_id=new.conversation_id,
            content=new.content or "",
            created_at=self.turn_store.clock(),
        )
        self._begins[begun.id] = asyncio.create_task(self._begin_late(begun, new))
        return begun

    async def end_turn(self, begun: OpenTurn, outcome: Outcome) -> Turn | None:
        await self._begins[begun.id]
        return await super().end_turn(begun, outcome)

    async def _begin_late(self, begun: OpenTurn, new: NewTurn) -> None:
        await asyncio.sleep(LATE_SECONDS)
        values = self.turn_store._begin_values(begun.user_id, begun.id, new, self.context_tokens)
        await self.turn_store._begin(values)


def acknowledge_early() -> None:
    worker.create_app = partial(create_app, handler=EarlyRequestHandler)  # type: ignore[attr-defined]  # the fault


def never_reap() -> None:
    async def interrupt_nothing(_: Recovery) -> int:
        return 0

    Recovery.interrupt_stalled = interrupt_nothing  # type: ignore[method-assign,assignment]  # the fault


FAULTS: dict[str, Callable[[], None]] = {"acknowledge-early": acknowledge_early, "never-reap": never_reap}


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
