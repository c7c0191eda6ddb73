"""The statements of a turn's life under concurrency: who wins, what is left, what is never lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import asdict
from uuid import UUID

import pytest

from chatkeep.accounts.queries import insert_user
from chatkeep.chat.generation.replica import RECOVERY_INTERVAL_SHARE
from chatkeep.chat.history import conversations as queries
from chatkeep.chat.history import queries as turn_queries
from chatkeep.chat.history.conversations import title_from
from chatkeep.chat.history.fragments import Fragment, Written
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.errors import IdempotencyKeyReused, NotFound, TurnInProgress
from chatkeep.ids import new_id
from tests.support.replicas import ReplicaStore


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url, pool_size=24)
    yield database
    await database.close()


def turn_store(database: Database, *, lease_seconds: int = 10) -> ReplicaStore:
    return ReplicaStore(database, lease_seconds=lease_seconds)


@pytest.fixture
async def log(database: Database) -> ReplicaStore:
    log = turn_store(database)
    await log.replica.renew_lease()
    return log


async def new_user(database: Database) -> UUID:
    name = f"user-{new_id()}"
    async with database.transaction() as connection:
        user = await insert_user(connection, username=name, username_key=name, password_hash=None, now=utc_now())
    assert user is not None
    return user.id


async def new_conversation(database: Database, user_id: UUID) -> UUID:
    conversation_id = new_id()
    await database.row(
        queries.CREATE_CONVERSATION,
        user_id=user_id,
        conversation_id=conversation_id,
        params={},
        extra={},
        now=utc_now(),
    )
    return conversation_id


@pytest.fixture
async def place(database: Database) -> tuple[UUID, UUID]:
    """A user and a conversation of theirs."""
    user_id = await new_user(database)
    return user_id, await new_conversation(database, user_id)


async def begin(log: ReplicaStore, place: tuple[UUID, UUID], content: str = "?", key: str | None = None) -> OpenTurn:
    return await log.begin(place[0], NewTurn(place[1], content, idempotency_key=key), context_tokens=10_000)


async def say(log: ReplicaStore, place: tuple[UUID, UUID], content: str, reply: str) -> OpenTurn:
    begun = await begin(log, place, content)
    assert await log.end(begun, Outcome("complete", reply)) is not None
    return begun


def text_of(written: Written) -> str:
    assert {each.kind for each in written.stretches} == {None}
    return "".join(each.text for each in written.stretches)


async def turn(database: Database, begun: OpenTurn) -> dict[str, object]:
    row = await database.row(
        turn_queries.TURN, user_id=begun.user_id, conversation_id=begun.conversation_id, turn_id=begun.id
    )
    assert row is not None
    return asdict(row)


async def test_of_many_turns_at_once_one_begins(log: ReplicaStore, place: tuple[UUID, UUID]) -> None:
    found = await asyncio.gather(*(begin(log, place, f"{n}") for n in range(20)), return_exceptions=True)
    begun = [each for each in found if isinstance(each, OpenTurn)]
    refused = [each for each in found if isinstance(each, TurnInProgress)]
    assert (len(begun), len(refused)) == (1, 19)
    assert {each.fields["turn_id"] for each in refused} == {str(begun[0].id)}


async def test_of_many_with_one_key_one_begins_and_the_others_join(log: ReplicaStore, place: tuple[UUID, UUID]) -> None:
    found = await asyncio.gather(*(begin(log, place, "same", key="k") for _ in range(20)))
    assert len({each.id for each in found}) == 1
    assert [each.is_replay for each in found].count(False) == 1
    with pytest.raises(IdempotencyKeyReused):
        await begin(log, place, "another", key="k")


async def test_a_turn_that_waited_for_another_to_end_sees_its_reply(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    """The statement that begins a turn waits for the row lock of the one that ends; its snapshot is older."""
    previous = await begin(log, place, "turn 0")
    for number in range(1, 40):
        ending = asyncio.create_task(log.end(previous, Outcome("complete", f"reply {number - 1}")))
        while True:
            try:
                previous = await begin(log, place, f"turn {number}")
            except TurnInProgress:
                continue
            break
        await ending
        assert previous.position == number
        assert [each.reply for each in previous.earlier] == [f"reply {n}" for n in reversed(range(number))]


async def test_a_conversation_of_someone_else_is_not_there(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    stranger = await new_user(database)
    with pytest.raises(NotFound):
        await begin(log, (stranger, place[1]))
    with pytest.raises(NotFound):
        await begin(log, (place[0], new_id()))


async def test_beginning_while_the_conversation_is_deleted_leaves_nothing(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    for _ in range(15):
        conversation = (place[0], await new_conversation(database, place[0]))

        async def delete(conversation: tuple[UUID, UUID] = conversation) -> None:
            async with database.transaction() as connection:
                await queries.delete_conversation(connection, *conversation)

        await asyncio.gather(begin(log, conversation), delete(), return_exceptions=True)
        async with database._pool.acquire() as connection:
            left = await connection.fetchval("SELECT count(*) FROM turns WHERE conversation_id = $1", conversation[1])
        assert left == 0


async def test_fragments_are_the_reply_until_it_ends(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    begun = await begin(log, place)
    for position, text in ((0, "日本"), (2, "語 "), (2, "語 "), (4, "👍")):  # one is sent twice
        assert await log.flush([Fragment(begun.user_id, begun.id, position, text)]) == {begun.id: False}
    assert (await turn(database, begun))["reply"] == "日本語 👍"
    written = await log.written(begun, 4, 100)
    assert written is not None
    assert (text_of(written), written.ended) == ("👍", False)
    assert await log.end(begun, Outcome("complete", "日本語 👍!")) is not None
    written = await log.written(begun, 3, 100)
    assert written is not None
    assert (text_of(written), written.ended) == (" 👍!", True)
    written = await log.written(begun, 1, 2)
    assert written is not None
    assert (text_of(written), written.ended) == ("本語", True)
    assert await log.end(begun, Outcome("failed", "again")) is None
    assert (await turn(database, begun))["reply"] == "日本語 👍!"


async def test_one_flush_writes_for_many_and_tells_which_are_still_ours(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    ours = [await begin(log, (place[0], await new_conversation(database, place[0]))) for _ in range(5)]
    await log.end(ours[3], Outcome("complete", "done"))
    still = await log.flush([Fragment(each.user_id, each.id, 0, f"text {n}") for n, each in enumerate(ours)])
    assert still.keys() == {each.id for n, each in enumerate(ours) if n != 3}
    assert (await turn(database, ours[4]))["reply"] == "text 4"
    assert (await turn(database, ours[3]))["reply"] == "done"


async def test_a_dead_replicas_turns_are_interrupted_once_with_their_text(
    database: Database, place: tuple[UUID, UUID]
) -> None:
    dead = turn_store(database, lease_seconds=0)
    await dead.replica.renew_lease()
    begun = await begin(dead, place, "to be cut")
    await dead.flush(
        [Fragment(begun.user_id, begun.id, 0, "as far as "), Fragment(begun.user_id, begun.id, 10, "this")]
    )
    others = [turn_store(database) for _ in range(4)]
    for other in others:
        await other.replica.renew_lease()
    claimed = await asyncio.gather(*(other.recovery().interrupt_stalled() for other in others))
    assert sum(claimed) == 1
    found = await turn(database, begun)
    assert (found["status"], found["reply"]) == ("interrupted", "as far as this")
    # A process that was only asleep finds out, and changes nothing.
    assert await dead.flush([Fragment(begun.user_id, begun.id, 14, " and more")]) == {}
    assert await dead.end(begun, Outcome("complete", "all of it")) is None
    assert (await turn(database, begun))["reply"] == "as far as this"
    after = await begin(others[0], place, "next")
    assert [each.reply for each in after.earlier] == ["as far as this"]


async def test_a_lease_runs_out_early_enough_for_its_turns_to_be_over_in_time(database: Database) -> None:
    """Turns of the dead are looked for now and then; that time is taken from the lease."""
    log = turn_store(database, lease_seconds=80)
    await log.replica.renew_lease()
    async with database._pool.acquire() as connection:
        left = await connection.fetchval(
            "SELECT extract(epoch FROM lease_expires_at - now())::float FROM replicas WHERE id = $1", log.replica.id
        )
    assert left <= 80 * (1 - RECOVERY_INTERVAL_SHARE)


async def test_a_live_replicas_turns_are_left_alone(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    begun = await begin(log, place)
    assert await turn_store(database).recovery().interrupt_stalled() == 0
    assert (await turn(database, begun))["status"] == "streaming"
    await log.replica.release_lease()
    assert await turn_store(database).recovery().interrupt_stalled() == 1
    found = await turn(database, begun)
    assert (found["status"], found["reply"]) == ("interrupted", None)


async def test_a_turn_begun_without_anyone_knowing_does_not_block(log: ReplicaStore, place: tuple[UUID, UUID]) -> None:
    """The statement worked, but the connection was lost before the answer came."""
    recovery = log.recovery()
    begun = await begin(log, place, "nobody heard", key="k")
    elsewhere = await begin(log, (place[0], await new_conversation(log.database, place[0])))
    await recovery.interrupt_unclaimed([elsewhere.id])
    assert (await turn(log.database, begun))["status"] == "streaming"  # its request may still have to be answered
    await recovery.interrupt_unclaimed([elsewhere.id])
    assert (await turn(log.database, begun))["status"] == "interrupted"
    assert (await turn(log.database, elsewhere))["status"] == "streaming"
    again = await begin(log, place, "nobody heard", key="k")
    assert (again.is_replay, again.id) == (True, begun.id)
    assert (await begin(log, place, "next")).is_replay is False


async def test_orphaned_fragments_are_swept(log: ReplicaStore, database: Database, place: tuple[UUID, UUID]) -> None:
    begun = await say(log, place, "a", "b")
    async with database._pool.acquire() as connection:
        await connection.execute("INSERT INTO reply_fragments VALUES ($1, $2, 0, 'late')", begun.user_id, begun.id)
        await log.recovery().interrupt_stalled()
        assert await connection.fetch("SELECT 1 FROM reply_fragments WHERE turn_id = $1", begun.id) == []


async def test_the_context_stops_at_its_size(log: ReplicaStore, place: tuple[UUID, UUID]) -> None:
    for number in range(6):
        await say(log, place, f"{number}" * 100, "日" * 100)
    begun = await log.begin(place[0], NewTurn(place[1], "?"), context_tokens=300)
    assert [each.prompt[0] for each in begun.earlier] == ["5", "4", "3"]


def test_titles() -> None:
    assert title_from("  one\n\n two\t") == "one two"
    assert title_from(" \n ") is None
    assert title_from("あ" * 100) == "あ" * 60 + "…"
    assert title_from("word " * 40) == "word " * 11 + "word…"
    assert title_from("a\x07b") == "ab"


def test_digests_tell_requests_apart() -> None:
    conversation = new_id()
    requests = [
        NewTurn(conversation, "a"),
        NewTurn(conversation, "b"),
        NewTurn(conversation, "a", parent_id=new_id()),
        NewTurn(conversation, "a", model="m"),
        NewTurn(conversation, "a", params={"seed": 1}),
    ]
    assert len({request.digest() for request in requests}) == len(requests)
    assert NewTurn(conversation, "a", params={"x": 1, "y": 2}).digest() == (
        NewTurn(conversation, "a", params={"y": 2, "x": 1}, idempotency_key="k").digest()
    )


async def test_beginning_ending_and_deleting_at_once_neither_deadlocks_nor_lies(
    log: ReplicaStore, database: Database, place: tuple[UUID, UUID]
) -> None:
    user_id = place[0]
    conversations = [await new_conversation(database, user_id) for _ in range(6)]
    chance = random.Random(7)

    async def chatter() -> None:
        for _ in range(25):
            conversation = chance.choice(conversations)
            try:
                begun = await begin(log, (user_id, conversation))
            except (NotFound, TurnInProgress):
                continue
            await log.flush([Fragment(user_id, begun.id, 0, "x")])
            await log.end(begun, Outcome("complete", "x"))

    async def deleter() -> None:
        for conversation in conversations[:3]:
            await asyncio.sleep(0.1)
            async with database.transaction() as connection:
                await queries.delete_conversation(connection, user_id, conversation)

    await asyncio.gather(*(chatter() for _ in range(8)), deleter())
    async with database._pool.acquire() as connection:
        counted = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM turns WHERE user_id = $1) AS turns,"
            " (SELECT sum(turn_count) FROM conversations WHERE user_id = $1) AS in_conversations,"
            " (SELECT turn_count FROM user_activity WHERE user_id = $1) AS in_activity,"
            " (SELECT count(*) FROM turns WHERE user_id = $1 AND status = 'streaming') AS streaming,"
            " (SELECT count(*) FROM reply_fragments WHERE user_id = $1) AS fragments",
            user_id,
        )
    assert counted is not None
    assert counted["turns"] == counted["in_conversations"] == counted["in_activity"] > 10
    assert (counted["streaming"], counted["fragments"]) == (0, 0)
