"""A database with history in it, found by search: the same messages in the service's tables and in the plain ones.

Two million messages by default, the same on every run, made in some minutes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import plain_schema
from bench.databases import Connection, bare_connection
from bench.texts import text_of
from chatkeep.chat.search.indexer import reindex
from chatkeep.database.database import Database

CONVERSATIONS_A_USER = 40
TURNS_A_CONVERSATION = 10
TURNS_A_USER = CONVERSATIONS_A_USER * TURNS_A_CONVERSATION
# Beside those: one long conversation of each of the first users.
LONG_CONVERSATIONS = 32
LONG_CONVERSATION_TURNS = 200
# On average.
MESSAGE_CHARACTERS = 400
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
USERS_A_COPY = 50
TURN_COLUMNS = (
    *("user_id", "id", "conversation_id", "parent_id", "position", "status", "prompt", "reply", "model"),
    *("input_tokens", "output_tokens", "created_at", "completed_at"),
)
CONVERSATION_COLUMNS = (
    *("user_id", "id", "title", "head_turn_id", "turn_count", "created_at", "updated_at", "last_turn_at"),
)
FILLED = "bench.filled"

Row = tuple[Any, ...]


class WrongFilling(Exception):
    """The database holds something else than what was asked for."""


async def fill(url: str, messages: int) -> None:
    """Fill a migrated database, unless it is filled already. Its mark is made last: a broken filling is refused.

    Raises:
        WrongFilling: it is filled with another number of messages, or somebody uses it, or filling it was broken off.
    """
    async with bare_connection(url) as connection:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", FILLED):
            found = await connection.fetchval(f"SELECT messages FROM {FILLED}")
            if found != messages:
                raise WrongFilling(
                    f"The database holds {found:,} messages. Ask for --messages {found}, or take another folder."
                )
            return
        if await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
            raise WrongFilling("The database has users, or was filled in part. A benchmark takes one of its own.")
        await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        await plain_schema.create(connection)
        tables = ("conversations", "turns", "bench.conversations", "bench.messages")
        async with _without_indexes(connection, *tables):
            await _copy(connection, max(1, messages // 2 // TURNS_A_USER))
        async with _without_indexes(connection, "turn_entries"):
            await _index(url, messages // 2)
        await connection.execute("VACUUM (ANALYZE)", timeout=7200)
        await connection.execute(f"CREATE TABLE {FILLED} AS SELECT {messages:d}::bigint AS messages")


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
    user_ids = [_id(chance, FIRST_DAY + timedelta(seconds=n)) for n in range(users)]
    await _copy_people(connection, user_ids)
    for first in _shown(range(0, users, USERS_A_COPY), "Histories"):
        conversations: list[Row] = []
        turns: list[Row] = []
        for number in range(first, min(first + USERS_A_COPY, users)):
            for length in _lengths(number):
                began = FIRST_DAY + timedelta(seconds=chance.randrange(60_000_000))
                conversation_id = _id(chance, began)
                path = list(path_of(user_ids[number], conversation_id, length, began, chance))
                turns += path
                last = path[-1]
                row = (f"Conversation of {began}", last[1], len(path), began, last[-1], last[-2])
                conversations.append((user_ids[number], conversation_id, *row))
        await _keep(connection, conversations, turns, chance)


async def _copy_people(connection: "Connection[Any]", user_ids: Sequence[UUID]) -> None:
    names = [f"user{n}" for n in range(len(user_ids))]
    await connection.copy_records_to_table(
        "users",
        records=[(each, name, name, FIRST_DAY) for each, name in zip(user_ids, names, strict=True)],
        columns=["id", "username", "username_key", "created_at"],
    )
    lengths = [_lengths(number) for number in range(len(user_ids))]
    await connection.copy_records_to_table(
        "user_activity",
        records=[(each, len(of), sum(of)) for each, of in zip(user_ids, lengths, strict=True)],
        columns=["user_id", "conversation_count", "turn_count"],
    )


def _lengths(user: int) -> list[int]:
    """The turns of each conversation of a user."""
    usual = [TURNS_A_CONVERSATION] * CONVERSATIONS_A_USER
    return [*usual, LONG_CONVERSATION_TURNS] if user < LONG_CONVERSATIONS else usual


async def _keep(
    connection: "Connection[Any]", conversations: Sequence[Row], turns: Sequence[Row], chance: random.Random
) -> None:
    """Keep the same in the service's tables and in the plain ones."""
    await connection.copy_records_to_table("conversations", records=conversations, columns=CONVERSATION_COLUMNS)
    await copy_turns(connection, turns)
    await connection.copy_records_to_table(
        "conversations",
        schema_name=plain_schema.SCHEMA,
        records=[(row[1], row[0], row[2], row[4] * 2, row[5], row[6]) for row in conversations],
        columns=plain_schema.CONVERSATION_COLUMNS,
    )
    await connection.copy_records_to_table(
        "messages",
        schema_name=plain_schema.SCHEMA,
        records=[message for turn in turns for message in _messages_of(turn, chance)],
        columns=plain_schema.MESSAGE_COLUMNS,
    )


def _messages_of(turn: Row, chance: random.Random) -> Iterator[Row]:
    conversation_id, prompt, reply, asked, answered = turn[2], turn[6], turn[7], turn[-2], turn[-1]
    yield _id(chance, asked), conversation_id, "user", prompt, asked
    yield _id(chance, answered), conversation_id, "assistant", reply, answered


def path_of(user_id: UUID, conversation_id: UUID, length: int, began: datetime, chance: random.Random) -> Iterator[Row]:
    """Yield the turns of one conversation, a minute apart, as `TURN_COLUMNS`."""
    parent_id: UUID | None = None
    for position in range(length):
        asked = began + timedelta(minutes=position)
        turn_id = _id(chance, asked)
        # As long together as two messages are on average.
        size = chance.randrange(MESSAGE_CHARACTERS // 2, MESSAGE_CHARACTERS * 7 // 2)
        prompt, reply = text_of(chance, size // 4), text_of(chance, size - size // 4)
        yield (
            *(user_id, turn_id, conversation_id, parent_id, position, "complete", prompt, reply, "demonstration"),
            *(size // 16, size // 5, asked, asked + timedelta(seconds=9)),
        )
        parent_id = turn_id


async def copy_turns(connection: "Connection[Any]", turns: Sequence[Row]) -> None:
    await connection.copy_records_to_table("turns", records=turns, columns=TURN_COLUMNS)


async def _index(url: str, turns: int) -> None:
    """Make what turns are found by, as `chatkeep search reindex` does."""
    database = await Database.connect(url, pool_size=4)
    try:
        with _progress("Search") as progress:
            task = progress.add_task("", total=turns)
            async for seen, _ in reindex(database):
                progress.advance(task, seen)
                await asyncio.sleep(0)
    finally:
        await database.close()


def _id(chance: random.Random, time: datetime) -> UUID:
    """Return an id as the application makes them (UUIDv7), but the same on every run."""
    milliseconds = int(time.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | chance.getrandbits(12) << 64 | 0b10 << 62 | chance.getrandbits(62))


def _shown(steps: Sequence[Any], what: str) -> Iterator[Any]:
    with _progress(what) as progress:
        yield from progress.track(steps)


def _progress(what: str) -> Progress:
    return Progress(
        TextColumn(f"{what:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    )
