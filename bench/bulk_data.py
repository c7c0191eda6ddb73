"""A database with history in it: two million turns by default, the same on every run, made in a few minutes."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

CONVERSATIONS_A_USER = 20
TURNS_A_CONVERSATION = 20
TURNS_A_USER = CONVERSATIONS_A_USER * TURNS_A_CONVERSATION
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
ROWS_A_COPY = 20_000
WORDS = (
    "the",
    "model",
    "said",
    "that",
    "every",
    "turn",
    "of",
    "a",
    "long",
    "conversation",
    "is",
    "kept",
    "and",
    "found",
)
TURN_COLUMNS = (
    *("user_id", "id", "conversation_id", "parent_id", "position", "status", "prompt", "reply", "model"),
    *("input_tokens", "output_tokens", "created_at", "completed_at"),
)

Connection = asyncpg.Connection  # without its type argument, which it does not take at run time


class WrongFilling(Exception):
    """The database holds something else than what was asked for."""


async def fill(connection: "Connection[Any]", turns: int) -> None:
    """Fill a migrated database, unless it is filled already: all of it in one transaction, or nothing.

    Raises:
        WrongFilling: it is filled with another number of turns, or somebody uses it.
    """
    users = max(1, turns // TURNS_A_USER)
    if await connection.fetchval("SELECT to_regclass('bench.filled') IS NOT NULL"):
        found = await connection.fetchval("SELECT turns FROM bench.filled")
        if found != users * TURNS_A_USER:
            raise WrongFilling(f"The database holds {found:,} turns. Ask for --turns {found}, or take another folder.")
        return
    if await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
        raise WrongFilling("The database has users. A benchmark takes a database of its own.")
    async with connection.transaction():
        await connection.execute("CREATE SCHEMA bench")
        await connection.execute(
            "CREATE TABLE bench.turns (id uuid PRIMARY KEY, user_id uuid NOT NULL, prompt text NOT NULL,"
            " reply text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute("CREATE TABLE bench.filled AS SELECT $1::bigint AS turns", users * TURNS_A_USER)
        async with _without_indexes(connection, "conversations", "turns"):
            await _copy(connection, users)
    await connection.execute("VACUUM (ANALYZE)")


@asynccontextmanager
async def _without_indexes(connection: "Connection[Any]", *tables: str) -> AsyncIterator[None]:
    """Take away what would be kept up to date row by row, and make it again as it was."""
    keys = await connection.fetch(
        "SELECT conrelid::regclass::text AS on, conname AS name, pg_get_constraintdef(oid) AS made FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid::regclass::text = ANY($1)",
        tables,
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made FROM pg_index"
        " WHERE indrelid::regclass::text = ANY($1) AND NOT indisprimary",
        tables,
    )
    for key in keys:
        await connection.execute(f"ALTER TABLE {key['on']} DROP CONSTRAINT {key['name']}")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    yield
    for made in _shown([index["made"] for index in indexes], "Indexes"):
        await connection.execute(made)
    for key in keys:
        await connection.execute(f"ALTER TABLE {key['on']} ADD CONSTRAINT {key['name']} {key['made']}")


async def _copy(connection: "Connection[Any]", users: int) -> None:
    chance = random.Random(11)
    text = " ".join(chance.choices(WORDS, k=20_000))
    user_ids = [_id(chance, FIRST_DAY + timedelta(seconds=n)) for n in range(users)]
    names = [f"user{n}" for n in range(users)]
    await connection.copy_records_to_table(
        "users",
        records=[(each, name, name, FIRST_DAY) for each, name in zip(user_ids, names, strict=True)],
        columns=["id", "username", "username_key", "created_at"],
    )
    await connection.copy_records_to_table(
        "user_activity",
        records=[(each, CONVERSATIONS_A_USER, TURNS_A_USER) for each in user_ids],
        columns=["user_id", "conversation_count", "turn_count"],
    )
    users_a_copy = max(1, ROWS_A_COPY // TURNS_A_USER)
    for first in _shown(range(0, users, users_a_copy), "Histories"):
        conversations: list[tuple[Any, ...]] = []
        turns: list[tuple[Any, ...]] = []
        for user_id in user_ids[first : first + users_a_copy]:
            for number in range(CONVERSATIONS_A_USER):
                began = FIRST_DAY + timedelta(seconds=chance.randrange(60_000_000))
                conversation_id = _id(chance, began)
                path = list(path_of(user_id, conversation_id, TURNS_A_CONVERSATION, began, chance, text))
                turns += path
                last = path[-1]
                conversations.append(
                    (user_id, conversation_id, f"Conversation {number}", last[1], len(path), began, last[-1], last[-2])
                )
        await connection.copy_records_to_table(
            "conversations",
            records=conversations,
            columns=[
                *("user_id", "id", "title", "head_turn_id", "turn_count", "created_at", "updated_at", "last_turn_at"),
            ],
        )
        await copy_turns(connection, turns)


def path_of(
    user_id: UUID, conversation_id: UUID, length: int, began: datetime, chance: random.Random, text: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the turns of one conversation, a minute apart, as `TURN_COLUMNS`."""
    parent_id: UUID | None = None
    for position in range(length):
        asked = began + timedelta(minutes=position)
        turn_id = _id(chance, asked)
        start, size = chance.randrange(len(text) - 2_000), chance.randrange(100, 1_000)
        prompt, reply = text[start : start + size // 10], text[start : start + size]
        yield (
            *(user_id, turn_id, conversation_id, parent_id, position, "complete", prompt, reply, "demonstration"),
            *(size // 40, size // 4, asked, asked + timedelta(seconds=9)),
        )
        parent_id = turn_id


async def copy_turns(connection: "Connection[Any]", turns: Sequence[tuple[Any, ...]]) -> None:
    await connection.copy_records_to_table("turns", records=turns, columns=TURN_COLUMNS)


def _id(chance: random.Random, time: datetime) -> UUID:
    """Return an id as the application makes them (UUIDv7), but the same on every run."""
    milliseconds = int(time.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | chance.getrandbits(12) << 64 | 0b10 << 62 | chance.getrandbits(62))


def _shown(steps: Sequence[Any], what: str) -> Iterator[Any]:
    with Progress(
        TextColumn(f"{what:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    ) as progress:
        yield from progress.track(steps)
