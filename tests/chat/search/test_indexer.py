"""Every finished turn has its lexemes, however it finished and whoever died meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from chatkeep.chat.history.conversations import delete_conversation
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.items import reasoning_item
from chatkeep.chat.search import indexer
from chatkeep.chat.search.indexer import index_pending, reindex
from chatkeep.chat.search.lexemes import lexemes_of
from chatkeep.chat.status import Status
from chatkeep.database.database import Database
from chatkeep.database.user_lexeme import user_lexeme
from tests.accounts.client import change, rows
from tests.chat.history.test_store import begin, new_conversation, new_user
from tests.chat.history.test_store import say as said
from tests.support.replicas import ReplicaStore
from tests.support.running_service import running

Place = tuple[UUID, UUID]


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url, pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def log(database: Database) -> ReplicaStore:
    log = ReplicaStore(database, lease_seconds=10)
    await log.replica.renew_lease()
    return log


@pytest.fixture
async def place(database: Database) -> Place:
    user_id = await new_user(database)
    return user_id, await new_conversation(database, user_id)


async def lexemes(database: Database, begun: OpenTurn) -> list[set[int] | None]:
    """Return the lexemes of the turn's entry, if it has one; None where they are to be made."""
    query = "SELECT lexemes FROM turn_entries WHERE user_id = :u AND turn_id = :t"
    found = await rows(database, query, u=begun.user_id, t=begun.id)
    return [None if each is None else set(each) for (each,) in found]


async def unsettled(database: Database, begun: OpenTurn) -> int:
    """Return whether it is on record that the turn's lexemes are to be made."""
    query = "SELECT count(*) FROM unsettled_turns WHERE user_id = :u AND turn_id = :t AND ended_at IS NOT NULL"
    return int((await rows(database, query, u=begun.user_id, t=begun.id))[0][0])


async def say(log: ReplicaStore, place: Place, prompt: str, reply: str) -> OpenTurn:
    """A whole turn that can be found."""
    begun = await said(log, place, prompt, reply)
    await log.index()
    return begun


def expected(begun: OpenTurn, reply: str) -> list[set[int] | None]:
    return [{user_lexeme(begun.user_id)} | lexemes_of(begun.content) | lexemes_of(reply)]


@pytest.mark.parametrize("status", ["complete", "stopped", "failed", "interrupted"])
async def test_a_turn_that_ends_gets_its_lexemes(
    log: ReplicaStore, database: Database, place: Place, status: Status
) -> None:
    begun = await begin(log, place, "日本語で it's \\ 'quoted'")
    assert await lexemes(database, begun) == []
    await log.end(begun, Outcome(status, "C++ 🎉\nです。"))
    assert await unsettled(database, begun) == 1
    await log.index()
    assert await lexemes(database, begun) == expected(begun, "C++ 🎉\nです。")
    assert await unsettled(database, begun) == 0


async def test_a_turn_without_a_reply_is_found_by_its_prompt(
    log: ReplicaStore, database: Database, place: Place
) -> None:
    begun = await say(log, place, "…", "")
    assert await lexemes(database, begun) == [{user_lexeme(place[0])}]


async def test_a_text_of_a_million_different_pairs_keeps_no_turn_from_being_kept(
    log: ReplicaStore, database: Database, place: Place
) -> None:
    reply = "".join(chr(0x4E00 + n * 7919 % 20_900) + chr(0x4E00 + n * 104_729 % 20_893) for n in range(200_000))
    begun = await say(log, place, "long", reply)
    found = await lexemes(database, begun)
    assert found == expected(begun, reply)
    assert len(found[0] or ()) > 200_000
    await change(database, "UPDATE turn_entries SET version = 0 WHERE turn_id = :t", t=begun.id)
    assert [made async for _, made in reindex(database)][-1] >= 1
    assert await lexemes(database, begun) == found


async def abandoned(database: Database, place: Place) -> OpenTurn:
    """A turn whose replica has died, with some of its reply written down; marked `interrupted` by another."""
    dead = ReplicaStore(database, lease_seconds=10)
    begun = await begin(dead, place, "東京 tea")
    for position, text in ((0, "the fi"), (6, "rst words")):
        await change(
            database,
            "INSERT INTO reply_fragments VALUES (:u, :t, :p, :x)",
            u=place[0],
            t=begun.id,
            p=position,
            x=text,
        )
    return begun


