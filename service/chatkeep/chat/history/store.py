"""Turns in PostgreSQL: begun, written down while they are generated, and ended.

What is there if the process dies:

- before `begin` commits: nothing, and nothing was acknowledged;
- after it: the prompt, with status `streaming` and this replica's id. When the replica's lease runs out, any other
  one marks it `interrupted`; the next start on the same machine does at once;
- after a `flush`: also what was said up to it, of whatever kind;
- before `end` commits: as after the last flush; after it: the whole turn, whether or not anyone was told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from chatkeep.chat.files.contents import file_ids_in
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.history import queries
from chatkeep.chat.history import updates as statements
from chatkeep.chat.history.begin import BEGIN_TURN, BEGIN_TURN_WITH_FILES, EARLIER
from chatkeep.chat.history.conversations import title_from
from chatkeep.chat.history.fragments import FOLLOW, RENAME_TEXT
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.models import LanguageModel, offered_names
from chatkeep.chat.models.context import EarlierTurn
from chatkeep.chat.reply_log import ReplySpan, between, stretches_of
from chatkeep.chat.search.indexer import lexemes_of_turn
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.database.driver_errors import constraint_of
from chatkeep.database.stored_json import object_of
from chatkeep.errors import DatabaseUnavailable, IdempotencyKeyReused, NotFound, TurnInProgress
from chatkeep.ids import new_id

# No character costs less than a third of a token an octet, see `estimate_tokens`.
MAX_BYTES_PER_TOKEN = 3
MAX_BEGIN_ATTEMPTS = 20
LAST_POSITION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a reply that is not yet written down; an empty one only asks."""

    user_id: UUID
    turn_id: UUID
    position: int
    text: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of a reply from the database, from some position on.

    Args:
        stretches: in order, none empty.
        ended: the turn has ended; its reply may still go on after them.
        whole: they are all that there is of it.
    """

    stretches: Sequence[ReplySpan]
    ended: bool
    whole: bool = False


class TurnStore:
    """The turns of one replica.

    Args:
        model: answers where neither turn nor conversation asks for another.
        lease_seconds: how long after its last sign of life this replica is taken for dead.
        counted_models: names that the statistics know, besides those that the model says it offers.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        model: LanguageModel,
        lease_seconds: int,
        counted_models: Sequence[str] = (),
    ) -> None:
        self.database = database
        self.clock = clock
        self.replica = Replica(database, clock, lease_seconds=lease_seconds)
        self.model = model
        self.counted_models = counted_models

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

    async def _begin(self, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        statement = BEGIN_TURN if values.get("file_ids") is None else BEGIN_TURN_WITH_FILES
        for _ in range(MAX_BEGIN_ATTEMPTS):
            try:
                row = await self.database.row(statement, **values)
            except asyncpg.UniqueViolationError as error:
                if not constraint_of(error).startswith("uq_turns_idempotency_key"):
                    raise
                continue  # the same key, a moment before: now it can be seen
            except asyncpg.ForeignKeyViolationError:
                return None  # the conversation or a file was deleted in this moment
            if row is None or row["verdict"] != "stale":
                return row
        raise DatabaseUnavailable("Too much happens in this conversation at once. Try again in a moment.")

    def _begin_values(self, user_id: UUID, turn_id: UUID, new: NewTurn, context_tokens: int) -> dict[str, object]:
        file_ids = file_ids_in(new.items)
        # The prompt of another turn may have some.
        with_files = {"file_ids": file_ids} if file_ids or new.content is None else {}
        return with_files | {
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
            "replica_id": self.replica.id,
            "now": self.clock(),
            "title": title_from(new.content or ""),
            "prompt_items": None if new.items is None else list(new.items),
            "continues": new.continues or None,
            "context_bytes": min(context_tokens * MAX_BYTES_PER_TOKEN, 2**31 - 1),
        }

    def _begun(self, row: Mapping[str, Any], user_id: UUID, new: NewTurn, values: Mapping[str, Any]) -> OpenTurn:
        verdict = row["verdict"]
        if verdict == "in_progress":
            raise TurnInProgress(
                "Another turn of this conversation is being answered. Wait for it, or stop it.",
                turn_id=str(row["streaming_turn_id"]),
            )
        if verdict == "no_parent":
            raise NotFound
        if verdict == "repeated":
            _require_same_request(row["same_digest"], new)
        return OpenTurn(
            id=row["same_id"] if verdict == "repeated" else values["turn_id"],
            user_id=user_id,
            conversation_id=new.conversation_id,
            parent_id=row["parent_id"],
            position=row["position"],
            content=row["prompt"],
            system_prompt=row["system_prompt"],
            model=row["model"],
            params=object_of(row["params"]),
            sibling_count=row["sibling_count"],
            created_at=values["now"],
            earlier=_earlier(row),
            is_replay=verdict == "repeated",
            items=row["prompt_items"],
            continues=bool(row["continues"]),
            tools=new.tools,
        )

    async def joined(self, user_id: UUID, new: NewTurn) -> OpenTurn | None:
        """Return the turn that an earlier request with the same idempotency key began.

        Raises:
            IdempotencyKeyReused: that was another request.
        """
        if new.idempotency_key is None:
            return None
        row = await self.database.row(
            statements.TURN_BY_KEY,
            user_id=user_id,
            conversation_id=new.conversation_id,
            idempotency_key=new.idempotency_key,
        )
        if row is None:
            return None
        _require_same_request(row["request_digest"], new)
        return OpenTurn(
            id=row["id"],
            user_id=user_id,
            conversation_id=new.conversation_id,
            content=new.content or "",
            created_at=row["created_at"],
            is_replay=True,
        )

    async def end(self, begun: OpenTurn, outcome: Outcome) -> Mapping[str, Any] | None:
        """Keep how the turn ended; None where another replica took it over, or where it was deleted."""
        ended = await self._end(begun, begun.user_id, outcome)
        if ended is None and (owner := await self._owner(begun.id)) is not None:
            ended = await self._end(begun, owner, outcome)
        return ended

    async def _end(self, begun: OpenTurn, user_id: UUID, outcome: Outcome) -> Mapping[str, Any] | None:
        return await self.database.row(
            statements.END_TURN,
            user_id=user_id,
            conversation_id=begun.conversation_id,
            turn_id=begun.id,
            replica_id=self.replica.id,
            now=self.clock(),
            # A server may have to be asked before its first model's name is known.
            default_model=self.model.default_name,
            offered_models=self.offered_models(),
            lexemes=await lexemes_of_turn(user_id, begun.content, outcome.reply),
            first_text_ms=outcome.first_text_ms,
            **{name: getattr(outcome, name) for name in statements.OUTCOME},
        )

    async def owners(self, turn_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return whose these turns are now, of those that this replica still generates.

        A guest who signs in takes their turns along to the account, also the one that is being answered.
        """
        if not turn_ids:
            return {}
        rows = await self.database.rows(queries.OWNERS, replica_id=self.replica.id, turn_ids=list(turn_ids))
        return {row["id"]: row["user_id"] for row in rows}

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
            "replica_id": self.replica.id,
        }
        while True:
            try:
                rows = await self.database.rows(statements.FLUSH, **values)
            except asyncpg.ForeignKeyViolationError:
                continue  # a turn was deleted in this moment; now it can be seen
            return {row["id"]: row["stop_requested"] for row in rows}

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
        if row is None:
            return None
        if row["status"] == "streaming":
            fragments = map(ReplySpan, row["positions"] or (), row["kinds"] or (), row["texts"] or ())
            return Written(list(between(fragments, start, start + most)), ended=False)
        if row["items"] is None:
            rest = row["rest"] or ""
            return Written([ReplySpan(start, None, rest)] if rest else [], ended=True)
        kept = stretches_of(row["reply"] or "", row["items"])
        return Written(list(between(kept, start, LAST_POSITION)), ended=True, whole=True)

    async def request_stop(self, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> bool:
        """Ask for a turn's end, wherever it is generated; False where it does not stream (any more)."""
        row = await self.database.row(
            statements.REQUEST_STOP, user_id=user_id, conversation_id=conversation_id, turn_id=turn_id
        )
        return row is not None


def _require_same_request(digest: bytes | None, new: NewTurn) -> None:
    if digest != new.digest():
        raise IdempotencyKeyReused("This Idempotency-Key was used for another request. Take a new one.")


def _earlier(row: Mapping[str, Any]) -> tuple[EarlierTurn, ...]:
    columns = [row[f"earlier_{name}"] or () for name in EARLIER]
    return tuple(
        EarlierTurn(prompt, reply, prompt_items, reply_items, bool(continues))
        for prompt, reply, prompt_items, reply_items, continues in zip(*columns, strict=True)
    )
