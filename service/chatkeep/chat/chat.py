"""The parts of a chat that a turn needs, put together once when the service starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from chatkeep.accounts.identity import Identity
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.generation.registry import GenerationRegistry
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.handler import RequestHandler
from chatkeep.chat.history.conversations import CREATE_CONVERSATION
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.history.turn import NewTurn, OpenTurn
from chatkeep.chat.models import LanguageModel
from chatkeep.chat.schemas import Turn
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.errors import NotAuthenticated, TooManyGenerations
from chatkeep.http.open_streams import OpenStreams


@dataclass(frozen=True, slots=True)
class Chat:
    """The parts.

    Args:
        streams: the open answers of this process.
        flush_seconds: how often replies are written down, and so how often to look for more.
    """

    database: Database
    handler: RequestHandler
    turn_store: TurnStore
    files: FileStore
    generations: GenerationRegistry
    clock: Clock
    streams: OpenStreams
    flush_seconds: float

    async def take_turn(self, identity: Identity, new: NewTurn, model: LanguageModel | None = None) -> TurnStream:
        """Keep a new turn and begin to answer it, or join the one that has the same idempotency key.

        Args:
            model: answers this turn; None for the service's.

        Raises:
            TooManyGenerations: nothing was stored. Joining needs no place, so a retry is not refused.
            NotFound, TurnInProgress, IdempotencyKeyReused, DatabaseUnavailable: as `TurnStore.begin`.
        """
        try:
            with self.generations.reserve(identity.user_id, is_guest=identity.is_guest) as start:
                begun = await self.handler.begin_turn(identity, new)
                if not begun.is_replay:
                    return TurnStream(begun, start(begun, self.handler, model), self.turn_store, self.flush_seconds)
        except TooManyGenerations:
            joined = await self.turn_store.joined(identity.user_id, new)
            if joined is None:
                raise
            begun = joined
        return self._following(begun)

    async def begin_conversation(self, identity: Identity, conversation_id: UUID, metadata: Mapping[str, Any]) -> bool:
        """Begin a conversation that has no title yet; False where the user has one of that id.

        Raises:
            NotAuthenticated: the account has just been deleted.
        """
        try:
            await self.database.row(
                CREATE_CONVERSATION,
                user_id=identity.user_id,
                conversation_id=conversation_id,
                title=None,
                system_prompt=None,
                model=None,
                params={},
                extra=metadata,
                now=self.clock(),
            )
        except asyncpg.ForeignKeyViolationError:
            raise NotAuthenticated("This account has just been deleted.") from None
        except asyncpg.UniqueViolationError:
            return False
        return True

    def follow(self, user_id: UUID, turn: Turn) -> TurnStream:
        """Follow a turn that somebody else asked for, from this process's memory or from the database."""
        return self._following(
            OpenTurn(
                id=turn.id,
                user_id=user_id,
                conversation_id=turn.conversation_id,
                content="",  # not held: a prompt may have megabytes, and a client may follow for minutes
                created_at=turn.created_at,
                is_replay=True,
            )
        )

    async def stop_turn(self, user_id: UUID, conversation_id: UUID, turn_id: UUID) -> None:
        """End a generation wherever it runs: here at once, elsewhere with that process's next flush."""
        asked = await self.turn_store.request_stop(user_id, conversation_id, turn_id)
        generation = self.generations.by_turn(turn_id)
        if asked and generation is not None:
            generation.cancel("stopped")

    def _following(self, begun: OpenTurn) -> TurnStream:
        return TurnStream(begun, self.generations.by_turn(begun.id), self.turn_store, self.flush_seconds)
