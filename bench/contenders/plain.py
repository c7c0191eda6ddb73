"""The bare driver on a plain schema: with a commit each for prompt and reply, and with one for both."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from bench import plain_schema
from bench.contenders.contender import CONNECTIONS, CONTEXT_MESSAGES, LIST_LENGTH, PAGE_TURNS, Place
from bench.databases import Connection
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.ids import new_id


class TwoCommits:
    """Prompt row and commit, reply row and commit, the conversation's counter in the same: the fair limit."""

    name = "plain, two commits"

    def __init__(self, connections: Sequence["Connection[Any]"]) -> None:
        self.connections = connections

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self._add(task, place, "user", prompt)
        await self._add(task, place, "assistant", reply)

    async def add_turn_with_context(self, task: int, place: Place, prompt: str, reply: str) -> None:
        await self._add(task, place, "user", prompt)
        await self.connections[task].fetch(plain_schema.LAST_MESSAGES, place.conversation_id, CONTEXT_MESSAGES)
        await self._add(task, place, "assistant", reply)

    async def _add(self, task: int, place: Place, role: str, content: str) -> None:
        await self.connections[task].execute(
            plain_schema.ADD_MESSAGE, *(new_id(), place.conversation_id, role, content)
        )

    async def last_turns(self, task: int, place: Place) -> int:
        messages = PAGE_TURNS * 2
        rows = await self.connections[task].fetch(plain_schema.LAST_MESSAGES, place.conversation_id, messages)
        return len(rows) // 2

    async def list_conversations(self, task: int, user_id: UUID) -> int:
        return len(await self.connections[task].fetch(plain_schema.LIST_CONVERSATIONS, user_id, LIST_LENGTH))

    async def settle(self) -> None:
        return


class OneStatement:
    """A whole turn in one statement and one commit: the limit, which keeps no prompt before there is a reply."""

    name = "plain, one statement"

    def __init__(self, connections: Sequence["Connection[Any]"]) -> None:
        self.connections = connections

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        ids = (new_id(), place.conversation_id, new_id())
        await self.connections[task].execute(plain_schema.ADD_TURN, *ids, prompt, reply)

    async def settle(self) -> None:
        return


@asynccontextmanager
async def connections(url: str) -> AsyncIterator[list["Connection[Any]"]]:
    """Open a connection for each task."""
    opened: list[Connection[Any]] = []
    try:
        for _ in range(CONNECTIONS):
            opened.append(await open_connection(DatabaseAddress.parse(url)))  # noqa: PERF401  closed also in part
        yield opened
    finally:
        for each in opened:
            await each.close()
