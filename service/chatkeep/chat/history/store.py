"""Turns in PostgreSQL: begun, written down while they are generated, and ended.

What is there if the process dies:

- before `begin` commits: nothing, and nothing was acknowledged;
- after it: the prompt, with status `streaming` and this replica's id. When the replica's lease runs out, any other
  one marks it `interrupted`; the next start on the same machine does at once;
- after a `flush`: also what was said up to it, of whatever kind;
- before `end` commits: as after the last flush; after it: the whole turn, whether or not anyone was told;
- before what it is found by is kept: `unsettled_turns` has it, and any replica makes it a little later. A search of its
  user finds it there.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chatkeep.chat.files.contents import file_ids_in
from chatkeep.chat.history import queries
from chatkeep.chat.history import updates as statements
from chatkeep.chat.history.begin import BEGIN_TURN
from chatkeep.chat.history.conversations import title_of
from chatkeep.chat.history.fragments import (
    DELETE_ORPHAN_FRAGMENTS,
    FOLLOW,
    LAST_POSITION,
    RENAME_TEXT,
    Fragment,
    Written,
)
from chatkeep.chat.history.turn import Beginning, NewTurn, OpenTurn, Outcome, UnfinishedTurn
from chatkeep.chat.items import is_reasoning, refusals_in
from chatkeep.chat.models import LanguageModel, offered_names
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.schemas import Turn
from chatkeep.chat.search.ended_turns import EndedTurns
from chatkeep.chat.search.index_queries import FinishedTurn
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.errors import IdempotencyKeyReused, NotFound, TurnInProgress
from chatkeep.ids import new_id

# No character costs less than a third of a token an octet, see `estimate_tokens`.
MAX_BYTES_PER_TOKEN = 3


class TurnStore:
    """The turns of one replica.

    Args:
        replica_id: of the process that this is, which holds a lease while it generates.
        model: answers where neither turn nor conversation asks for another.
        counted_models: names that the statistics know, besides those that the model says it offers.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        replica_id: UUID,
        model: LanguageModel,
        counted_models: Sequence[str] = (),
    ) -> None:
        self.database = database
        self.clock = clock
        self.replica_id = replica_id
        self.model = model
        self.counted_models = counted_models
        # Of these it is still to be kept what they are found by.
        self.ended_turns = EndedTurns()

    async def begin(self, user_id: UUID, new: NewTurn, *, context_tokens: int) -> OpenTurn:
        """Keep the prompt and return what the model has to know.

        Raises:
            NotFound: the conversation or the parent is not there or not the user's.
            TurnInProgress: another turn of the conversation is being answered; holds its id.
            IdempotencyKeyReused: the key belongs to another request.
            DatabaseUnavailable: nothing is known to be kept; the same key tries again safely.
        """
        turn_id = new_id()
        values = self._begin_values(user_id, turn_id, new, context_tokens)
        row = await self._begin(values)
        if row is None:
            raise NotFound
        return self._begun(row, user_id, new, values)

    async def _begin(self, values: Mapping[str, object]) -> Beginning | None:
        try:
            return await self.database.row(BEGIN_TURN, **values)
        except asyncpg.ForeignKeyViolationError:
            return None  # a file was deleted in this moment

    def _begin_values(self, user_id: UUID, turn_id: UUID, new: NewTurn, context_tokens: int) -> dict[str, object]:
        file_ids = file_ids_in(new.items)
        return {
            "user_id": user_id,
            "turn_id": turn_id,
            "conversation_id": new.conversation_id,
            "parent_id": new.parent_id,
            "sibling_of": new.sibling_of,
            "prompt": new.content,
            "model": new.model,
            "default_model": self.model.default_name,
            "params": dict(new.params),
            "idempotency_key": new.idempotency_key,
            "request_digest": new.digest() if new.idempotency_key is not None else None,
            "replica_id": self.replica_id,
            "now": self.clock(),
            "title": title_of(new.content or "", new.items),
            "prompt_items": None if new.items is None else list(new.items),
            "continues": new.continues or None,
            "context_bytes": min(context_tokens * MAX_BYTES_PER_TOKEN, 2**31 - 1),
            # The prompt of another turn may have some.
            "file_ids": file_ids if file_ids or new.content is None else None,
        }

    def _begun(self, beginning: Beginning, user_id: UUID, new: NewTurn, values: Mapping[str, Any]) -> OpenTurn:
        verdict = beginning.verdict
        if verdict == "in_progress":
            raise TurnInProgress(
                "Another turn of this conversation is being answered. Wait for it, or stop it.",
                turn_id=str(beginning.streaming_turn_id),
            )
        if verdict == "no_parent":
            raise NotFound
        if verdict == "repeated":
            _require_same_request(beginning.same_digest, new)
        turn_id, now = values["turn_id"], values["now"]
        return OpenTurn.from_row(beginning.row, new, id=turn_id, user_id=user_id, created_at=now)

    async def joined(self, user_id: UUID, new: NewTurn) -> OpenTurn | None:
        """Return the turn that an earlier request with the same idempotency key began.

        Raises:
            IdempotencyKeyReused: that was another request.
        """
        if new.idempotency_key is None:
            return None
        earlier = await self.database.row(
            statements.TURN_BY_KEY,
            user_id=user_id,
            conversation_id=new.conversation_id,
            idempotency_key=new.idempotency_key,
        )
        if earlier is None:
            return None
        _require_same_request(earlier.request_digest, new)
        return OpenTurn(
            id=earlier.id,
            user_id=user_id,
            conversation_id=new.conversation_id,
            content=new.content or "",
            created_at=earlier.created_at,
            is_replay=True,
        )

    async def end(self, begun: OpenTurn, outcome: Outcome) -> Turn | None:
        """Keep how the turn ended and return it; None where another replica took it over, or where it was deleted.

        Its siblings are counted as they were when it began, the newest of them.
        """
        ended = await self._end(begun, begun.user_id, outcome)
        if ended is None and (owner := await self._owner(begun.id)) is not None:
            ended = await self._end(begun, owner, outcome)
        return ended

    async def _end(self, begun: OpenTurn, user_id: UUID, outcome: Outcome) -> Turn | None:
        now = self.clock()
        ended = await self.database.row(
            statements.END_TURN,
            user_id=user_id,
            conversation_id=begun.conversation_id,
            turn_id=begun.id,
            replica_id=self.replica_id,
            now=now,
            # A server may have to be asked before its first model's name is known.
            default_model=self.model.default_name,
            offered_models=self.offered_models(),
            first_text_ms=outcome.first_text_ms,
            **{name: getattr(outcome, name) for name in statements.OUTCOME},
        )
        if ended is None:
            return None
        self.ended_turns.add(_finished(begun, user_id, outcome))
        return Turn.from_record(_record(begun, user_id, outcome, ended, now))

    async def stalled_turns(self) -> list[UnfinishedTurn]:
        """Return turns whose replica is gone or whose lease ran out, as many as are ended at a time."""
        return await self.database.rows(statements.STALLED_TURNS)

    async def streaming_turns(self) -> list[UnfinishedTurn]:
        """Return the turns that this replica is generating, as far as the database knows."""
        return await self.database.rows(statements.STREAMING_TURNS, replica_id=self.replica_id)

    async def interrupt(self, turn: UnfinishedTurn) -> bool:
        """Mark a turn `interrupted`, with the text that there is; False where it ended or changed hands before."""
        row = await self.database.row(
            statements.INTERRUPT_TURN,
            user_id=turn.user_id,
            conversation_id=turn.conversation_id,
            turn_id=turn.id,
            replica_id=turn.replica_id,
            now=self.clock(),
            offered_models=self.offered_models(),
        )
        return row is not None

    async def delete_orphan_fragments(self) -> None:
        await self.database.execute(DELETE_ORPHAN_FRAGMENTS)

    async def owners(self, turn_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return the users of these turns as of now, of those that this replica still generates.

        A guest who signs in takes their turns along to the account, also the one that is being answered.
        """
        if not turn_ids:
            return {}
        owners = await self.database.rows(queries.OWNERS, replica_id=self.replica_id, turn_ids=list(turn_ids))
        return {each.id: each.user_id for each in owners}

    async def _owner(self, turn_id: UUID) -> UUID | None:
        return (await self.owners([turn_id])).get(turn_id)

    async def flush(self, fragments: Sequence[Fragment]) -> dict[UUID, bool]:
        """Write down what was generated, in one statement.

        Returns:
            The turns that are still ours, and of each whether somebody asked for its end.

        A fragment may be sent again when it is not known whether it arrived, but only unchanged. An empty text
        only asks.
        """
        values = {
            "user_ids": [each.user_id for each in fragments],
            "turn_ids": [each.turn_id for each in fragments],
            "positions": [each.position for each in fragments],
            "texts": [each.text for each in fragments],
            "kinds": [each.kind for each in fragments],
            "replica_id": self.replica_id,
        }
        while True:
            try:
                flushed = await self.database.rows(statements.FLUSH, **values)
            except asyncpg.ForeignKeyViolationError:
                continue  # a turn was deleted in this moment; now it can be seen
            return {each.id: each.stop_requested for each in flushed}

    async def rename_text(self, begun: OpenTurn, end: int, field: str) -> None:
        """Have what is written down as text, up to a position, be reasoning that came under that name."""
        await self.database.row(RENAME_TEXT, user_id=begun.user_id, turn_id=begun.id, end=end, kind=field)

    def offered_models(self) -> list[str]:
        """Return the names that the statistics count by; what else a client may ask for counts as another."""
        return offered_names(self.model, self.counted_models)

    async def written(self, begun: OpenTurn, start: int, most: int) -> Written | None:
        """Return at most `most` positions of the reply from `start` on, as far as it is written down.

        Of one that has ended and is more than plain text, all from `start` on. None where the turn is gone.
        """
        # No reply is that long, and the database adds the two.
        start = min(start, LAST_POSITION - most)
        row = await self.database.row(FOLLOW, user_id=begun.user_id, turn_id=begun.id, start=start, most=most)
        return None if row is None else Written.from_row(row, start, most)

    async def request_stop(self, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> bool:
        """Ask for a turn's end, wherever it is generated; False where it does not stream (any more)."""
        row = await self.database.row(
            statements.REQUEST_STOP, user_id=user_id, conversation_id=conversation_id, turn_id=turn_id
        )
        return row is not None


def _finished(begun: OpenTurn, user_id: UUID, outcome: Outcome) -> FinishedTurn:
    items = outcome.reply_items or ()
    return FinishedTurn(
        user_id,
        begun.id,
        begun.content,
        outcome.reply,
        refusals=refusals_in(items),
        reasoning=[item["text"] for item in items if is_reasoning(item)],
    )


def _record(begun: OpenTurn, user_id: UUID, outcome: Outcome, ended: statements.EndedTurn, now: datetime) -> TurnRecord:
    """Return a turn as it is kept, with its siblings as they were when it began: it was the newest of them."""
    return TurnRecord(
        user_id=user_id,
        conversation_id=begun.conversation_id,
        id=begun.id,
        parent_id=begun.parent_id,
        position=begun.position,
        continues=begun.continues or None,
        prompt=begun.content,
        prompt_items=begun.items,
        model=ended.model,
        params=begun.params,
        rating=ended.rating,
        comment=ended.comment,
        created_at=begun.created_at,
        completed_at=now,
        sibling_count=begun.sibling_count,
        sibling_position=begun.sibling_count,
        **{name: getattr(outcome, name) for name in statements.OUTCOME},
    )


def _require_same_request(digest: bytes | None, new: NewTurn) -> None:
    if digest != new.digest():
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request. Take a new one.")
