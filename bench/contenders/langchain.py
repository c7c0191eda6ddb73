"""langchain-postgres as its documentation shows it: a connection of psycopg, and a commit for each message."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from bench.contenders.contender import CONNECTIONS, Place
from bench.databases import bare_connection
from bench.plain_schema import SCHEMA

TABLE = "langchain_messages"
# The same messages as in the plain tables, in the form that the library gives them.
COPY = f"""
INSERT INTO {SCHEMA}.{TABLE} (session_id, message, created_at)
SELECT conversation_id,
       jsonb_set(CASE role WHEN 'user' THEN $1::jsonb ELSE $2::jsonb END, '{{data,content}}', to_jsonb(content)),
       created_at
FROM {SCHEMA}.messages ORDER BY id"""
COPY_SECONDS = 3600


class Langchain:
    """`PostgresChatMessageHistory`, which keeps messages alone: no conversation has a counter or a title."""

    name = "langchain-postgres"

    def __init__(self, connections: Sequence[Any]) -> None:
        self.connections = connections

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        from langchain_core.messages import AIMessage, HumanMessage  # noqa: PLC0415  not everywhere installed

        history = self._history(task, place.conversation_id)
        await history.aadd_messages([HumanMessage(prompt)])
        await history.aadd_messages([AIMessage(reply)])

    async def settle(self) -> None:
        return

    def _history(self, task: int, conversation_id: UUID) -> Any:
        from langchain_postgres import PostgresChatMessageHistory  # noqa: PLC0415  not everywhere installed

        return PostgresChatMessageHistory(TABLE, str(conversation_id), async_connection=self.connections[task])


def is_installed() -> bool:
    return find_spec("langchain_postgres") is not None


@asynccontextmanager
async def langchain(url: str) -> AsyncIterator[Langchain]:
    """Open its connections, and fill its table unless that is done."""
    from psycopg import AsyncConnection  # noqa: PLC0415  not everywhere installed

    async with AsyncExitStack() as stack:
        connections: list[Any] = []
        for _ in range(CONNECTIONS):
            connection = await AsyncConnection.connect(url, options=f"-c search_path={SCHEMA}")
            stack.push_async_callback(connection.close)
            connections.append(connection)
        await _fill(url, connections[0])
        yield Langchain(connections)


async def _fill(url: str, own: Any) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, message_to_dict  # noqa: PLC0415
    from langchain_postgres import PostgresChatMessageHistory  # noqa: PLC0415

    await PostgresChatMessageHistory.acreate_tables(own, TABLE)
    async with bare_connection(url) as connection:
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {SCHEMA}.{TABLE})"):
            return
        forms = (json.dumps(message_to_dict(each)) for each in (HumanMessage(""), AIMessage("")))
        await connection.execute(COPY, *forms, timeout=COPY_SECONDS)
        await connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{TABLE}", timeout=COPY_SECONDS)
