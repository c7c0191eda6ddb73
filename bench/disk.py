"""The bytes on disk that a turn takes for good: of many turns, added one by one, in an embedded server of their own."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from bench import bars, plain_schema
from bench.contenders.chatkeep import Chatkeep, chatkeep
from bench.contenders.contender import CONNECTIONS, Contender, Place, of_task
from bench.contenders.plain import TwoCommits, connections
from bench.databases import Connection, bare_connection, database
from bench.measurements import Figure
from bench.run import Findings, Run
from bench.texts import turns_of
from chatkeep.ids import new_id

TURN_CHARACTERS = 1_280
TURNS = 20_000
TURNS_A_CONVERSATION = 10
CONVERSATIONS_A_USER = 20
TEXTS = 5_000
SIZE = """
SELECT sum(pg_total_relation_size(pg_class.oid))::bigint
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = $1 AND relkind IN ('r', 'm')"""


async def disk(run: Run) -> Findings:
    """Tables and indexes after a vacuum, less what the users and conversations took before their first turn."""
    turns = max(CONNECTIONS * TURNS_A_CONVERSATION, run.effort.of(TURNS))
    async with AsyncExitStack() as stack:
        # In a thread, since the migrations run a loop of their own.
        url = await asyncio.to_thread(stack.enter_context, database(None, None))
        connection = await stack.enter_async_context(bare_connection(url))
        await plain_schema.create(connection)
        async with chatkeep(url) as ours, connections(url) as opened:
            of = await _conversations(connection, ours, turns // TURNS_A_CONVERSATION)
            service = await _bytes(connection, ours, "public", of)
            plain = await _bytes(connection, TwoCommits(opened), plain_schema.SCHEMA, of)
    name = f"kB on disk a turn of {TURN_CHARACTERS:,} characters"
    return [
        Figure(
            name, service / 1e3, bars.TURN_KB_ON_DISK, "kB", service / 1e3, plain / 1e3, "kB", rounds=(service / 1e3,)
        )
    ]


async def _conversations(connection: "Connection[Any]", ours: Chatkeep, many: int) -> list[Place]:
    """Make empty conversations for both sides."""
    users = [new_id() for _ in range(max(1, many // CONVERSATIONS_A_USER))]
    for number, user_id in enumerate(users):
        name = f"user{number}"
        await connection.execute(
            "INSERT INTO users (id, username, username_key, created_at) VALUES ($1, $2, $2, now())", user_id, name
        )
        await connection.execute("INSERT INTO user_activity (user_id) VALUES ($1)", user_id)
    made = [await ours.new_conversation(users[number % len(users)]) for number in range(many)]
    for place in made:
        await connection.execute(plain_schema.CREATE_CONVERSATION, place.conversation_id, place.user_id)
    return made


async def _bytes(connection: "Connection[Any]", contender: Contender, schema: str, of: Sequence[Place]) -> float:
    """Return the bytes a turn by which the tables and indexes of a schema have grown."""
    await contender.settle()
    before = await _size(connection, schema)
    texts = turns_of(TURN_CHARACTERS, TEXTS)
    each = len(of) // CONNECTIONS * TURNS_A_CONVERSATION

    async def add(task: int) -> None:
        for number in range(each):
            place = of_task(of[: len(of) // CONNECTIONS * CONNECTIONS], task, CONNECTIONS, number)
            await contender.add_turn(task, place, *texts[(number * CONNECTIONS + task) % TEXTS])

    await asyncio.gather(*(add(task) for task in range(CONNECTIONS)))
    await contender.settle()
    return (await _size(connection, schema) - before) / (each * CONNECTIONS)


async def _size(connection: "Connection[Any]", schema: str) -> int:
    await connection.execute("VACUUM (ANALYZE)", timeout=3600)
    return int(await connection.fetchval(SIZE, schema))
