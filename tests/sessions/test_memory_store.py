"""The store in memory: it is bounded, and it holds objects."""

import threading
from datetime import UTC, datetime, timedelta

from chatkeep.ids import new_id
from chatkeep.sessions import Changes, MemoryStore, StoredSession

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def session(name: str, *, idle: int = 3600, now: datetime = NOW) -> StoredSession:
    return StoredSession(name, new_id(), {"name": name}, now, now, idle, now + timedelta(days=90))


async def alive(store: MemoryStore, *names: str, now: datetime = NOW) -> list[str]:
    return [name for name in names if await store.load(name, now) is not None]


async def test_there_are_never_more_than_allowed() -> None:
    store = MemoryStore(max_sessions=3)
    for number in range(10):
        await store.create(session(f"{number}"))
        assert len(store) <= 3
    assert await alive(store, *map(str, range(10))) == ["7", "8", "9"]


async def test_the_one_that_was_not_used_for_longest_goes_first() -> None:
    store = MemoryStore(max_sessions=3)
    for name in ("a", "b", "c"):
        await store.create(session(name))
    assert await alive(store, "c", "a", "b") == ["c", "a", "b"]
    await store.create(session("d"))
    await store.load("d", NOW)
    assert await alive(store, "a", "b", "c", "d") == ["a", "b", "d"]


async def test_a_flood_of_sessions_signs_nobody_out() -> None:
    """A program that never comes back with its cookies pushes out only others of its kind."""
    store = MemoryStore(max_sessions=100)
    people = [f"person {number}" for number in range(50)]
    for name in people:
        await store.create(session(name))
    assert await alive(store, *people) == people
    for number in range(1000):
        await store.create(session(f"flood {number}"))
    assert await alive(store, *people) == people
    assert len(store) == 100


async def test_what_had_to_go_is_told() -> None:
    store = MemoryStore(max_sessions=1)
    first = session("a")
    await store.create(first)
    await store.create(session("b"))
    assert await store.sweep(NOW) == [first]
    assert await store.sweep(NOW) == []


async def test_what_is_over_leaves_no_memory_behind() -> None:
    store = MemoryStore()
    for number in range(100):
        await store.create(session(f"{number}"))
        await store.change_id(f"{number}", f"new {number}", Changes(), NOW)
    assert len(await store.sweep(NOW + timedelta(hours=1))) == 100
    assert len(store) == 0
    assert store._id_by_stable_id == {}


async def test_an_object_that_cannot_be_copied_is_shared_and_the_others_are_not() -> None:
    store, lock = MemoryStore(), threading.Lock()
    await store.create(StoredSession("a", new_id(), {"lock": lock, "set": {1}}, NOW, NOW, 0, NOW + timedelta(days=1)))
    first, second = await store.load("a", NOW), await store.load("a", NOW)
    assert first is not None
    assert second is not None
    assert first.attributes["lock"] is second.attributes["lock"] is lock
    assert first.attributes["set"] == second.attributes["set"]
    assert first.attributes["set"] is not second.attributes["set"]


def test_threads_may_use_fastsessions_methods_at_once() -> None:
    store = MemoryStore(max_sessions=50)

    def make(thread: int) -> None:
        for number in range(300):
            store.create_store(f"{thread} {number}")["n"] = number
            store.gc()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 50
