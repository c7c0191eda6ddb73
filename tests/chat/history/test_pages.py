"""Pages of a path against a plain walk over a random tree."""

import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chatkeep.chat.history import conversations, pages
from chatkeep.chat.history.pages import siblings_page, turns_page
from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from tests.chat.history.test_store import new_conversation, new_user, turn_store
from tests.support.replicas import ReplicaStore


@pytest.fixture(scope="module")
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(shared_database_url)
    yield database
    await database.close()


async def grow(
    log: ReplicaStore, user_id: UUID, conversation_id: UUID, chance: random.Random, size: int
) -> dict[UUID, UUID | None]:
    """Grow a tree, mostly at its newest turn; return each turn's parent."""
    parents: dict[UUID, UUID | None] = {}
    for number in range(size):
        parent = chance.choice(list(parents)) if parents and chance.random() < 0.25 else None
        new = NewTurn(conversation_id, f"turn {number}", parent_id=parent)
        begun = await log.begin(user_id, new, context_tokens=300)
        await log.end(begun, Outcome("complete", f"reply {number}"))
        parents[begun.id] = begun.parent_id
    return parents


def text_bytes(turn: Turn) -> int:
    return len(turn.prompt.content.encode()) + (len(turn.reply.content.encode()) if turn.reply else 0)


def path_to(head: UUID | None, parents: dict[UUID, UUID | None]) -> list[UUID]:
    path = []
    while head is not None:
        path.append(head)
        head = parents[head]
    return path


async def all_pages(
    database: Database, user_id: UUID, conversation_id: UUID, order: str, limit: int, *, is_bounded: bool = False
) -> list[Turn]:
    turns: list[Turn] = []
    cursor = None
    while True:
        page = await turns_page(
            database, user_id, conversation_id, order="asc" if order == "asc" else "desc", limit=limit, cursor=cursor
        )
        assert page.items
        assert len(page.items) == 1 or sum(map(text_bytes, page.items[:-1])) <= pages.MAX_PAGE_BYTES
        turns += page.items
        cursor = page.next_cursor
        if cursor is None:
            return turns
        assert len(page.items) == limit or is_bounded


@pytest.mark.parametrize("seed", range(6))
async def test_pages_are_the_path_in_both_directions(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    log = turn_store(database)
    user_id = await new_user(database)
    conversation_id = await new_conversation(database, user_id)
    parents = await grow(log, user_id, conversation_id, chance, size=chance.choice([1, 12, 40]))
    for head in chance.sample(list(parents), min(4, len(parents))):
        async with database.transaction() as connection:
            await conversations.update_conversation(connection, user_id, conversation_id, {"head_turn_id": head})
        expected = path_to(head, parents)
        for limit in (1, 3, 7, 200):
            down = await all_pages(database, user_id, conversation_id, "desc", limit)
            assert [turn.id for turn in down] == expected
            up = await all_pages(database, user_id, conversation_id, "asc", limit)
            assert [turn.id for turn in up] == expected[::-1]
            assert up == down[::-1]
        for turn in down:
            beside = sorted(each for each, parent in parents.items() if parent == turn.parent_id)
            assert (turn.siblings.count, turn.siblings.position) == (len(beside), beside.index(turn.id) + 1)
            assert turn.index == len(path_to(turn.id, parents)) - 1


@pytest.mark.parametrize("max_beside", [2, 100])
@pytest.mark.parametrize("max_bytes", [0, 60, 400])
async def test_pages_that_end_early_are_the_path_in_both_directions(
    database: Database, monkeypatch: pytest.MonkeyPatch, max_bytes: int, max_beside: int
) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", max_bytes)
    monkeypatch.setattr(pages, "MAX_BESIDE", max_beside)
    chance = random.Random(max_bytes + max_beside)
    log = turn_store(database)
    user_id = await new_user(database)
    conversation_id = await new_conversation(database, user_id)
    parents = await grow(log, user_id, conversation_id, chance, size=30)
    for head in [*chance.sample(list(parents), 3), list(parents)[-1]]:
        async with database.transaction() as connection:
            await conversations.update_conversation(connection, user_id, conversation_id, {"head_turn_id": head})
        expected = path_to(head, parents)
        for limit in (1, 7, 200):
            for order, path in (("desc", expected), ("asc", expected[::-1])):
                turns = await all_pages(database, user_id, conversation_id, order, limit, is_bounded=True)
                assert [turn.id for turn in turns] == path
                assert all(turn.prompt.content and turn.reply and turn.reply.content for turn in turns)
                for turn in turns:
                    beside = sorted(each for each, parent in parents.items() if parent == turn.parent_id)
                    assert (turn.siblings.count, turn.siblings.position) == (len(beside), beside.index(turn.id) + 1)
        path = [turn.id async for turn in pages.path_up(database, user_id, conversation_id, start_id=None, limit=9)]
        assert path == expected[:9]


async def test_siblings_of_long_texts_come_in_short_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 250)
    log = turn_store(database)
    user_id = await new_user(database)
    conversation_id = await new_conversation(database, user_id)
    first = await log.begin(user_id, NewTurn(conversation_id, "x" * 100), context_tokens=300)
    await log.end(first, Outcome("complete"))
    ids = [first.id]
    for _ in range(6):
        begun = await log.begin(user_id, NewTurn(conversation_id, "x" * 100, sibling_of=first.id), context_tokens=300)
        await log.end(begun, Outcome("complete"))
        ids.append(begun.id)
    for limit, sizes in ((200, [3, 3, 1]), (2, [2, 2, 2, 1])):
        found: list[list[UUID]] = []
        cursor = None
        while cursor or not found:
            page = await siblings_page(database, user_id, conversation_id, first.id, limit=limit, cursor=cursor)
            found.append([turn.id for turn in page.items])
            assert all(turn.prompt.content == "x" * 100 for turn in page.items)
            cursor = page.next_cursor
        assert [len(each) for each in found] == sizes
        assert [each for part in found for each in part] == ids


async def test_nothing_is_skipped_or_repeated_while_turns_are_added(database: Database) -> None:
    log = turn_store(database)
    user_id = await new_user(database)
    conversation_id = await new_conversation(database, user_id)
    first = await grow(log, user_id, conversation_id, random.Random(1), size=0)
    for order in ("desc", "asc"):
        seen: list[UUID] = []
        cursor, before = None, len(first)
        for _ in range(5):
            first |= await grow_straight(log, user_id, conversation_id, 3)
        while True:
            page = await turns_page(
                database, user_id, conversation_id, order="asc" if order == "asc" else "desc", limit=4, cursor=cursor
            )
            seen += [turn.id for turn in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
            first |= await grow_straight(log, user_id, conversation_id, 1)
        assert len(seen) == len(set(seen))
        expected = list(first)
        if order == "asc":
            assert seen == expected[: len(seen)]
            assert len(seen) > before
        else:
            assert seen == expected[: len(seen)][::-1]


async def grow_straight(log: ReplicaStore, user_id: UUID, conversation_id: UUID, size: int) -> dict[UUID, UUID | None]:
    grown: dict[UUID, UUID | None] = {}
    for _ in range(size):
        begun = await log.begin(user_id, NewTurn(conversation_id, "next"), context_tokens=300)
        await log.end(begun, Outcome("complete", "reply"))
        grown[begun.id] = begun.parent_id
    return grown
