"""A session while nobody uses it, and the interface of a store that keeps it."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

# Writing on every request would cost as much as the request.
TOUCH_INTERVAL = timedelta(minutes=1)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Update: TypeAlias = Callable[[dict[str, Any]], None]


def later(time: datetime, by: timedelta) -> datetime:
    """Return the time that is `by` later, or earlier; at most the calendar's end."""
    try:
        return time + by
    except OverflowError:
        return EARLIEST if by < timedelta(0) else LATEST


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Args:
    idle_seconds: unused for this long, a session ends.
    max_seconds: used or not, it ends this long after it began.
    """

    idle_seconds: int
    max_seconds: int

    def ends_at(self, began_at: datetime) -> datetime:
        """Return when a session ends at the latest."""
        return later(began_at, timedelta(seconds=self.max_seconds))

    def ends_unused_at(self, last_seen_at: datetime, ends_at: datetime) -> datetime:
        """Return when a session ends if it is not used again."""
        return min(ends_at, later(last_seen_at, timedelta(seconds=self.idle_seconds)))

    def idle_since(self, now: datetime) -> datetime:
        """Return the moment after which a session must have been seen to be alive now."""
        return later(now, -timedelta(seconds=self.idle_seconds))

    @property
    def touch_interval(self) -> timedelta:
        """How old `last_seen_at` may grow; shorter where a minute would be much of the idle limit."""
        return min(TOUCH_INTERVAL, timedelta(seconds=self.idle_seconds) / 4)

    def needs_touch(self, now: datetime, last_seen_at: datetime) -> bool:
        return now - last_seen_at >= self.touch_interval


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one request to a session.

    Args:
        written: attributes that are new or have another value.
        removed: names of attributes that are to go.
        max_inactive_seconds: None leaves it as it is.
    """

    written: Mapping[str, Any] = field(default_factory=dict)
    removed: AbstractSet[str] = frozenset()
    max_inactive_seconds: int | None = None

    def __bool__(self) -> bool:
        return bool(self.written or self.removed or self.max_inactive_seconds is not None)

    @property
    def names(self) -> AbstractSet[str]:
        return self.written.keys() | self.removed

    def without(self, other: "Changes") -> "Changes":
        """Return the changes of attributes that `other` does not touch."""
        written = {name: value for name, value in self.written.items() if name not in other.names}
        return Changes(written, self.removed - other.names, self.max_inactive_seconds)

    def apply(self, attributes: dict[str, Any]) -> None:
        """Merge the changes into the stored state; keys that they do not name stay."""
        for name in self.removed:
            attributes.pop(name, None)
        attributes.update(self.written)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it is kept.

    Args:
        session_id: 64 hexadecimal digits, the digest of the secret in the cookie: it opens nothing and may be shown.
        stable_id: names the session through all its ids.
        attributes: the caller's own copy.
        last_accessed_at: when it was used before, to within `touch_interval`.
        max_inactive_seconds: unused for this long, it ends; 0 sets no such limit.
        ends_at: used or not, it ends here.
    """

    session_id: str
    stable_id: UUID
    attributes: dict[str, Any]
    created_at: datetime
    last_accessed_at: datetime
    max_inactive_seconds: int
    ends_at: datetime

    @property
    def expires_at(self) -> datetime:
        """When it ends if it is not used again."""
        if self.max_inactive_seconds <= 0:
            return self.ends_at
        return min(self.ends_at, later(self.last_accessed_at, timedelta(seconds=self.max_inactive_seconds)))

    def is_over(self, now: datetime) -> bool:
        return self.expires_at <= now

    @property
    def touch_interval(self) -> timedelta:
        """How old `last_accessed_at` may grow: marking each request would cost as much as the request."""
        if self.max_inactive_seconds <= 0:
            return TOUCH_INTERVAL
        return min(TOUCH_INTERVAL, timedelta(seconds=self.max_inactive_seconds) / 4)

    def needs_touch(self, now: datetime) -> bool:
        return now - self.last_accessed_at >= self.touch_interval


@runtime_checkable
class SessionStore(Protocol):
    """A place for sessions. Each call is whole or not at all; none of them makes a session come back.

    `now` is given, so that one clock decides.
    """

    sweep_seconds: int
    """How often `cleanup` is worth calling."""

    async def load(self, session_id: str, now: datetime) -> StoredSession | None:
        """Return the session, as it was before this request, and mark it as used; None where there is none."""

    async def create(self, session: StoredSession) -> None:
        """Keep a new session."""

    async def save(self, session_id: str, changes: Changes, now: datetime) -> bool:
        """Merge the changes into the stored state; False, and nothing is kept, where the session ended."""

    async def update(self, session_id: str, function: Update, now: datetime) -> dict[str, Any] | None:
        """Let `function` change the stored state, alone; return the new state.

        The function is called at most once, and must not wait for anything. Where it raises, nothing is changed.
        None, and the function is not called, where the session ended.
        """

    async def change_id(self, session_id: str, new_id: str, changes: Changes, now: datetime) -> StoredSession | None:
        """Merge the changes and give the session another id, in one step: the old id never sees the changes.

        None, and nothing is kept, where the session ended or already has another id.
        """

    async def end(self, session: StoredSession) -> bool:
        """End the session, whatever its id is by now; False where it had ended."""

    async def sweep(self, now: datetime) -> Sequence[StoredSession]:
        """Delete some of the sessions that are over and return them; an empty answer means that none is left."""

    async def close(self) -> None:
        """Let go of what the store holds open; a later call may open it again."""
