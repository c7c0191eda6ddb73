"""Sessions in this process's memory: gone with it, and not seen by another."""

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chatkeep.clock import Clock, utc_now
from chatkeep.ids import new_id
from chatkeep.sessions.attributes import copy_values
from chatkeep.sessions.store import Changes, StoredSession, Update

MAX_SESSIONS = 50_000
MAX_PENDING_SESSIONS = 1_000
SWEEP_SECONDS = 60
# Of sessions that are made by `create_store`; the middleware says itself how long its own live.
IDLE_SECONDS = 12 * 60 * 60
DEFAULT_MAX_SECONDS = 90 * 24 * 60 * 60


class MemoryStore:
    """Keeps sessions in memory: any Python objects, bounded in number, each until it is over.

    A request gets copies; an object that cannot be copied is kept as it is and shared by all requests.
    One lock makes each call whole, for threads, too. The methods without `async` are fastsession's.

    Args:
        max_sessions: beyond it the one that was unused for longest goes. Those whose client never came back with
            the cookie go first: a program that makes sessions and forgets them signs nobody out.
        clock: for fastsession's methods; the others are told the time.
    """

    sweep_seconds = SWEEP_SECONDS

    def __init__(self, max_sessions: int = MAX_SESSIONS, *, clock: Clock = utc_now) -> None:
        self._max_sessions = max(1, max_sessions)
        self._clock = clock
        self._lock = threading.RLock()
        # Both in the order of use: those that were made and not seen since, and those that came back.
        self._new: OrderedDict[str, StoredSession] = OrderedDict()
        self._known: OrderedDict[str, StoredSession] = OrderedDict()
        self._id_by_stable_id: dict[UUID, str] = {}
        # Ended by fastsession's methods or for want of room; the next sweep tells the listeners.
        self._untold: deque[StoredSession] = deque(maxlen=MAX_PENDING_SESSIONS)

    def __len__(self) -> int:
        return len(self._new) + len(self._known)

    async def load(self, session_id: str, now: datetime) -> StoredSession | None:
        with self._lock:
            session = self._find(session_id, now)
            if session is None:
                return None
            self._remove(session)
            seen_at = now if session.needs_touch(now) else session.last_accessed_at
            self._put(self._known, replace(session, last_accessed_at=seen_at))
            return replace(session, attributes=copy_values(session.attributes))

    async def create(self, session: StoredSession) -> None:
        with self._lock:
            self._put(self._new, replace(session, attributes=copy_values(session.attributes)))
            self._make_room()

    async def save(self, session_id: str, changes: Changes, now: datetime) -> bool:
        with self._lock:
            session = self._find(session_id, now)
            if session is None:
                return False
            self._put(self._place_of(session), _changed(session, changes, now))
            return True

    async def update(self, session_id: str, function: Update, now: datetime) -> dict[str, Any] | None:
        with self._lock:
            session = self._find(session_id, now)
            if session is None:
                return None
            attributes = copy_values(session.attributes)
            function(attributes)
            removed = session.attributes.keys() - attributes.keys()
            self._put(self._place_of(session), _changed(session, Changes(attributes, removed), now))
            return attributes

    async def change_id(self, session_id: str, new_id: str, changes: Changes, now: datetime) -> StoredSession | None:
        with self._lock:
            session = self._find(session_id, now)
            if session is None:
                return None
            place = self._place_of(session)
            self._remove(session)
            moved = replace(_changed(session, changes, now), session_id=new_id)
            self._put(place, moved)
            return replace(moved, attributes=copy_values(moved.attributes))

    async def end(self, session: StoredSession) -> bool:
        with self._lock:
            kept = self._kept(self._id_by_stable_id.get(session.stable_id, ""))
            if kept is None:
                return False
            self._remove(kept)
            return True

    async def sweep(self, now: datetime) -> Sequence[StoredSession]:
        with self._lock:
            ended = [*self._untold, *self._remove_over(now)]
            self._untold.clear()
            return ended

    async def close(self) -> None:
        """Nothing is open; the sessions stay."""

    def create_store(self, session_id: str) -> dict[str, Any]:
        """Begin a session and return its own dict: a change of it is kept at once. As fastsession's."""
        now = self._clock()
        end = now + timedelta(seconds=DEFAULT_MAX_SECONDS)
        session = StoredSession(session_id, new_id(), {}, now, now, IDLE_SECONDS, end)
        with self._lock:
            self._put(self._new, session)
            self._make_room()
        return session.attributes

    def get_store(self, session_id: str) -> dict[str, Any] | None:
        """Return the session's own dict, or None where it ended or never was. As fastsession's."""
        with self._lock:
            session = self._find(session_id, self._clock())
        return None if session is None else session.attributes

    def save_store(self, session_id: str) -> None:
        """Mark the session as used; its dict is the stored state. As fastsession's."""
        now = self._clock()
        with self._lock:
            session = self._find(session_id, now)
            if session is not None:
                self._put(self._place_of(session), replace(session, last_accessed_at=now))

    def has_session_id(self, session_id: str) -> bool:
        return self.get_store(session_id) is not None

    def has_no_session_id(self, session_id: str) -> bool:
        return self.get_store(session_id) is None

    def gc(self) -> None:
        """Delete the sessions that are over; the middleware does so by itself. As fastsession's."""
        self.cleanup_old_sessions()

    def cleanup_old_sessions(self) -> None:
        """Delete the sessions that are over: by how long they were unused, not by when they were made."""
        with self._lock:
            self._untold.extend(self._remove_over(self._clock()))

    def _kept(self, session_id: str) -> StoredSession | None:
        return self._known.get(session_id) or self._new.get(session_id)

    def _find(self, session_id: str, now: datetime) -> StoredSession | None:
        session = self._kept(session_id)
        return None if session is None or session.is_over(now) else session

    def _place_of(self, session: StoredSession) -> OrderedDict[str, StoredSession]:
        return self._known if session.session_id in self._known else self._new

    def _put(self, place: OrderedDict[str, StoredSession], session: StoredSession) -> None:
        place[session.session_id] = session
        self._id_by_stable_id[session.stable_id] = session.session_id

    def _remove(self, session: StoredSession) -> None:
        self._place_of(session).pop(session.session_id, None)
        self._id_by_stable_id.pop(session.stable_id, None)

    def _make_room(self) -> None:
        while len(self) > self._max_sessions:
            # The newest stays: it is the one that is being made.
            place = self._new if len(self._new) > 1 or not self._known else self._known
            session = next(iter(place.values()))
            self._remove(session)
            self._untold.append(session)

    def _remove_over(self, now: datetime) -> list[StoredSession]:
        over = [session for place in (self._new, self._known) for session in place.values() if session.is_over(now)]
        for session in over:
            self._remove(session)
        return over


def _changed(session: StoredSession, changes: Changes, now: datetime) -> StoredSession:
    """Merge changes into the session's own dict, which `get_store` may have handed out."""
    Changes(copy_values(changes.written), changes.removed).apply(session.attributes)
    idle = changes.max_inactive_seconds
    idle = session.max_inactive_seconds if idle is None else idle
    return replace(session, last_accessed_at=now, max_inactive_seconds=idle)
