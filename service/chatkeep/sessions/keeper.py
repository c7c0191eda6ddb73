"""The writes of a request's session, and their order: every write of the library is here.

Each write is one step of the store, whole or not at all, and a process may die after any line of it:

- `_create`: before the store has it, nothing happened. After, and before the cookie is sent: a session whose secret
  nobody has; it ends by itself.
- `_save`: before, the client was told nothing and nothing is kept. After, and before the answer: it is kept, and
  the client may try again, as after any lost answer.
- `_change_id`: before, the old id is as it was, and nobody is signed in with it. After, and before the cookie is
  sent: the old id is worth nothing, the new one is known to nobody, and signing in again works.
- `_end`: before, the session goes on and the client was not told that it ended. After, and before the cookie is
  cleared: the browser has a cookie that names nothing.
- `_end`, then `_create` (signing out and beginning again in one request): between the two there is no session.
- `update`: inside, nothing is changed and no lock stays; after, as `_save`.
- listeners are told after the store has answered; if the process dies before, they are never told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from chatkeep.clock import Clock
from chatkeep.ids import new_id
from chatkeep.sessions.attributes import Attributes
from chatkeep.sessions.cookies import SignedCookie, new_secret
from chatkeep.sessions.errors import AnswerBegun, CannotKeep, SessionEnded
from chatkeep.sessions.identity_keys import identities, only_signs_out
from chatkeep.sessions.listeners import Listeners, SessionLog, shorten_id
from chatkeep.sessions.open_session import OpenSession, session_id_of
from chatkeep.sessions.store import Changes, SessionLimits, SessionStore, StoredSession

T = TypeVar("T")


@dataclass(slots=True)
class SessionKeeper:
    """Opens sessions and keeps them.

    Args:
        max_age_seconds: how long the browser keeps the cookie; None until it is closed.
        sign_in_keys: attributes that say who is signed in: writing one changes the id.
    """

    store: SessionStore
    cookie: SignedCookie
    limits: SessionLimits
    max_age_seconds: int | None
    sign_in_keys: frozenset[str]
    listeners: Listeners
    log: SessionLog
    clock: Clock
    sweep_at: datetime | None = None

    async def open(self, cookies: Iterable[str]) -> OpenSession:
        """Return the session that one of the cookie's values names, or a new one, under an id of our own making."""
        now = self.clock()
        for value in cookies:
            secret = self.cookie.read(value)
            stored = None if secret is None else await self.store.load(session_id_of(secret), now)
            if secret is not None and stored is not None:
                return self._known(stored, secret, value, now)
        return self._new(now)

    def open_detached(self) -> OpenSession:
        """Return an empty session of which nothing will be kept."""
        session = self._new(self.clock())
        session.detached = True
        return session

    def _new(self, now: datetime) -> OpenSession:
        return OpenSession(None, new_secret(), now, Attributes(), self.limits.idle_seconds, {})

    def _known(self, stored: StoredSession, secret: str, value: str, now: datetime) -> OpenSession:
        attributes = Attributes(stored.attributes)
        who = identities(attributes, self.sign_in_keys)
        session = OpenSession(stored, secret, now, attributes, stored.max_inactive_seconds, who)
        renewed = self.max_age_seconds is not None and stored.needs_touch(now)
        if renewed or not self.cookie.is_signed_by_newest(value, secret):
            # The browser's copy of the end is moved with the server's; a retired key's signature is replaced.
            session.cookie_step = "set"
        return session

    def cookie_headers(self, session: OpenSession) -> Sequence[str]:
        """Return the `Set-Cookie` header that is due, if any."""
        if session.cookie_step == "set":
            return [self.cookie.write(session.secret, max_age_seconds=self.max_age_seconds)]
        return [self.cookie.clear()] if session.cookie_step == "clear" else []

    async def keep(self, session: OpenSession) -> bool:
        """Keep what the request changed; False where the session ended in the meantime, and nothing was kept."""
        if session.detached:
            return True
        if session.invalidated or session.attributes.was_cleared:
            await self.end(session)
        if session.invalidated:
            return True
        if session.stored is None:
            await self._create_if_any(session)
            return True
        if session.new_secret or self._needs_new_id(session):
            await self._change_id(session, session.stored)
            return True
        return await self._save(session, session.stored)

    def _needs_new_id(self, session: OpenSession) -> bool:
        """Whether somebody signs in or out by an attribute.

        Not where somebody signs out after the answer has begun: signing out must not fail for want of a cookie.
        """
        before, now = session.identities, identities(session.attributes, self.sign_in_keys)
        return now != before and not (session.answer_begun and only_signs_out(before, now))

    async def end(self, session: OpenSession) -> None:
        """End the stored session; a write after that begins a new one."""
        stored = session.stored
        session.begin_anew()
        session.attributes.begin_anew()
        if stored is None:
            return
        session.cookie_step = "clear"
        if await self.store.end(stored):
            self.log.say(f"session {shorten_id(stored.session_id)} ended")
            await self.listeners.destroyed(stored)

    async def _create_if_any(self, session: OpenSession) -> None:
        if not session.attributes:
            return
        if session.answer_begun:
            self.log.print_error(
                "a session was begun after the answer, which could not tell the client; it is not kept"
            )
            return
        await self._create(session)

    async def _create(self, session: OpenSession) -> StoredSession:
        if session.answer_begun:
            raise AnswerBegun("A new session cannot be kept any more: the answer has begun.")
        now = self.clock()
        stored = StoredSession(
            session_id=session.session_id,
            stable_id=new_id(),
            attributes=dict(session.attributes),
            created_at=session.opened_at,
            last_accessed_at=now,
            max_inactive_seconds=session.max_inactive_seconds,
            ends_at=self.limits.ends_at(session.opened_at),
        )
        await self.store.create(stored)
        self._mark_kept(session, stored)
        session.cookie_step = "set"
        self.log.say(f"session {shorten_id(stored.session_id)} created")
        await self.listeners.created(stored)
        return stored

    async def _change_id(self, session: OpenSession, stored: StoredSession) -> None:
        """Keep the changes under a new id.

        Where the session ended in the meantime, what this request wrote, and nothing else, becomes a new session: two
        sign-ins at once with one cookie are both signed in, and nothing of an ended session comes back.
        """
        if session.answer_begun:
            raise AnswerBegun("Somebody was signed in after the answer had begun; the session was not saved.")
        secret = session.new_secret or new_secret()
        moved = await self.store.change_id(stored.session_id, session_id_of(secret), session.changes(), self.clock())
        if moved is None:
            session.attributes.keep_only_changes()
            session.begin_anew()
            await self._create_if_any(session)
            return
        session.secret, session.new_secret = secret, None
        self._mark_kept(session, moved)
        session.cookie_step = "set"
        self.log.say(f"session {shorten_id(stored.session_id)} is now {shorten_id(moved.session_id)}")
        await self.listeners.id_changed(moved, stored.session_id)

    async def _save(self, session: OpenSession, stored: StoredSession) -> bool:
        changes = session.changes()
        if not changes and not session.save_asked:
            return True
        if not await self.store.save(stored.session_id, changes, self.clock()):
            self.log.print_error(f"session {shorten_id(stored.session_id)} ended before its changes were saved")
            return False
        self._mark_kept(session, replace(stored, max_inactive_seconds=session.max_inactive_seconds))
        return True

    def _mark_kept(self, session: OpenSession, stored: StoredSession) -> None:
        session.stored = stored
        session.attributes.mark_kept()
        session.identities = identities(session.attributes, self.sign_in_keys)
        session.save_asked = False

    async def reload(self, session: OpenSession) -> None:
        """Show the stored session as it is now. Raises: SessionEnded."""
        await self._end_if_cleared(session)
        if session.stored is None or session.detached:
            return
        stored = await self.store.load(session.stored.session_id, self.clock())
        if stored is None:
            raise SessionEnded
        if session.max_inactive_seconds == session.stored.max_inactive_seconds:
            session.max_inactive_seconds = stored.max_inactive_seconds
        session.stored = stored
        self._show(session, stored.attributes, Changes())

    def _show(self, session: OpenSession, kept: dict[str, Any], settled: Changes) -> None:
        session.identities = identities(kept, self.sign_in_keys)
        session.attributes.take_over(kept, settled)

    async def _end_if_cleared(self, session: OpenSession) -> None:
        if session.attributes.was_cleared and not session.detached:
            await self.end(session)

    async def update(self, session: OpenSession, function: Callable[[dict[str, Any]], T]) -> T:
        """Let the function change the stored session. Raises: SessionEnded, AnswerBegun, CannotKeep."""
        call = _Call(function, self.sign_in_keys)
        if session.detached:
            call(session.attributes)
            return call.result
        await self._end_if_cleared(session)
        stored = session.stored or await self._create(session)
        kept = await self.store.update(stored.session_id, call, self.clock())
        if kept is None:
            raise SessionEnded
        self._show(session, kept, call.changes)
        return call.result

    async def sweep_when_due(self) -> None:
        """Delete expired sessions, now and then; a failure is put off to the next time."""
        now = self.clock()
        if self.sweep_at is not None and now < self.sweep_at:
            return
        due, self.sweep_at = self.sweep_at, now + timedelta(seconds=self.store.sweep_seconds)
        if due is None:
            return
        try:
            while ended := await self.store.sweep(now):
                for session in ended:
                    await self.listeners.destroyed(session)
        except Exception as error:  # noqa: BLE001  the request that happened to come by has its answer already
            self.log.print_error(f"sessions that are over were not deleted: {type(error).__name__}")


class _Call(Generic[T]):
    """A handler's function as a store calls it: what it returned and what it changed are kept for the request."""

    def __init__(self, function: Callable[[dict[str, Any]], T], sign_in_keys: frozenset[str]) -> None:
        self._function = function
        self._sign_in_keys = sign_in_keys
        self.result: T
        self.changes = Changes()

    def __call__(self, kept: dict[str, Any]) -> None:
        attributes, before = Attributes(kept), identities(kept, self._sign_in_keys)
        self.result = self._function(attributes)
        if before != identities(attributes, self._sign_in_keys):
            # The old id would be signed in until the new one is kept.
            raise CannotKeep("Signing in and out takes a new id: do it in the session, not in update_atomically.")
        self.changes = attributes.changes()
        self.changes.apply(kept)