async def test_a_dead_replicas_turn_is_found_with_what_there_was_of_it(
    log: ReplicaStore, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await abandoned(database, place)
    assert await log.recovery().interrupt_stalled() == 1
    assert await unsettled(database, begun) == 1  # whoever dies here leaves this to others
    assert await index_pending(database) == 0
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    await asyncio.gather(*(index_pending(database) for _ in range(3)))
    assert await lexemes(database, begun) == expected(begun, "the first words")
    assert await index_pending(database) == 0


async def test_a_service_that_starts_makes_what_dead_ones_left(
    shared_database_url: str, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0.1)
    begun = await abandoned(database, place)
    async with running(shared_database_url, lease_seconds=2):
        async with asyncio.timeout(20):
            while await lexemes(database, begun) == []:
                await asyncio.sleep(0.05)
    assert await lexemes(database, begun) == expected(begun, "the first words")


async def test_what_is_deleted_meanwhile_holds_nobody_up(
    log: ReplicaStore, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    gone, left = await abandoned(database, place), await new_conversation(database, place[0])
    other = await abandoned(database, (place[0], left))
    await log.recovery().interrupt_stalled()
    async with database.transaction() as connection:
        await delete_conversation(connection, *place)
        async with asyncio.timeout(5):
            await index_pending(database)
        assert await lexemes(database, other) == expected(other, "the first words")
    assert await lexemes(database, gone) == []
    assert await index_pending(database) == 0


async def test_a_deleted_conversation_leaves_no_lexeme(log: ReplicaStore, database: Database, place: Place) -> None:
    begun = await say(log, place, "tea", "coffee")
    async with database.transaction() as connection:
        assert await delete_conversation(connection, *place)
    assert await lexemes(database, begun) == []


async def test_a_reindex_makes_what_is_missing_or_old_and_goes_on_where_it_was_stopped(
    log: ReplicaStore, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [await say(log, place, f"prompt {number}", "reply") for number in range(12)]
    streaming = await begin(log, place, "not yet")
    assert [made async for _, made in reindex(database)] == [0]
    await change(database, "DELETE FROM turn_entries WHERE turn_id = ANY(:t)", t=[each.id for each in begun[:4]])
    await change(
        database,
        "UPDATE turn_entries SET version = 0, lexemes = '{1}' WHERE turn_id = ANY(:t)",
        t=[each.id for each in begun[4:10]],
    )
    for name, value in (("WINDOW_TURNS", 5), ("BATCH_TURNS", 2)):
        monkeypatch.setattr(indexer, name, value)
    first: list[tuple[int, int]] = []
    async for probe_connection, made in reindex(database):
        first.append((probe_connection, made))
        if made:
            break
    second = [each async for each in reindex(database)]
    assert sum(made for _, made in first + second) == 10
    assert 0 < first[-1][1] < 10
    for each in begun:
        assert await lexemes(database, each) == expected(each, "reply")
    assert await lexemes(database, streaming) == []
    total: Any = (await rows(database, "SELECT count(*) FROM turns"))[0][0]
    assert sum(probe_connection for probe_connection, _ in second) == total
    await log.end(streaming, Outcome("complete", ""))


async def test_a_turn_by_new_turn_is_indexed_from_the_prompt_that_it_repeats(
    log: ReplicaStore, database: Database, place: Place
) -> None:
    first = await say(log, place, "regenerate me", "no")
    again = await log.begin(place[0], NewTurn(place[1], None, sibling_of=first.id), context_tokens=1000)
    await log.end(again, Outcome("complete", "yes"))
    await log.index()
    assert await lexemes(database, again) == expected(again, "yes")
    assert again.content == "regenerate me"


async def test_a_reindex_goes_on_while_turns_are_taken_and_deleted(
    log: ReplicaStore, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [await say(log, place, f"before {number}", "reply") for number in range(20)]
    gone = await new_conversation(database, place[0])
    for number in range(10):
        await say(log, (place[0], gone), f"gone {number}", "reply")
    await change(database, "UPDATE turn_entries SET version = 0, lexemes = '{1}' WHERE user_id = :u", u=place[0])
    for name, value in (("WINDOW_TURNS", 5), ("BATCH_TURNS", 2)):
        monkeypatch.setattr(indexer, name, value)
    windows = 0
    async for _ in reindex(database):
        windows += 1
        begun.append(await say(log, place, f"meanwhile {windows}", "reply"))
        if windows == 2:
            async with database.transaction() as connection:
                assert await delete_conversation(connection, place[0], gone)
    assert windows > 2
    for each in begun:
        assert await lexemes(database, each) == expected(each, "reply")
    left = "SELECT count(*) FROM turn_entries WHERE user_id = :u AND version = 0"
    assert (await rows(database, left, u=place[0]))[0][0] == 0


async def test_a_process_that_dies_between_the_two_entries_of_a_turn_leaves_it_to_others(
    log: ReplicaStore, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await begin(log, place, "tea")
    thought = reasoning_item("kettle", "reasoning", 1.0)
    await log.end(begun, Outcome("complete", "yes", [thought, {"type": "message", "start": 0, "end": 3}]))
    keep_all = indexer._keep_all

    async def dies(database: Database, turns: Any, entries: Any) -> int:
        if entries is indexer.TURNS:
            raise asyncio.CancelledError
        return await keep_all(database, turns, entries)

    monkeypatch.setattr(indexer, "_keep_all", dies)
    with pytest.raises(asyncio.CancelledError):
        await log.index()
    monkeypatch.setattr(indexer, "_keep_all", keep_all)
    of_reasoning = "SELECT count(*) FROM reasoning_entries WHERE turn_id = :t"
    assert (await rows(database, of_reasoning, t=begun.id))[0][0] == 1
    assert await lexemes(database, begun) == []
    assert await unsettled(database, begun) == 1
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    await index_pending(database)
    assert await lexemes(database, begun) == expected(begun, "yes")
    assert (await rows(database, of_reasoning, t=begun.id))[0][0] == 1
    assert await unsettled(database, begun) == 0
