"""Database work of a turn, of reading, of writing down, beside the bare driver on the same rows."""

import json
import random
import statistics
from typing import Any
from uuid import UUID

import asyncpg

from bench.measuring import Figure, compared, paired, seconds_of
from service.chat import queries
from service.chat.models import DemonstrationModel
from service.chat.paths import turns_up
from service.chat.turn_log import Fragment, TurnLog
from service.chat.turns import NewTurn, Outcome
from service.clock import utc_now
from service.database.database import Database
from service.ids import new_id

TURNS_A_ROUND = 150
REPLY = "It is a truth universally acknowledged. " * 12

_BARE_TURN = """
WITH kept AS (
  INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, model, params,
                     created_at, completed_at)
  VALUES ($1, $2, $3, $4, $5, 'complete', $6, $7, 'demonstration', '{}', now(), now())
), moved AS (
  UPDATE conversations SET head_turn_id = $2, turn_count = turn_count + 1, updated_at = now(), last_turn_at = now()
  WHERE user_id = $1 AND id = $3
)
UPDATE user_activity SET turn_count = turn_count + 1 WHERE user_id = $1"""

_BARE_TURNS = """SELECT * FROM turns WHERE user_id = $1 AND conversation_id = $2 ORDER BY position DESC LIMIT 50"""
_BARE_CONVERSATIONS = """SELECT * FROM conversations WHERE user_id = $1 ORDER BY last_turn_at DESC, id DESC LIMIT 30"""


class Statements:
    """One database with history, one bare connection to it, and the service's own way."""

    def __init__(self, database: Database, bare: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.database = database
        self.bare = bare
        self.log = TurnLog(database, utc_now, model=DemonstrationModel(), lease_seconds=600)
        self.chance = random.Random(11)
        self.places: list[Any] = []

    async def prepare(self) -> None:
        await self.log.renew_lease()
        self.places = await self.bare.fetch(
            "SELECT user_id, id, head_turn_id, turn_count FROM conversations ORDER BY md5(id::text) LIMIT 3000"
        )

    async def turn(self) -> Figure:
        """Begin and end of a turn, beside all of its rows in one statement."""
        rounds = iter([self.places[n : n + TURNS_A_ROUND] for n in range(0, len(self.places), TURNS_A_ROUND)])

        async def ours() -> None:
            for place in next(rounds):
                begun = await self.log.begin(place["user_id"], NewTurn(place["id"], "What next?"), context_tokens=8192)
                await self.log.end(begun, Outcome("complete", REPLY))

        async def bare() -> None:
            for place in next(rounds):
                await self.bare.execute(
                    _BARE_TURN,
                    *(place["user_id"], new_id(), place["id"], place["head_turn_id"], place["turn_count"]),
                    *("What next?", REPLY),
                )

        return compared("a turn's database work", 1.5, await paired(ours, bare), TURNS_A_ROUND)

    async def last_turns(self) -> Figure:
        """The last 50 turns of a conversation of 200."""
        user_id, conversation_id = await self._long_conversation(200)

        async def ours() -> None:
            for _ in range(100):
                await turns_up(self.database, user_id, conversation_id, start_id=None, limit=50)

        async def bare() -> None:
            for _ in range(100):
                await self.bare.fetch(_BARE_TURNS, user_id, conversation_id)

        return compared("last 50 turns", 1.6, await paired(ours, bare), 100)

    async def conversations(self) -> Figure:
        """The newest 30 conversations of a user who has 60."""
        user_id = self.places[0]["user_id"]
        for _ in range(40):
            await self._new_conversation(user_id)
        values = {"user_id": user_id, "after_time": queries.NEWEST_TIME, "after_id": queries.NEWEST_ID, "limit": 30}

        async def ours() -> None:
            for _ in range(200):
                await self.database.rows(queries.LIST_CONVERSATIONS, **values)

        async def bare() -> None:
            for _ in range(200):
                await self.bare.fetch(_BARE_CONVERSATIONS, user_id)

        return compared("30 conversations", 1.6, await paired(ours, bare), 200)

    async def length(self) -> Figure:
        """A turn added to a conversation of 100,000 turns, beside one of ten; and to one of 1,000."""
        ten, thousand, most = [await self._long_conversation(n) for n in (10, 1_000, 100_000)]

        async def add(place: tuple[UUID, UUID]) -> None:
            for _ in range(100):
                begun = await self.log.begin(place[0], NewTurn(place[1], "What next?"), context_tokens=8192)
                await self.log.end(begun, Outcome("complete", REPLY))

        for place in (ten, thousand, most):
            await add(place)  # the context is full from here on
        middle, _, _ = await paired(lambda: add(thousand), lambda: add(ten))
        found = await paired(lambda: add(most), lambda: add(ten))
        figure = compared("a turn at 100,000 beside one at 10", 1.1, found, 100)
        return Figure(figure.name, figure.value, figure.bar, detail=f"{figure.detail}; at 1,000: {middle:.2f}x")

    async def flush(self) -> list[Figure]:
        """One write of many generations' new text."""
        figures = []
        for many in (1, 100, 1_000):
            begun = [
                await self.log.begin(place["user_id"], NewTurn(place["id"], "?"), context_tokens=300)
                for place in self.places[-many:]
            ]
            times = []
            for number in range(12):
                fragments = [Fragment(each.user_id, each.id, number * 24, "four words of text here ") for each in begun]
                times.append(await seconds_of(lambda fragments=fragments: self._flush(fragments)))  # type: ignore[misc]
            for each in begun:
                await self.log.end(each, Outcome("complete", "x"))
            bar = 50.0 if many == 1_000 else float("inf")
            figures.append(Figure(f"writing down {many:,} replies", statistics.median(times[2:]) * 1e3, bar, "ms"))
        return figures

    async def _flush(self, fragments: list[Fragment]) -> None:
        await self.log.flush(fragments)

    async def _new_conversation(self, user_id: UUID) -> UUID:
        conversation_id = new_id()
        await self.database.row(
            queries.CREATE_CONVERSATION,
            user_id=user_id,
            conversation_id=conversation_id,
            params={},
            extra={},
            now=utc_now(),
        )
        return conversation_id

    async def _long_conversation(self, length: int) -> tuple[UUID, UUID]:
        user_id = self.chance.choice(self.places)["user_id"]
        conversation_id = await self._new_conversation(user_id)
        ids = [new_id() for _ in range(length)]
        await self.bare.copy_records_to_table(
            "turns",
            records=[
                (
                    user_id,
                    each,
                    conversation_id,
                    ids[n - 1] if n else None,
                    n,
                    "complete",
                    f"Question {n}?",
                    REPLY,
                    utc_now(),
                )
                for n, each in enumerate(ids)
            ],
            columns=[
                *("user_id", "id", "conversation_id", "parent_id", "position", "status", "prompt", "reply"),
                "created_at",
            ],
        )
        await self.bare.execute(
            "UPDATE conversations SET head_turn_id = $2, turn_count = $3 WHERE id = $1",
            *(conversation_id, ids[-1], length),
        )
        return user_id, conversation_id


async def bare_connection(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(url)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    return connection
