"""Turns that older code writes during an update, without lexemes, are found by search like all others."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chatkeep.chat.search import indexer, unindexed_turns
from chatkeep.chat.search.indexer import index_pending
from chatkeep.chat.search.older_release_queries import KEEPS
from chatkeep.chat.search.unindexed_turns import UnindexedTurns
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.ids import new_id
from tests.support.running_service import Person, RunningService, running
from tests.support.urls import driver_url

FOUND_SECONDS = 30

# As the code of revision 0005 did, which knew nothing of lexemes: a turn is begun, its text noted, and ended.
BEGIN = """
INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, model, params, idempotency_key,
                   request_digest, replica_id, created_at)
SELECT user_id, $3, id, head_turn_id, turn_count, 'streaming', $4, model, params, NULL, NULL, $5, now()
FROM conversations WHERE user_id = $1 AND id = $2
"""
MOVE = """
UPDATE conversations SET head_turn_id = $3, streaming_turn_id = $3, turn_count = turn_count + 1, last_turn_at = now(),
                         updated_at = now()
WHERE user_id = $1 AND id = $2
"""
END = """
UPDATE turns SET status = $3, reply = $4, completed_at = now()
WHERE user_id = $1 AND id = $2 AND status = 'streaming'
"""
RELEASE = """
UPDATE conversations SET streaming_turn_id = NULL, updated_at = now() WHERE user_id = $1 AND streaming_turn_id = $2
"""
LEASE = "INSERT INTO replicas (id, started_at, lease_expires_at) VALUES ($1, now(), now() + make_interval(secs => $2))"
LEXEMES = "SELECT count(*) FROM turn_entries WHERE turn_id = $1 AND lexemes IS NOT NULL"


class OlderReplica:
    """A process of older code, on a connection of its own."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection
        self.id = new_id()

    async def start(self, *, lease_seconds: float = 3600) -> None:
        await self.connection.execute(LEASE, self.id, lease_seconds)

    async def stop(self) -> None:
        await self.connection.execute("DELETE FROM replicas WHERE id = $1", self.id)

    async def begin(self, person: Person, conversation_id: str, prompt: str) -> str:
        turn_id = str(new_id())
        async with self.connection.transaction():
            await self.connection.execute(BEGIN, person.id, conversation_id, turn_id, prompt, self.id)
            await self.connection.execute(MOVE, person.id, conversation_id, turn_id)
        return turn_id

    async def end(self, person: Person, turn_id: str, reply: str, status: str = "complete") -> None:
        async with self.connection.transaction():
            await self.connection.execute(END, person.id, turn_id, status, reply)
            await self.connection.execute(RELEASE, person.id, turn_id)

    async def say(self, person: Person, conversation_id: str, prompt: str, reply: str) -> str:
        turn_id = await self.begin(person, conversation_id, prompt)
        await self.end(person, turn_id, reply)
        return turn_id


@pytest.fixture
async def older(database_url: str) -> AsyncIterator[OlderReplica]:
    connection = await asyncpg.connect(driver_url(database_url))
    yield OlderReplica(connection)
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=4)
    yield database
    await database.close()


async def found(person: Person, words: str) -> list[str]:
    answer = await person.client.get("/api/v1/search", params={"q": words})
    assert answer.status_code == 200, answer.text
    return [item["turn_id"] for item in answer.json()["items"]]


async def until_found(person: Person, words: str, turn_id: str) -> None:
    async with asyncio.timeout(FOUND_SECONDS):
        while turn_id not in await found(person, words):
            await asyncio.sleep(0.05)


async def test_turns_of_older_code_are_found_while_it_is_at_work_and_after_it_has_gone(
    database_url: str, older: OlderReplica
) -> None:
    async with running(database_url, lease_seconds=2) as service:
        person = await service.person()
        conversation = await person.conversation()
        await older.start()
        turn = await older.say(person, conversation, "first 日本語", "by the old code")
        await until_found(person, "日本", turn)
        slow = await older.begin(person, conversation, "slow tortoise")
        mine = await person.say(await person.conversation(), "quick hare")
        await until_found(person, "hare", mine["id"])
        assert await found(person, "tortoise") == []
        await older.end(person, slow, "it arrives")
        await older.stop()
        await until_found(person, "tortoise arrives", slow)
        await require_seen_everywhere(service, person, conversation, [turn, slow])


async def require_seen_everywhere(
    service: RunningService, person: Person, conversation: str, turn_ids: list[str]
) -> None:
    """Lists, exports and administrators have them, too."""
    assert sorted(each["id"] for each in await person.turns(conversation)) == sorted(turn_ids)
    export = (await person.client.get("/api/v1/export")).text
    history = (await (await service.administrator()).client.get("/api/v1/admin/history", params={"q": "old code"})).text
    assert all(each in export for each in turn_ids)
    assert turn_ids[0] in history


async def test_what_older_code_wrote_while_nothing_newer_ran_is_found_after_the_start(
    database_url: str, older: OlderReplica
) -> None:
    async with running(database_url) as service:
        person = await service.person()
        conversation = await person.conversation()
    turn = await older.say(person, conversation, "in between", "nobody looks")
    async with running(database_url, lease_seconds=2) as service:
        again = service.client(cookies=dict(person.client.cookies))
        await until_found(Person(again, person.id, person.username), "nobody looks", turn)


async def test_a_turn_of_this_code_that_an_older_replica_ended_is_found(
    database_url: str, database: Database, older: OlderReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the process for dead, and keeps no lexemes."""
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    async with running(database_url, lease_seconds=600) as service:
        person = await service.person()
        conversation = await person.conversation()
        turns = UnindexedTurns(database, utc_now)
        await turns.index()
        await older.start()
        await older.connection.execute("UPDATE replicas SET search_version = $1 WHERE id <> $2", KEEPS, older.id)
        turn = await older.begin(person, conversation, "abandoned ship")
        await turns.index()
        await older.end(person, turn, "", "interrupted")
        await turns.index()
        assert await found(person, "abandoned") == [turn]
        await index_pending(database)
        assert await older.connection.fetchval(LEXEMES, turn) == 1
        assert await older.connection.fetchval("SELECT count(*) FROM unsettled_turns") == 0
        unusual = await older.connection.fetchval("SELECT status FROM unusual_turns WHERE turn_id = $1", turn)
        assert unusual == "interrupted"


async def test_the_first_look_goes_back_until_nothing_is_missing(
    database_url: str, database: Database, older: OlderReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unindexed_turns, "WINDOW_TURNS", 4)
    async with running(database_url, lease_seconds=600) as service:
        person = await service.person()
        conversation = await person.conversation()
        await UnindexedTurns(database, utc_now).index()
        lost = await older.say(person, conversation, "older than what is whole", "")
        for number in range(8):
            await person.say(conversation, f"whole {number}")
        gap = [await older.say(person, conversation, f"gap {number}", "") for number in range(10)]
        assert await UnindexedTurns(database, utc_now).index() == len(gap)
        counts = [await older.connection.fetchval(LEXEMES, each) for each in (lost, *gap)]
        assert counts == [0, *(1 for _ in gap)]


async def test_nothing_is_looked_at_where_all_replicas_are_of_this_version(
    database_url: str, database: Database, older: OlderReplica
) -> None:
    async with running(database_url, lease_seconds=600) as service:
        person = await service.person()
        conversation = await person.conversation()
        turns = UnindexedTurns(database, utc_now)
        await turns.index()
        unseen = await older.say(person, conversation, "by nobody that is known", "")
        assert await turns.index() == 0
        assert await older.connection.fetchval(LEXEMES, unseen) == 0
