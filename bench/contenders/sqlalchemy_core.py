"""SQLAlchemy Core on the plain schema, tuned: statements are built once, and no connection is reset."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.contenders.contender import CONNECTIONS, CONTEXT_MESSAGES, LIST_LENGTH, PAGE_TURNS, Place
from bench.plain_schema import SCHEMA
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.ids import new_id

_metadata = MetaData(schema=SCHEMA)
_conversations = Table(
    "conversations",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid),
    Column("title", Text),
    Column("message_count", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
_messages = Table(
    "messages",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("conversation_id", Uuid),
    Column("role", Text),
    Column("content", Text),
    Column("created_at", DateTime(timezone=True)),
)
_c, _m = _conversations.c, _messages.c
_kept = (
    insert(_messages)
    .values({name: bindparam(f"new_{name}") for name in ("id", "conversation_id", "role", "content")})
    .returning(_m.conversation_id)
    .cte("kept")
)
ADD_MESSAGE = (
    update(_conversations)
    .where(_c.id == _kept.c.conversation_id)
    .values(message_count=_c.message_count + 1, updated_at=func.now())
)
LAST_MESSAGES = (
    select(_messages)
    .where(_m.conversation_id == bindparam("conversation_id"))
    .order_by(_m.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
LIST_CONVERSATIONS = (
    select(_conversations)
    .where(_c.user_id == bindparam("user_id"))
    .order_by(_c.updated_at.desc(), _c.id.desc())
    .limit(bindparam("limit", type_=Integer))
)


class SqlalchemyCore:
    name = "SQLAlchemy Core"

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self._add(place, "user", prompt)
        await self._add(place, "assistant", reply)

    async def add_turn_with_context(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self._add(place, "user", prompt)
        await self._fetch(LAST_MESSAGES, conversation_id=place.conversation_id, limit=CONTEXT_MESSAGES)
        await self._add(place, "assistant", reply)

    async def last_turns(self, task: int, place: Place) -> int:
        found = await self._fetch(LAST_MESSAGES, conversation_id=place.conversation_id, limit=PAGE_TURNS * 2)
        return found // 2

    async def list_conversations(self, task: int, user_id: UUID) -> int:
        return await self._fetch(LIST_CONVERSATIONS, user_id=user_id, limit=LIST_LENGTH)

    async def settle(self) -> None:
        return

    async def _add(self, place: Place, role: str, content: str) -> None:
        values = {
            "new_id": new_id(),
            "new_conversation_id": place.conversation_id,
            "new_role": role,
            "new_content": content,
        }
        async with self.engine.connect() as connection:
            await connection.execute(ADD_MESSAGE, values)

    async def _fetch(self, statement: Any, **values: object) -> int:
        async with self.engine.connect() as connection:
            return len((await connection.execute(statement, values)).all())


@asynccontextmanager
async def sqlalchemy_core(url: str) -> AsyncIterator[SqlalchemyCore]:
    address = DatabaseAddress.parse(url)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: open_connection(address),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )
    try:
        yield SqlalchemyCore(engine)
    finally:
        await engine.dispose()
