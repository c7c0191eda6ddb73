"""What every contender does, and where."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg

from bench.databases import Connection

CONVERSATIONS = 4_000
CONTEXT_MESSAGES = 50
PAGE_TURNS = 50
LIST_LENGTH = 30
# What the library and the drivers have each; the service opens as many as it is set to by default.
CONNECTIONS = 16

# Those that other cases make over HTTP have another user in the plain tables.
FILLED = """
SELECT user_id, id FROM conversations JOIN bench.conversations AS plain USING (user_id, id)
WHERE turn_count >= $1 ORDER BY id"""


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation with turns, in the service's tables and in the plain ones."""

    user_id: UUID
    conversation_id: UUID


class Contender(Protocol):
    """One that keeps turns. Of `task` there are at most `CONNECTIONS`, and each does one thing at a time."""

    name: str

    async def add_turn(self, task: int, place: Place, prompt: str, reply: str) -> None:
        """Keep the prompt, and then the reply."""

    async def settle(self) -> None:
        """Do what was left for later."""


class Reader(Contender, Protocol):
    """One that also reads back what it keeps."""

    async def add_turn_with_context(self, task: int, place: Place, prompt: str, reply: str) -> None:
        """Keep the prompt, read what a model has to know, and keep the reply."""

    async def last_turns(self, task: int, place: Place) -> int:
        """Read the last `PAGE_TURNS` turns, and return how many there were."""

    async def list_conversations(self, task: int, user_id: UUID) -> int:
        """Read the newest `LIST_LENGTH` conversations, and return how many there were."""


async def places(connection: "Connection[asyncpg.Record]", *, min_turns: int = 0) -> list[Place]:
    """Return conversations from all over the filling, in no order, the same on every run."""
    rows = await connection.fetch(FILLED, min_turns)
    found = [Place(*row) for row in rows]
    return random.Random(3).sample(found, min(CONVERSATIONS, len(found)))


def of_task(places: Sequence[Place], task: int, tasks: int, number: int) -> Place:
    """Return the place of a task's piece of work: no two tasks ever have the same."""
    own = places[task::tasks]
    return own[number % len(own)]
