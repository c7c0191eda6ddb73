"""Structured logs on standard error, with request ids, and without secrets or what anyone wrote."""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import structlog
from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError

from chatkeep.config import Settings
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.errors import ChatkeepError

_Event = structlog.typing.EventDict

# Errors whose text is this program's or the system's. Others (pydantic's, json's, the model client's) quote what
# they were given, and that is what people wrote.
TELLING = (ChatkeepError, OSError, RuntimeError, AttributeError, NameError, ImportError, TypeError)
MAX_LOGGED_PATH_CHARACTERS = 500


class _Logger(structlog.stdlib.BoundLogger):
    def exception(self, event: str | None = None, *args: Any, **kw: Any) -> Any:
        """Log an error with its traceback as `_add_safe_traceback` writes it, and not also as the library does."""
        return self.error(event, *args, **({"exc_info": True} | kw))


def configure_logging(settings: Settings) -> None:
    """Send everything, libraries' logs too, through one formatter: JSON, or colours on a terminal."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_safe_traceback,
    ]
    if _is_console(settings) and settings.log_level != "debug":
        shared.insert(0, _drop_good_requests)
    _log_through_standard_library(
        structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter, final=True
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # It writes query strings, and so what people search for; each request has a line of ours.
    logging.getLogger("uvicorn.access").disabled = True
    # They say in full what was sent and what came back.
    for name in ("aiohttp", "sqlalchemy.engine", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A line for each request, and warnings with a client's own words.
    logging.getLogger("mcp").setLevel(logging.ERROR)


def leave_logging_to_host() -> None:
    """Where this runs in somebody else's program that set nothing up, send events to the standard library.

    structlog by itself prints tracebacks with every local variable: passwords, prompts, replies.
    """
    if not structlog.is_configured():
        _log_through_standard_library(
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _add_safe_traceback,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
            final=False,
        )


def _log_through_standard_library(*processors: structlog.typing.Processor, final: bool) -> None:
    structlog.configure(
        processors=processors,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=_Logger,
        cache_logger_on_first_use=final,
    )


def _renderer(settings: Settings) -> structlog.typing.Processor:
    if _is_console(settings):
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    # ASCII: no character in a line that ends it, or that a terminal obeys.
    return structlog.processors.JSONRenderer(ensure_ascii=True)


def _is_console(settings: Settings) -> bool:
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


def _drop_good_requests(_logger: Any, _name: str, event: _Event) -> _Event:
    """Leave out the line of each request that went well: on a terminal, hundreds a minute would hide the others."""
    if event.get("event") == "request" and event.get("status", 0) < 500:
        raise structlog.DropEvent
    return event


def _add_safe_traceback(_logger: Any, _name: str, event: _Event) -> _Event:
    """Put the traceback in as text that quotes nothing."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = safe_traceback(error)
    return event


def shown_path(path: str) -> str:
    """Return a path as it may stand in a log: no control characters that a terminal obeys, and no end of a line."""
    return quote(path[:MAX_LOGGED_PATH_CHARACTERS])


def safe_traceback(error: BaseException) -> str:
    """Return where an error came from, with its text only where that cannot quote what somebody wrote."""
    return "\ncaused by\n".join(_shown(each) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, what it is made of, and what led to it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if led_here := each.__cause__ or (None if each.__suppress_context__ else each.__context__):
            waiting.append(led_here)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + _named(error)


def _named(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, (PostgresError, SQLAlchemyError)):
        return f"{name}: SQLSTATE {sqlstate_of(error)}"
    return f"{name}: {error}" if isinstance(error, TELLING) else name
