"""Being told when a session begins, ends or changes its id."""

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from chatkeep.sessions.store import StoredSession

SHOWN_CHARACTERS = 8


class Logger(Protocol):
    """The interface of a logger; `logging.Logger` has it."""

    def info(self, message: str, /) -> object: ...

    def debug(self, message: str, /) -> object: ...


class SessionLog:
    """Says things about sessions. No secret and no whole id is ever in it: logs are read by many."""

    def __init__(self, logger: Logger | None) -> None:
        self._logger: Logger = logger or logging.getLogger("chatkeep.sessions")

    def say(self, message: str) -> None:
        self._logger.info(message)

    def explain(self, message: str) -> None:
        self._logger.debug(message)

    def print_error(self, message: str) -> None:
        getattr(self._logger, "warning", self._logger.info)(message)


def shorten_id(session_id: str) -> str:
    """Return enough of an id to follow one session through a log."""
    return session_id[:SHOWN_CHARACTERS]


class SessionListener:
    """Override what you want to hear of; each may be `def` or `async def`.

    It is told after the fact was kept, by the process that did it, once. If that process dies in between, nobody
    is told. A listener that raises is logged, and changes nothing. The session it is shown is a copy.

    Source: Jakarta Servlet 6.1, HttpSessionListener and HttpSessionIdListener.
    """

    def created(self, session: StoredSession) -> Any:
        """A session was kept for the first time."""

    def destroyed(self, session: StoredSession) -> Any:
        """A session ended: it was invalidated, or unused for too long, or there was no more room for it."""

    def id_changed(self, session: StoredSession, old_id: str) -> Any:
        """A session got a new id, as at sign-in."""


class Listeners:
    """All listeners of one application."""

    def __init__(self, listeners: Sequence[SessionListener], log: SessionLog) -> None:
        self._listeners = listeners
        self._log = log

    async def created(self, session: StoredSession) -> None:
        await self._tell(lambda listener: listener.created(session))

    async def destroyed(self, session: StoredSession) -> None:
        await self._tell(lambda listener: listener.destroyed(session))

    async def id_changed(self, session: StoredSession, old_id: str) -> None:
        await self._tell(lambda listener: listener.id_changed(session, old_id))

    async def _tell(self, call: Callable[[SessionListener], Any]) -> None:
        for listener in self._listeners:
            try:
                answer = call(listener)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:  # noqa: BLE001  somebody else's code; what it hears of has already happened
                self._log.print_error(f"{type(listener).__name__} raised {type(error).__name__}")
