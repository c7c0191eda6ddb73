"""What the middleware says: to the standard library's logging, or to a logger as fastsession takes one."""

import logging
from typing import Protocol

SHOWN_CHARACTERS = 8


class Logger(Protocol):
    """What a logger must have; `logging.Logger` has it."""

    def info(self, message: str, /) -> object: ...

    def debug(self, message: str, /) -> object: ...


class SessionLog:
    """Says things about sessions. No secret and no whole id is ever in it: logs are read by many."""

    def __init__(self, logger: Logger | None) -> None:
        self._logger: Logger = logger or logging.getLogger("service.sessions")

    def say(self, message: str) -> None:
        self._logger.info(message)

    def explain(self, message: str) -> None:
        self._logger.debug(message)

    def complain(self, message: str) -> None:
        getattr(self._logger, "warning", self._logger.info)(message)


def shown(session_id: str) -> str:
    """Return enough of an id to follow one session through a log."""
    return session_id[:SHOWN_CHARACTERS]
