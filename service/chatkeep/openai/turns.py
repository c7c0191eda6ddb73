"""Turns as this API begins and finds them."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select

from chatkeep.accounts.identity import Identity
from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.conversations import delete_conversation
from chatkeep.chat.history.turn import NewTurn
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.database.stored_json import object_of
from chatkeep.database.tables import conversations
from chatkeep.errors import ChatkeepError, NotFound
from chatkeep.ids import id_of, new_id
from chatkeep.openai.queries import API_TURN, KEEP_API_TURN
from chatkeep.openai.response import KeptResponse

# The metadata of a conversation that this API began, by which a page can tell it.
ORIGIN = {"origin": "api"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request as it is kept beside its turn; see `chatkeep.database.tables.api_turns`."""

    said: Mapping[str, Any] = field(default_factory=dict)
    path_digest: bytes | None = None
    prompt_digest: bytes | None = None


async def require_kept(database: Database, user_id: UUID, turn_id: UUID) -> KeptResponse:
    """Return a turn of the user's, and what its request said.

    Raises:
        NotFound: there is none.
    """
    row = await database.row(API_TURN, user_id=user_id, turn_id=turn_id)
    request = object_of(row.request) if row else {}
    if row is None or request.get("deleted"):
        raise NotFound
    return KeptResponse(Turn.from_record(row), request)


async def begin_conversation(
    chat: Chat, identity: Identity, conversation_id: UUID, metadata: Mapping[str, Any] | None = None
) -> bool:
    """Begin a conversation of this API's. Returns, raises: as `Chat.begin_conversation`."""
    return await chat.begin_conversation(identity, conversation_id, {**(metadata or {}), **ORIGIN})


async def take_turn(chat: Chat, identity: Identity, new: NewTurn, request: ApiRequest) -> TurnStream:
    """Keep a turn with its request, and begin to answer it. Raises: as `Chat.take_turn`."""
    following = await chat.take_turn(identity, new)
    if following.begun.is_replay:
        return following
    try:
        await keep_request(chat.database, identity.user_id, following.begun.id, request)
    except ChatkeepError:
        if following.generation is not None:
            following.generation.cancel("stopped")  # nobody will be told of it
        raise
    return following


async def keep_request(database: Database, user_id: UUID, turn_id: UUID, request: ApiRequest) -> None:
    """Keep what a request said beside its turn.

    Raises:
        NotFound: the turn was deleted in this moment.
    """
    try:
        await database.execute(
            KEEP_API_TURN,
            user_id=user_id,
            turn_id=turn_id,
            request=dict(request.said),
            path_digest=request.path_digest,
            prompt_digest=request.prompt_digest,
        )
    except asyncpg.ForeignKeyViolationError:
        raise NotFound from None


async def take_first_turn(chat: Chat, identity: Identity, new: NewTurn, request: ApiRequest) -> TurnStream:
    """Begin a conversation with a turn; where the turn is refused, there is no conversation either.

    With an idempotency key the conversation's id is made of the key, so that a retry finds it.
    """
    key = new.idempotency_key
    conversation_id = new_id() if key is None else _id_of_key(identity.user_id, key)
    async with new_conversation(chat, identity, conversation_id, ORIGIN):
        return await take_turn(chat, identity, replace(new, conversation_id=conversation_id), request)


@asynccontextmanager
async def new_conversation(
    chat: Chat, identity: Identity, conversation_id: UUID, metadata: Mapping[str, Any]
) -> AsyncIterator[None]:
    """Begin a conversation for the first turn, which the block takes; where it is refused, there is none either."""
    is_new = await chat.begin_conversation(identity, conversation_id, metadata)
    try:
        yield
    except ChatkeepError:
        if is_new:
            await _delete_if_empty(chat.database, identity.user_id, conversation_id)
        raise


def _id_of_key(user_id: UUID, key: str) -> UUID:
    return id_of(hashlib.sha256(user_id.bytes + key.encode()).digest())


async def _delete_if_empty(database: Database, user_id: UUID, conversation_id: UUID) -> None:
    c = conversations.c
    empty = select(c.id).where(c.user_id == user_id, c.id == conversation_id, c.head_turn_id.is_(None))
    async with database.transaction() as connection:
        if (await connection.execute(empty.with_for_update())).first() is not None:
            await delete_conversation(connection, user_id, conversation_id)
