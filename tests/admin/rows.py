"""Histories written straight into the tables, so that a test knows every column of every turn."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from chatkeep.accounts.usernames import character_pairs, username_key
from chatkeep.chat.search.lexemes import VERSION, lexemes_of_turn
from tests.support.urls import driver_url

BEGINNING = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
# What the service keeps beside turns that run, and that ended in an unusual way.
NARROW = (
    (
        "status = 'streaming'",
        "unsettled_turns",
        "user_id, id, conversation_id, (SELECT id FROM replicas WHERE machine = 'another')",
    ),
    ("status NOT IN ('streaming', 'complete')", "unusual_turns", "user_id, id, status"),
)
STATUSES = ("complete", "complete", "complete", "stopped", "failed", "interrupted", "streaming")
MODELS = ("llama3.2", "qwen3", "モデル", None)


def id_made_at(time: datetime, chance: random.Random) -> UUID:
    """Return a UUIDv7 of a moment, as RFC 9562 has it."""
    milliseconds = int(time.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | chance.getrandbits(12) << 64 | 0b10 << 62 | chance.getrandbits(62))


@dataclass(frozen=True)
class KeptTurn:
    """A turn as it is in the table, with what its user and its conversation are called."""

    user_id: UUID
    id: UUID
    conversation_id: UUID
    position: int
    status: str
    prompt: str
    reply: str | None
    model: str | None
    rating: int | None
    created_at: datetime
    parent_id: UUID | None = None
    username: str = ""
    conversation_title: str | None = None

    def row(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in COLUMNS)


COLUMNS = [field.name for field in fields(KeptTurn) if field.name not in ("username", "conversation_title")]


def some_turns(chance: random.Random, *, users: int = 5, conversations: int = 4, turns: int = 400) -> list[KeptTurn]:
    """Return turns of several users, some of one moment, a few of one millisecond and a few at the same microsecond."""
    names = [f"Ännä-{number}" for number in range(users)]
    user_ids = [id_made_at(BEGINNING - timedelta(days=2, seconds=-number), chance) for number in range(users)]
    owners = [chance.randrange(users) for _ in range(users * conversations)]
    conversation_ids = [id_made_at(BEGINNING - timedelta(days=1, seconds=-n), chance) for n in range(len(owners))]
    heads: dict[int, tuple[UUID, int]] = {}
    made: list[KeptTurn] = []
    time = BEGINNING
    for number in range(turns):
        time += timedelta(microseconds=chance.choice([0, 0, 1, 17, 999, 1000, 60_000_000, 3_600_000_000]))
        which = chance.randrange(len(owners))
        parent, position = heads.get(which, (None, -1))
        turn = KeptTurn(
            user_id=user_ids[owners[which]],
            # A process that is ahead of its clock, or one that reads it late.
            id=id_made_at(time + timedelta(milliseconds=chance.choice([0, 0, 0, -900, 900])), chance),
            conversation_id=conversation_ids[which],
            position=position + 1,
            status=chance.choice(STATUSES),
            prompt=f"prompt {number}",
            reply=chance.choice([None, "", f"reply {number}"]),
            model=chance.choice(MODELS),
            rating=chance.choice([None, None, None, 1, -1]),
            created_at=time,
            parent_id=parent,
            username=names[owners[which]],
            conversation_title=chance.choice([None, "title"]) if which % 3 else f"会話 {which}",
        )
        heads[which] = (turn.id, position + 1)
        made.append(turn)
    titles = {turn.conversation_id: turn.conversation_title for turn in made}
    return [KeptTurn(**{**vars(turn), "conversation_title": titles[turn.conversation_id]}) for turn in made]


async def keep(database_url: str, turns: Sequence[KeptTurn]) -> None:
    """Write turns, and the users and conversations that they are of."""
    connection = await asyncpg.connect(driver_url(database_url))
    users = {turn.user_id: turn.username for turn in turns}
    conversations = {(turn.user_id, turn.conversation_id): turn for turn in turns}
    try:
        async with connection.transaction():
            await _copy(
                connection,
                "users",
                ("id", "username", "username_key", "created_at", "name_pairs"),
                [(each, name, username_key(name), BEGINNING, character_pairs(name)) for each, name in users.items()],
            )
            await _copy(connection, "user_activity", ("user_id",), [(each,) for each in users])
            await _copy(
                connection,
                "conversations",
                ("user_id", "id", "title", "head_turn_id", "created_at", "updated_at", "last_turn_at"),
                [
                    (user_id, each, turn.conversation_title, turn.id, BEGINNING, BEGINNING, turn.created_at)
                    for (user_id, each), turn in conversations.items()
                ],
            )
            await _copy(connection, "turns", COLUMNS, [turn.row() for turn in turns])
            await connection.execute(
                "INSERT INTO replicas (id, started_at, lease_expires_at, machine)"
                " VALUES (gen_random_uuid(), now(), now() + interval '1 day', 'another')"
            )
            for status, table, columns in NARROW:
                await connection.execute(
                    f"INSERT INTO {table} SELECT {columns} FROM turns WHERE {status} ON CONFLICT DO NOTHING"
                )
            for turn in turns:
                if turn.status != "streaming":
                    await _keep_lexemes(connection, turn)
        # As PostgreSQL does by itself, a minute later: a search goes by how many turns there are.
        await connection.execute("ANALYZE turns")
    finally:
        await connection.close()


async def _keep_lexemes(connection: "asyncpg.Connection[asyncpg.Record]", turn: KeptTurn) -> None:
    await connection.execute(
        "INSERT INTO turn_entries (user_id, turn_id, version, lexemes) VALUES ($1, $2, $3, $4)",
        *(turn.user_id, turn.id, VERSION, lexemes_of_turn(turn.user_id, (turn.prompt, turn.reply))),
    )


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, columns: Iterable[str], rows: list[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(table, columns=list(columns), records=rows)
