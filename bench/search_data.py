"""A large history that can be searched, made with COPY; the same for the same seed, and made once."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.search_texts import Texts
from chatkeep.chat.search.lexemes import VERSION, lexemes_of
from chatkeep.database.user_lexeme import user_lexeme

SEED = 11
USERS = 5_000
TURNS_A_CONVERSATION = 10
ROWS_A_COPY = 10_000
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)

Connection = asyncpg.Connection  # without its type argument, which it does not take at run time

# A turn's values, and its lexemes.
TurnRow = tuple[tuple[Any, ...], list[int]]

TURN_COLUMNS = (
    *("user_id", "id", "conversation_id", "parent_id", "position", "status", "prompt", "reply", "model"),
    *("created_at", "completed_at"),
)
ENTRY_COLUMNS = ("user_id", "turn_id", "version", "lexemes")


def id_of(kind: int, number: int, milliseconds: int) -> UUID:
    """Return a UUIDv7 that looks random behind its time, as ids do, and is the same on every run."""
    noise = random.Random(kind << 40 | number).getrandbits(62)
    return UUID(int=milliseconds << 80 | 7 << 76 | kind << 64 | 2 << 62 | noise)


def language_of(user: int) -> str:
    return "en" if user % 2 else "ja"


class History:
    """Who says what when: conversations of ten turns, of users some of whom say much more than others."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.texts = Texts(SEED, most=turns)
        self._chance = random.Random(SEED)
        self._start = int(BEGINNING.timestamp() * 1000)
        # A few users have a hundred times as many conversations as most.
        weights = [1 / (rank + 20) ** 0.5 for rank in range(USERS)]
        conversations = turns // TURNS_A_CONVERSATION
        self.owners = [*range(USERS), *self._chance.choices(range(USERS), weights=weights, k=conversations)]
        self.owners = self.owners[:conversations]
        self._chance.shuffle(self.owners)

    def user_id(self, user: int) -> UUID:
        return id_of(1, user, self._start + user)

    def conversation(self, number: int) -> tuple[UUID, int]:
        """Return the id and its time in milliseconds."""
        at = self._start + 100_000 + number * 20_000
        return id_of(2, number, at), at

    def rows(self) -> Iterator[TurnRow]:
        """Yield the turns, each with its lexemes, in the order of time."""
        for number, owner in enumerate(self.owners):
            conversation_id, at = self.conversation(number)
            user_id, parent_id = self.user_id(owner), None
            sentences = self.texts.sentences[language_of(owner)]
            for position in range(TURNS_A_CONVERSATION):
                serial = number * TURNS_A_CONVERSATION + position
                said = self._chance.choices(sentences, k=self._chance.randint(3, 7))
                turn_id = id_of(3, serial, at + position * 1_000)
                time = datetime.fromtimestamp((at + position * 1_000) / 1000, UTC)
                status = "failed" if serial % 500 == 7 else "complete"
                model = "rare" if serial % 10_000 == 3 else "second" if serial % 10 == 1 else "first"
                # A word that no other turn has.
                prompt = f"{said[0].text} n{serial}"
                reply = "\n".join(each.text for each in said[1:])
                row = (user_id, turn_id, conversation_id, parent_id, position, status, prompt, reply, model)
                lexemes = frozenset().union(*(each.lexemes for each in said))
                own = {user_lexeme(user_id)} | lexemes_of(f"n{serial}")
                yield (*row, time, time + timedelta(seconds=1)), sorted(lexemes | own)
                parent_id = turn_id


async def fill(connection: "Connection[Any]", history: History) -> None:
    """Fill a migrated, empty database. Its mark is made last: a broken filling is seen and refused."""
    if await connection.fetchval("SELECT to_regclass('bench_filled') IS NOT NULL"):
        return
    if await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
        raise SystemExit("The database holds something else, or a part of it. Take another --data-dir.")
    await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
    dropped = await _drop(connection)
    await _people(connection, history)
    await _turns(connection, history)
    for statement in dropped:
        print(f"  {statement[:90]} …", flush=True)
        await connection.execute(statement, timeout=7200)
    await connection.execute("VACUUM (ANALYZE)", timeout=7200)
    await connection.execute("CREATE TABLE bench_filled ()")


async def _drop(connection: "Connection[Any]") -> list[str]:
    """Drop what is quicker made at the end; return how to make it again."""
    again = []
    for table in ("turn_entries", "turns"):
        query = "SELECT conname, pg_get_constraintdef(oid) AS made FROM pg_constraint"
        query += " WHERE contype = 'f' AND conrelid = $1::regclass"
        for row in await connection.fetch(query, table):
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {row['conname']} {row['made']}")
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {row['conname']}")
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND indexname NOT LIKE 'pk_%'"
        for row in await connection.fetch(query, table):
            again.insert(0, row["indexdef"])
            await connection.execute(f"DROP INDEX {row['indexname']}")
    return again


async def _people(connection: "Connection[Any]", history: History) -> None:
    users = range(USERS)
    await connection.copy_records_to_table(
        "users",
        columns=["id", "username", "username_key", "created_at", "name_pairs"],
        records=[(history.user_id(n), f"user{n}", f"user{n}", BEGINNING, []) for n in users],
    )
    counts = [0] * USERS
    for owner in history.owners:
        counts[owner] += 1
    await connection.copy_records_to_table(
        "user_activity",
        columns=["user_id", "conversation_count", "turn_count"],
        records=[(history.user_id(n), counts[n], counts[n] * TURNS_A_CONVERSATION) for n in users],
    )
    records = []
    for number, owner in enumerate(history.owners):
        conversation_id, at = history.conversation(number)
        last = TURNS_A_CONVERSATION - 1
        head = id_of(3, number * TURNS_A_CONVERSATION + last, at + last * 1_000)
        time = datetime.fromtimestamp(at / 1000, UTC)
        records.append((history.user_id(owner), conversation_id, f"Talk {number}", head, last + 1, time, time, time))
    columns = ["user_id", "id", "title", "head_turn_id", "turn_count", "created_at", "updated_at", "last_turn_at"]
    await connection.copy_records_to_table("conversations", columns=columns, records=records)


async def _turns(connection: "Connection[Any]", history: History) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("turns", total=history.turns)
        rows = history.rows()
        made = await asyncio.to_thread(_some, rows)
        while made:
            # The next ones are made while PostgreSQL keeps these.
            keeping = asyncio.create_task(_keep(connection, made))
            kept, made = len(made), await asyncio.to_thread(_some, rows)
            await keeping
            progress.advance(task, kept)


def _some(rows: Iterator[TurnRow]) -> list[TurnRow]:
    return list(islice(rows, ROWS_A_COPY))


async def _keep(connection: "Connection[Any]", batch: list[TurnRow]) -> None:
    rows = [row for row, _ in batch]
    await connection.copy_records_to_table("turns", columns=list(TURN_COLUMNS), records=rows)
    entries = [(row[0], row[1], VERSION, lexemes) for row, lexemes in batch]
    await connection.copy_records_to_table("turn_entries", columns=list(ENTRY_COLUMNS), records=entries)
