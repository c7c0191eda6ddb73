"""Both ways to one filled database: the service's own, and a bare connection."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bench.bulk_data import WORDS, Connection, copy_turns, path_of
from bench.measurements import Effort
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.history import conversations
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.models import DemonstrationModel
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.ids import new_id

MAX_PLACES = 4_000
YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation with turns."""

    user_id: UUID
    conversation_id: UUID
    head_turn_id: UUID
    length: int


@dataclass(frozen=True, slots=True)
class Both:
    """The service's database and turn log, and a connection that knows nothing of them.

    Args:
        places: conversations from all over the database, in no order.
    """

    effort: Effort
    database: Database
    bare: "Connection[Any]"
    log: TurnStore
    places: Sequence[Place]

    @asynccontextmanager
    async def conversation(self, length: int) -> AsyncIterator[Place]:
        """Make a conversation of `length` turns, and delete it in the end."""
        chance = random.Random(length)
        user_id = chance.choice(self.places).user_id
        conversation_id = await self.new_conversation(user_id)
        path = list(path_of(user_id, conversation_id, length, YEAR, chance, " ".join(chance.choices(WORDS, k=20_000))))
        await copy_turns(self.bare, path)
        place = Place(user_id, conversation_id, path[-1][1], length)
        await self.cut_back(place)
        await self.bare.execute("ANALYZE turns")
        try:
            yield place
        finally:
            async with self.database.transaction() as connection:
                await conversations.delete_conversation(connection, user_id, conversation_id)

    async def new_conversation(self, user_id: UUID) -> UUID:
        conversation_id = new_id()
        values = {"params": {}, "extra": {}, "now": utc_now()}
        await self.database.row(
            conversations.CREATE_CONVERSATION, user_id=user_id, conversation_id=conversation_id, **values
        )
        return conversation_id

    async def cut_back(self, place: Place) -> None:
        """Take away what was added to a conversation."""
        await self.bare.execute(
            "DELETE FROM turns WHERE user_id = $1 AND conversation_id = $2 AND position >= $3",
            *(place.user_id, place.conversation_id, place.length),
        )
        await self.bare.execute(
            "UPDATE conversations SET head_turn_id = $3, turn_count = $4 WHERE user_id = $1 AND id = $2",
            *(place.user_id, place.conversation_id, place.head_turn_id, place.length),
        )


@asynccontextmanager
async def both_sides(url: str, effort: Effort) -> AsyncIterator[Both]:
    database = await Database.connect(url)
    bare = await bare_connection(url)
    replica = Replica(database, utc_now, lease_seconds=600)
    log = TurnStore(database, utc_now, replica_id=replica.id, model=DemonstrationModel())
    await replica.renew_lease()
    try:
        yield Both(effort, database, bare, log, await _places(bare))
    finally:
        await replica.release_lease()
        await bare.close()
        await database.close()


async def bare_connection(url: str) -> "Connection[Any]":
    connection: Connection[Any] = await open_connection(DatabaseAddress.parse(url))
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    return connection


async def _places(connection: "Connection[Any]") -> list[Place]:
    rows = await connection.fetch(
        "SELECT user_id, id, head_turn_id, turn_count FROM conversations WHERE streaming_turn_id IS NULL"
        " ORDER BY md5(id::text) LIMIT $1",
        MAX_PLACES,
    )
    return [Place(*row) for row in rows]
