"""Following a turn: its reply as it comes, from this process's memory or from what another one writes down."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chatkeep.chat.generation.generation import Generation
from chatkeep.chat.generation.sse import KEEP_ALIVE, QUEUED, event, stretch_event
from chatkeep.chat.history.lookups import require_turn
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.history.turn import OpenTurn
from chatkeep.chat.reply_log import ReplySpan, length_of
from chatkeep.chat.schemas import Content, Siblings, Turn, TurnError
from chatkeep.errors import DatabaseUnavailable, NotFound
from chatkeep.http.schemas import json_line

KEEP_ALIVE_SECONDS = 15
QUEUED_SECONDS = 1
GONE = "The turn was deleted while it was being answered, or went to the account that this guest signed in to."
NOT_KEPT_YET = (
    "The reply is there, and the database does not take it just now. It is stored as soon as it does: ask for the turn "
    "again, by its id or with the same Idempotency-Key."
)
# For a database that only restarts; longer than any statement that keeps a reply is waited for.
KEPT_WITHIN_SECONDS = 5.0
# Positions that a follower who is far behind is given at a time: so much of the reply it holds in memory.
MAX_DELTA_CHARACTERS = 16_384
# Between two deltas of one follower. What a fast model says in between comes as one: no reader can tell, and it bounds
# what a follower costs.
MIN_DELTA_INTERVAL_SECONDS = 0.02
ONLY_AT_THE_END = ("reply", "finish_reason", "usage", "context", "error", "feedback", "completed_at")


@dataclass(frozen=True, slots=True)
class TurnStream:
    """One client's view of one turn.

    Args:
        generation: None where another replica generates it, or where it has ended.
        poll_seconds: how often to look at what another replica wrote down.
    """

    begun: OpenTurn
    generation: Generation | None
    turn_store: TurnStore
    poll_seconds: float

    async def texts(self) -> AsyncGenerator[str, None]:
        """Yield the reply's own text, and "" when there was nothing of it for a while; end with the turn."""
        clock = asyncio.get_running_loop().time
        yielded_at = clock()
        async with aclosing(self.stretches()) as found:
            async for stretches in found:
                text = "".join(each.text for each in stretches if each.kind is None)
                if text or not stretches or clock() - yielded_at >= KEEP_ALIVE_SECONDS:
                    yield text
                    yielded_at = clock()

    def stretches(self, start: int = 0) -> AsyncGenerator[Sequence[ReplySpan], None]:
        """Yield the reply from `start` on, and nothing when there was nothing for a while; end with the turn."""
        if self.generation is not None:
            return _from_memory(self.generation, start)
        return _from_database(self.turn_store, self.begun, start, self.poll_seconds)

    async def events(self, start: int = 0, turn: Turn | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the turn as server-sent events, from after position `start`.

        Args:
            turn: as the caller has read it, if it has. It is let go of after the first event: a prompt may have
                megabytes, and a client may follow for minutes.
        """
        yield event("turn", json_line(_at_its_start(turn) if turn is not None else await self.turn_at_its_start()))
        del turn
        async for stretches in self.stretches(start):
            yield b"".join(map(stretch_event, stretches)) or self._nothing_yet()
        yield _done_event(await self.turn_at_its_end())

    def _nothing_yet(self) -> bytes:
        return QUEUED if self.generation is not None and self.generation.is_queued else KEEP_ALIVE

    async def end(self) -> Turn:
        """Wait for the turn's end and return it.

        Raises:
            DatabaseUnavailable: the reply is whole, and cannot be kept just now; it will be, and holds the turn's id.
        """
        if self.generation is not None:
            if not await self.generation.until_ended(kept_within_seconds=KEPT_WITHIN_SECONDS):
                raise DatabaseUnavailable(NOT_KEPT_YET, turn_id=str(self.begun.id))
        else:
            async for _ in self.stretches():
                pass
        return await self.turn_at_its_end()

    async def turn_at_its_start(self) -> Turn:
        """Return the turn as it was when it was begun, whenever that was."""
        begun = self.begun
        if not begun.is_replay:
            return new_turn(begun)
        return _at_its_start(await self._kept())

    async def turn_at_its_end(self) -> Turn:
        if self.generation is not None and self.generation.finished is not None:
            return self.generation.finished
        try:
            return await self._kept()
        except NotFound:
            gone = TurnError(code="deleted", detail=GONE)
            return new_turn(self.begun).model_copy(update={"status": "interrupted", "error": gone})

    async def _kept(self) -> Turn:
        begun = self.begun
        return await require_turn(self.turn_store.database, begun.user_id, begun.conversation_id, begun.id)


async def _from_memory(generation: Generation, position: int) -> AsyncGenerator[Sequence[ReplySpan], None]:
    clock, next_at = asyncio.get_running_loop().time, 0.0
    # A user who has to wait for others is told so before long.
    patience = QUEUED_SECONDS if generation.is_queued else KEEP_ALIVE_SECONDS
    while True:
        if not await generation.more_than(position, seconds=patience):
            patience = KEEP_ALIVE_SECONDS
            yield ()
            continue
        if (rest := next_at - clock()) > 0:
            await generation.rest(rest)
        if stretches := generation.stretches(position, MAX_DELTA_CHARACTERS):
            position = _end_of(stretches)
            # A follower that is behind is not kept waiting.
            next_at = clock() + MIN_DELTA_INTERVAL_SECONDS if position == generation.length else 0.0
            yield stretches
        elif generation.ended:
            return


async def _from_database(
    turn_store: TurnStore, begun: OpenTurn, position: int, poll_seconds: float
) -> AsyncGenerator[Sequence[ReplySpan], None]:
    silent_seconds = 0.0
    while (written := await turn_store.written(begun, position, MAX_DELTA_CHARACTERS)) is not None:
        came = 0
        if written.stretches:
            end = _end_of(written.stretches)
            came, position, silent_seconds = end - position, end, 0.0
            yield written.stretches
        if written.whole or (written.ended and came < MAX_DELTA_CHARACTERS):
            return
        if came >= MAX_DELTA_CHARACTERS:
            continue
        await asyncio.sleep(poll_seconds)
        silent_seconds += poll_seconds
        if silent_seconds >= KEEP_ALIVE_SECONDS:
            silent_seconds = 0.0
            yield ()


def _end_of(stretches: Sequence[ReplySpan]) -> int:
    return stretches[-1].position + stretches[-1].length


def _done_event(turn: Turn) -> bytes:
    return event("done", json_line(turn), length_of(turn.reply.content, turn.reply.items) if turn.reply else 0)


def _at_its_start(turn: Turn) -> Turn:
    return turn.model_copy(update=dict.fromkeys(ONLY_AT_THE_END) | {"status": "streaming"})


def new_turn(begun: OpenTurn) -> Turn:
    """Return a turn as it is begun, before anything is said."""
    return Turn(
        id=begun.id,
        conversation_id=begun.conversation_id,
        parent_id=begun.parent_id,
        index=begun.position,
        status="streaming",
        finish_reason=None,
        prompt=Content(content=begun.content, items=None if begun.items is None else list(begun.items)),
        continues=begun.parent_id if begun.continues else None,
        reply=None,
        model=begun.model,
        params=dict(begun.params),
        usage=None,
        context=None,
        error=None,
        feedback=None,
        siblings=Siblings(count=begun.sibling_count, position=begun.sibling_count),
        created_at=begun.created_at,
        completed_at=None,
    )
