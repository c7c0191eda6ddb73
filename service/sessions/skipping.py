"""Requests that ask to be served without a session, where the application allows it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from starlette.datastructures import Headers

SkipHeader: TypeAlias = Mapping[str, str] | Sequence[Mapping[str, str]] | None


class SkipRule:
    """Says which requests go without a session.

    Args:
        skip_session_header: `{"header_name": …, "header_value": …}`, or a list of them; the value `*` stands for any.
            None: no header that a client sends does anything.
    """

    def __init__(self, skip_session_header: SkipHeader) -> None:
        given = [skip_session_header] if isinstance(skip_session_header, Mapping) else skip_session_header or []
        self._headers = [(each["header_name"], each["header_value"]) for each in given]

    def matches(self, headers: Headers) -> bool:
        return any(_matches(headers.get(name), wanted) for name, wanted in self._headers)


def _matches(sent: str | None, wanted: str) -> bool:
    return sent is not None and wanted in ("*", sent)
