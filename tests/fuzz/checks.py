"""Faults of an answer, and of a log."""

import re
from collections.abc import Iterator

from tests.fuzz.requests import Request
from tests.fuzz.wire import Answer

# "Not now", each with a time after which to try again. A page says it in words.
MEANT = frozenset({"page", "database_unavailable", "query_too_slow", "service_unavailable", "connections_exhausted"})
TELLTALE = (b"Traceback", b"asyncpg", b"sqlalchemy", b"SELECT ", b"pydantic_core")
FAULTS_IN_LOGS = re.compile(
    r"Traceback|\"?(request_failed|background_step_failed)\"?|Task exception was never|never awaited|Exception in"
)


def faults_of(request: Request, answer: Answer) -> Iterator[str]:
    """Yield the faults of an answer."""
    if answer.status == -1:
        yield "nothing came in time"
    elif answer.status == 0:
        if request.is_whole:
            yield "no answer to a whole request"
    elif answer.status == 503:
        meant = answer.code in MEANT or request.label.startswith("HEAD ")  # whose answer has no body
        if not meant or "retry-after" not in answer.headers:
            yield f"a 503 that nobody meant: {answer.headers} {answer.body[:200]!r}"
    elif answer.status >= 500:
        yield f"{answer.status}, request {answer.headers.get('x-request-id')}"
    if answer.status >= 400 and any(word in answer.body for word in TELLTALE):
        yield f"{answer.status} tells what is behind the service: {answer.body[:200]!r}"


def faults_in_log(log: str) -> list[str]:
    """Return the lines of a log that only faults write."""
    return [line for line in log.splitlines() if FAULTS_IN_LOGS.search(line)]
