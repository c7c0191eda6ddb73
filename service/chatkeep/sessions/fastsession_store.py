"""Stores that were written for fastsession, behind this library's protocol."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from chatkeep.sessions.attributes import copy_values
from chatkeep.sessions.store import Changes, StoredSession, Update

# Fields that the dict of a fastsession store has no other place for. Numbers and strings: it may be written as JSON.
RECORD = "__session__"
MAX_MOVES = 20


@runtime_checkable
class FastSessionStore(Protocol):
    """The interface that fastsession asks of a store."""

    def create_store(self, session_id: str) -> Any: ...

    def get_store(self, session_id: str) -> Any: ...

    def save_store(self, session_id: str) -> Any: ...


class AdaptedStore:
    """Keeps sessions in a store written for fastsession.

    It is called as fastsession calls it: on the event loop, never twice at once. So within one process each call
    is whole; between processes the last writer counts, because such a store cannot lock. It cannot delete either:
    a session that ends is emptied and marked.

    If the process dies in the middle of `change_id`, the new id may be kept and unknown to everybody while the
    old one is as it was: nobody is signed in with the old one.
    """

    sweep_seconds = 600

    def __init__(self, store: FastSessionStore) -> None:
        self._store = store

    async def load(self, session_id: str, now: datetime) -> StoredSession | None:
        session = self._session(session_id, now)
        if session is None:
            return None
        if session.needs_touch(now):
            self._write(replace(session, last_accessed_at=now))
        return replace(session, attributes=copy_values(session.attributes))

    async def create(self, session: StoredSession) -> None:
        self._store.create_store(session.session_id)
        self._write(replace(session, attributes=copy_values(session.attributes)))
        # fastsession has its store tidy up for each new session.
        if callable(tidy_up := getattr(self._store, "gc", None)):
            tidy_up()

    async def save(self, session_id: str, changes: Changes, now: datetime) -> bool:
        session = self._session(session_id, now)
        if session is None:
            return False
        self._write(_changed(session, changes, now))
        return True

    async def update(self, session_id: str, function: Update, now: datetime) -> dict[str, Any] | None:
        session = self._session(session_id, now)
        if session is None:
            return None
        attributes = copy_values(session.attributes)
        function(attributes)
        self._write(replace(session, attributes=copy_values(attributes), last_accessed_at=now))
        return attributes

    async def change_id(self, session_id: str, new_id: str, changes: Changes, now: datetime) -> StoredSession | None:
        session = self._session(session_id, now)
        if session is None:
            return None
        moved = replace(_changed(session, changes, now), session_id=new_id)
        self._store.create_store(new_id)
        self._write(moved)
        self._mark_ended(session_id, moved_to=new_id)
        return replace(moved, attributes=copy_values(moved.attributes))

    async def end(self, session: StoredSession) -> bool:
        session_id = session.session_id
        for _ in range(MAX_MOVES):
            record = (self._store.get_store(session_id) or {}).get(RECORD, {})
            if "moved_to" not in record:
                break
            session_id = record["moved_to"]
        if "lineage" not in record:
            return False
        self._mark_ended(session_id)
        return True

    async def sweep(self, now: datetime) -> Sequence[StoredSession]:  # noqa: ARG002
        """Such a store cannot be searched; its own `gc` is called for each new session."""
        return []

    async def close(self) -> None:
        """The store is its owner's."""

    def _session(self, session_id: str, now: datetime) -> StoredSession | None:
        kept = self._store.get_store(session_id)
        record = (kept or {}).get(RECORD, {})
        if "lineage" not in record:
            return None
        session = StoredSession(
            session_id=session_id,
            stable_id=UUID(record["lineage"]),
            attributes={name: value for name, value in kept.items() if name != RECORD},
            created_at=_time(record["created_at"]),
            last_accessed_at=_time(record["last_accessed_at"]),
            max_inactive_seconds=record["max_inactive_seconds"],
            ends_at=_time(record["ends_at"]),
        )
        return None if session.is_over(now) else session

    def _write(self, session: StoredSession) -> None:
        kept = self._store.get_store(session.session_id)
        if kept is None:
            kept = self._store.create_store(session.session_id)
        record = {
            "lineage": str(session.stable_id),
            "created_at": session.created_at.timestamp(),
            "last_accessed_at": session.last_accessed_at.timestamp(),
            "max_inactive_seconds": session.max_inactive_seconds,
            "ends_at": session.ends_at.timestamp(),
        }
        _replace(kept, session.attributes | {RECORD: record})
        self._store.save_store(session.session_id)

    def _mark_ended(self, session_id: str, **record: str) -> None:
        kept = self._store.get_store(session_id)
        if kept is not None:
            _replace(kept, {RECORD: record})
            self._store.save_store(session_id)


def _replace(kept: dict[str, Any], content: dict[str, Any]) -> None:
    """Change the store's own dict, which is what it saves."""
    for name in kept.keys() - content.keys():
        del kept[name]
    kept.update(content)


def _changed(session: StoredSession, changes: Changes, now: datetime) -> StoredSession:
    attributes = dict(session.attributes)
    Changes(copy_values(changes.written), changes.removed).apply(attributes)
    idle = changes.max_inactive_seconds
    idle = session.max_inactive_seconds if idle is None else idle
    return replace(session, attributes=attributes, last_accessed_at=now, max_inactive_seconds=idle)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
