"""Promises of every store, whichever it is."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatkeep.ids import new_id
from chatkeep.sessions import Changes, SessionStore, StoredSession, digest_of, new_secret

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def new_session_id() -> str:
    return digest_of(new_secret()).hex()


async def begun(store: SessionStore, *, idle: int = 3600, **attributes: Any) -> StoredSession:
    session = StoredSession(new_session_id(), new_id(), attributes, NOW, NOW, idle, NOW + timedelta(days=1))
    await store.create(session)
    return session


async def content(store: SessionStore, session_id: str, now: datetime = NOW) -> dict[str, Any] | None:
    found = await store.load(session_id, now)
    return None if found is None else found.attributes


async def test_what_was_created_is_loaded(store: SessionStore) -> None:
    session = await begun(store, cart=["tea", {"number": 2}], note="日本語 🙂", nothing=None)
    assert await store.load(session.session_id, NOW) == session
    assert await store.load(new_session_id(), NOW) is None


async def test_a_loaded_session_is_a_copy(store: SessionStore) -> None:
    session = await begun(store, cart=["tea"])
    session.attributes["cart"].append("never kept")
    found = await store.load(session.session_id, NOW)
    assert found is not None
    found.attributes["cart"].append("never kept either")
    assert await content(store, session.session_id) == {"cart": ["tea"]}


async def test_changes_are_merged_into_what_is_kept(store: SessionStore) -> None:
    session = await begun(store, a=1, b=2, c=3)
    assert await store.save(session.session_id, Changes({"a": 10, "d": 4}, frozenset("b")), NOW)
    assert await store.save(session.session_id, Changes({"e": 5}), NOW)
    assert await content(store, session.session_id) == {"a": 10, "c": 3, "d": 4, "e": 5}


async def test_many_who_write_different_attributes_lose_nothing(store: SessionStore) -> None:
    session = await begun(store)
    saves = (store.save(session.session_id, Changes({f"key {n}": n}), NOW) for n in range(30))
    assert all(await asyncio.gather(*saves))
    assert await content(store, session.session_id) == {f"key {n}": n for n in range(30)}


async def test_fifty_who_add_one_add_fifty(store: SessionStore) -> None:
    session = await begun(store, count=0)

    def add_one(kept: dict[str, Any]) -> None:
        kept["count"] += 1

    await asyncio.gather(*(store.update(session.session_id, add_one, NOW) for _ in range(50)))
    assert await content(store, session.session_id) == {"count": 50}


async def test_an_update_that_raises_changes_nothing_and_leaves_no_lock(store: SessionStore) -> None:
    session = await begun(store, cart=["tea"], count=1)

    def fail(kept: dict[str, Any]) -> None:
        kept["cart"].append("coffee")
        del kept["count"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.update(session.session_id, fail, NOW)
    assert await content(store, session.session_id) == {"cart": ["tea"], "count": 1}
    assert await store.save(session.session_id, Changes({"count": 2}), NOW)


async def test_an_update_can_remove(store: SessionStore) -> None:
    session = await begun(store, a=1, b=2)
    assert await store.update(session.session_id, lambda kept: kept.update(c=3) or kept.pop("a"), NOW) == {
        "b": 2,
        "c": 3,
    }
    assert await content(store, session.session_id) == {"b": 2, "c": 3}


async def test_a_new_id_takes_the_changes_with_it_and_the_old_one_is_dead(store: SessionStore) -> None:
    session, new = await begun(store, cart=["tea"]), new_session_id()
    moved = await store.change_id(session.session_id, new, Changes({"user": "alice"}), NOW)
    assert moved == replace(session, session_id=new, attributes={"cart": ["tea"], "user": "alice"})
    assert await store.load(new, NOW) == moved
    assert await store.load(session.session_id, NOW) is None
    assert not await store.save(session.session_id, Changes({"late": 1}), NOW)
    assert await store.update(session.session_id, lambda kept: kept.update(late=1), NOW) is None
    assert await store.change_id(session.session_id, new_session_id(), Changes(), NOW) is None
    assert await content(store, new) == {"cart": ["tea"], "user": "alice"}


async def test_of_many_who_change_the_id_one_does(store: SessionStore) -> None:
    session = await begun(store)
    ids = [new_session_id() for _ in range(8)]
    moved = await asyncio.gather(*(store.change_id(session.session_id, new, Changes(), NOW) for new in ids))
    alive = [new for new in ids if await store.load(new, NOW) is not None]
    assert alive == [each.session_id for each in moved if each is not None]
    assert len(alive) == 1


async def test_what_ended_does_not_come_back(store: SessionStore) -> None:
    session = await begun(store, user="alice")
    assert await store.end(session)
    assert not await store.end(session)
    assert not await store.save(session.session_id, Changes({"user": "alice"}), NOW)
    assert await store.update(session.session_id, lambda kept: kept.update(user="alice"), NOW) is None
    assert await store.change_id(session.session_id, new_session_id(), Changes(), NOW) is None
    assert await store.load(session.session_id, NOW) is None


async def test_a_session_ends_even_for_who_knows_only_its_old_id(store: SessionStore) -> None:
    session, new = await begun(store, user="alice"), new_session_id()
    await store.change_id(session.session_id, new, Changes(), NOW)
    assert await store.end(session)
    assert await store.load(new, NOW) is None


async def test_unused_it_ends_and_used_it_goes_on(store: SessionStore) -> None:
    session = await begun(store, a=1)
    assert await content(store, session.session_id, NOW + 59 * MINUTE) == {"a": 1}
    assert await content(store, session.session_id, NOW + 118 * MINUTE) == {"a": 1}
    assert await content(store, session.session_id, NOW + 178 * MINUTE) is None
    assert not await store.save(session.session_id, Changes({"a": 2}), NOW + 178 * MINUTE)


async def test_used_or_not_it_ends_at_last(store: SessionStore) -> None:
    session = await begun(store, a=1)
    for half_hours in range(48):
        assert await content(store, session.session_id, NOW + half_hours * HOUR / 2) == {"a": 1}
    assert await content(store, session.session_id, NOW + timedelta(days=1)) is None


async def test_without_an_interval_only_the_end_counts(store: SessionStore) -> None:
    session = await begun(store, idle=0, a=1)
    assert await content(store, session.session_id, NOW + 23 * HOUR) == {"a": 1}
    assert await store.save(session.session_id, Changes({"b": 2}), NOW + 23 * HOUR)
    assert await content(store, session.session_id, NOW + 24 * HOUR) is None


async def test_an_interval_is_kept_with_the_session(store: SessionStore) -> None:
    session = await begun(store, a=1)
    assert await store.save(session.session_id, Changes(max_inactive_seconds=60), NOW)
    found = await store.load(session.session_id, NOW + timedelta(seconds=59))
    assert found is not None
    assert found.max_inactive_seconds == 60
    assert await store.load(session.session_id, NOW + timedelta(seconds=120)) is None


async def test_the_time_of_use_is_known_to_within_a_minute(store: SessionStore) -> None:
    session = await begun(store)
    for seconds, expected in ((30, 0), (61, 0), (90, 61), (130, 61), (131, 130)):
        found = await store.load(session.session_id, NOW + timedelta(seconds=seconds))
        assert found is not None
        assert found.last_accessed_at == NOW + timedelta(seconds=expected)


async def test_sweeping_gives_back_what_was_over_once(store: SessionStore) -> None:
    over, alive = await begun(store, idle=60, a=1), await begun(store, idle=0)
    later = NOW + 2 * MINUTE
    swept = [session for batch in [await store.sweep(later), await store.sweep(later)] for session in batch]
    if type(store).__name__ == "AdaptedStore":
        assert swept == []  # such a store cannot be searched
        return
    ours = [session for session in swept if session.stable_id in (over.stable_id, alive.stable_id)]
    assert ours == [over]
    assert await store.load(alive.session_id, later) is not None
