"""Answers of the server itself, to what never becomes a request of the application."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from chatkeep.http.problems import PROTOCOL, protocol_response
from chatkeep.http.security_headers import security_headers
from chatkeep.ids import new_id

RETRY_SECONDS = 5
_HEADERS = security_headers(https=False)


def refusal(code: str, detail: str | None = None) -> bytes:
    """Return a whole answer that says why, as problem+json, and that the connection ends with it."""
    status, _ = PROTOCOL[code]
    response = protocol_response(code, detail=detail)
    headers = [
        *response.raw_headers,
        *_HEADERS,
        (b"x-request-id", str(new_id()).encode()),
        (b"connection", b"close"),
        *(((b"retry-after", str(RETRY_SECONDS).encode()),) if status in (429, 503) else ()),
    ]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[status] + lines + b"\r\n" + bytes(response.body)
