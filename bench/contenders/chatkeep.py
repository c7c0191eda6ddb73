"""The service's own way to keep a turn, with what its background does about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from bench.contenders.contender import LIST_LENGTH, PAGE_TURNS, Place
from chatkeep.app.maintenance import count
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.generation.worker import INDEX_ENDED_SECONDS
from chatkeep.chat.history import conversations
from chatkeep.chat.history.pages import turns_up
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.models import DemonstrationModel
from chatkeep.chat.search.indexer import index_ended
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.database.priority import Priority, with_priority
from chatkeep.ids import new_id
from chatkeep.periodic import run_every

CONTEXT_TOKENS = 8192
# The least there is: one turn.
NO_CONTEXT = 1


class Chatkeep:
    """The service's turn store as requests use it, without HTTP and without a model."""

    name = "chatkeep"

    def __init__(self, database: Database, store: TurnStore) -> None:
        self.database = database
        self.store = store

    async def begin(self, place: Place, prompt: str, context_tokens: int = NO_CONTEXT) -> OpenTurn:
        new = NewTurn(place.conversation_id, prompt)
        with with_priority(Priority.NEW_TURN):
            return await self.store.begin(place.user_id, new, context_tokens=context_tokens)

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self.end(await self.begin(place, prompt), reply)

    async def add_turn_with_context(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self.end(await self.begin(place, prompt, CONTEXT_TOKENS), reply)

    async def end(self, turn: OpenTurn, reply: str) -> None:
        with with_priority(Priority.FINISH_TURN):
            await self.store.end(turn, Outcome("complete", reply, input_tokens=7, output_tokens=90))

    async def last_turns(self, task: int, place: Place) -> int:
        page = await turns_up(self.database, place.user_id, place.conversation_id, start_id=None, limit=PAGE_TURNS)
        return len(page.turns)

    async def list_conversations(self, task: int, user_id: UUID) -> int:
        after = {"after_time": conversations.NEWEST_TIME, "after_id": conversations.NEWEST_ID}
        rows = await self.database.rows(
            conversations.LIST_CONVERSATIONS, user_id=user_id, limit=LIST_LENGTH, archived=None, pinned=None, **after
        )
        return len(rows)

    async def new_conversation(self, user_id: UUID) -> Place:
        place = Place(user_id, new_id())
        await self.database.row(
            conversations.CREATE_CONVERSATION,
            user_id=user_id,
            conversation_id=place.conversation_id,
            title=None,
            system_prompt=None,
            model=None,
            params={},
            extra={},
            now=utc_now(),
        )
        return place

    async def index(self) -> None:
        await index_ended(self.database, self.store.ended_turns.take())

    async def settle(self) -> None:
        """Make the turns findable, and count them."""
        await self.index()
        await count(self.database)


@asynccontextmanager
async def chatkeep(url: str) -> AsyncIterator[Chatkeep]:
    """Open the service's turn store as the service does, with as many connections."""
    size = Settings.model_fields["database_pool_size"].default
    database = await Database.connect(url, pool_size=size, must_write=True)
    replica = Replica(database, utc_now, lease_seconds=600)
    store = TurnStore(database, utc_now, replica_id=replica.id, model=DemonstrationModel())
    await replica.renew_lease()
    ours = Chatkeep(database, store)
    indexing = asyncio.create_task(run_every(INDEX_ENDED_SECONDS, ours.index, name="index"))
    try:
        yield ours
    finally:
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
        await replica.release_lease()
        await database.close()
