"""The session as a handler sees it: servlet-style, with fastsession's four methods beside it."""

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import HTTPConnection

from chatkeep.errors import ConfigurationError
from chatkeep.sessions.attributes import Attributes
from chatkeep.sessions.cookies import new_secret
from chatkeep.sessions.errors import AnswerBegun, SessionEnded
from chatkeep.sessions.keeper import SessionKeeper
from chatkeep.sessions.open_session import OpenSession

SCOPE_KEY = "chatkeep.sessions"

T = TypeVar("T")


class HttpSession:
    """One browser's session, during one request.

    What a handler changes is saved just before the answer begins, and what it changes after that when the answer
    has ended; a handler that fails saves nothing. Only what was changed is saved, merged into what other requests
    saved in the meantime: of two that write the same attribute the later one counts, see `update_atomically`.

    Raises:
        SessionEnded: from everything but `is_valid`, after `invalidate()`.

    Source: Jakarta Servlet 6.1, HttpSession.
    """

    def __init__(self, opened: OpenSession, keeper: SessionKeeper) -> None:
        self._opened = opened
        self._keeper = keeper
        self._is_new = opened.stored is None

    @property
    def id(self) -> str:
        """64 hexadecimal digits that name the session; unlike the cookie they open nothing, and may be logged."""
        return self._valid.session_id

    @property
    def is_new(self) -> bool:
        """The client does not have the session yet: nothing was kept for it before this request."""
        session = self._valid
        return self._is_new or session.stored is None or session.attributes.was_cleared

    @property
    def is_valid(self) -> bool:
        """False after `invalidate()`."""
        return not self._opened.invalidated

    @property
    def created_at(self) -> datetime:
        stored = self._valid.stored
        return stored.created_at if stored else self._opened.opened_at

    @property
    def last_accessed_at(self) -> datetime:
        """When the client used it before this request, to within a minute (or a quarter of a shorter interval)."""
        stored = self._valid.stored
        return stored.last_accessed_at if stored else self._opened.opened_at

    @property
    def max_inactive_interval(self) -> int:
        """Seconds without use after which the session ends; 0 leaves only its latest end."""
        return self._valid.max_inactive_seconds

    @max_inactive_interval.setter
    def max_inactive_interval(self, seconds: int) -> None:
        self._valid.max_inactive_seconds = max(0, seconds)

    @property
    def attribute_names(self) -> list[str]:
        return list(self._valid.attributes)

    def get_attribute(self, name: str, default: Any = None) -> Any:
        return self._valid.attributes.get(name, default)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute; None removes it."""
        if value is None:
            self.remove_attribute(name)
        else:
            self._valid.attributes[name] = value

    def remove_attribute(self, name: str) -> None:
        self._valid.attributes.pop(name, None)

    def invalidate(self) -> None:
        """End the session, on the server too: from then on every copy of its cookie is worth nothing.

        It ends whether or not the handler fails afterwards. Requests that are under way with it save nothing.
        To sign out and go on with an empty session in the same request, use `clear_session`.
        """
        session = self._valid
        session.attributes.clear()
        session.invalidated = True

    def change_id(self) -> str:
        """Give the session another id when the answer begins; return it. Call it wherever somebody signs in.

        The old id is worth nothing from then on: who planted it in the victim's browser is not signed in with the
        victim (session fixation). The attributes stay.

        Raises:
            AnswerBegun: the headers are sent, so that the new cookie could not be.
        """
        session = self._valid
        if session.answer_begun and not session.detached:
            raise AnswerBegun("The session's id cannot change any more: the answer has begun.")
        if session.stored is not None:
            session.new_secret = new_secret()
        return session.session_id

    async def save(self) -> None:
        """Save now what was changed so far, whatever becomes of the request; when this returns it is kept.

        Raises:
            SessionEnded: the session ended in the meantime, and nothing was kept.
            AnswerBegun: the session is new and the headers are sent, so that the client cannot learn of it.
        """
        session = self._valid
        if session.answer_begun and session.stored is None and session.attributes and not session.detached:
            raise AnswerBegun("A new session cannot be kept any more: the answer has begun.")
        if not await self._keeper.keep(session):
            raise SessionEnded

    async def reload(self) -> None:
        """Load the stored state, as a WebSocket does after a while, and mark the session as used.

        What this request changed and has not saved stays changed.

        Raises:
            SessionEnded: it ended, or its id changed since this request began.
        """
        await self._keeper.reload(self._valid)

    async def update_atomically(self, function: Callable[[dict[str, Any]], T]) -> T:
        """Let `function` change the attributes as they are kept right now, while nobody else can.

        For what depends on the old value: `await session.update_atomically(lambda kept: …)`. Fifty requests that
        add one at the same time add fifty. It is kept when this returns, whatever becomes of the request.

        Args:
            function: called once, with the stored state and without unsaved changes of this request; it changes the
                dict in place, must not wait for anything, and its result is returned. Where it raises, nothing
                is changed.

        Raises:
            SessionEnded: the session ended in the meantime; the function was not called.
            AnswerBegun: the session is new and the headers are sent.
            CannotKeep: the function signs somebody in, which takes a new id with it.
            TypeError: the function is `async`.
        """
        if inspect.iscoroutinefunction(function):
            raise TypeError("update_atomically takes a plain function: nobody else can write while it runs.")
        return await self._keeper.update(self._valid, function)

    def get_session(self) -> Attributes:
        """Return the attributes: a dict. As fastsession's."""
        return self._valid.attributes

    def get_session_id(self) -> str:
        """Return `id`. As fastsession's."""
        return self.id

    def save_session(self) -> None:
        """Have the session saved when the answer begins, even if nothing in it seems changed. As fastsession's.

        `await save()` saves at once.
        """
        self._valid.save_asked = True

    def clear_session(self) -> None:
        """Empty the session and begin a new one: the old id is worth nothing any more. As fastsession's."""
        session = self._valid
        session.attributes.clear()
        if session.stored is not None:
            session.new_secret = new_secret()

    @property
    def _valid(self) -> OpenSession:
        if self._opened.invalidated:
            raise SessionEnded("This session was invalidated.")
        return self._opened


def http_session(connection: HTTPConnection) -> HttpSession:
    """Return the request's session, whatever `session_object` calls it; FastAPI's `Depends` takes it as it is.

    Raises:
        ConfigurationError: there is no `FasterSessionMiddleware` around this application.
    """
    session: HttpSession | None = connection.scope.get(SCOPE_KEY)
    if session is None:
        raise ConfigurationError("There is no session: add FasterSessionMiddleware to the application.")
    return session
