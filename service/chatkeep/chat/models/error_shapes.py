"""An error of a model server in any of the usual shapes, as the body of a refusal or in the middle of a stream.

Source: OpenAI API reference, Error codes; FastAPI, Handling errors; RFC 9457; what vLLM, llama.cpp, SGLang, TGI,
LiteLLM and OpenRouter send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_DEPTH = 6
# Where the sentence is, the most telling place first.
MESSAGE_KEYS = (
    "error",
    "message",
    "detail",
    "msg",
    "errors",
    "error_message",
    "error_msg",
    "reason",
    "description",
    "title",
)
STATUS_KEYS = ("status", "status_code", "code", "error_code")
SHOWN_DETAILS = 3


@dataclass(frozen=True, slots=True)
class ReportedError:
    """A server's report of its failure.

    Attributes:
        message: its sentence; "" where it has none.
        status: an HTTP status that stands in it.
        words: its codes and types in lower case, such as `insufficient_quota`.
    """

    message: str
    status: int | None
    words: frozenset[str]


def reported_error(event: Mapping[str, object], *, has_choices: bool) -> ReportedError | None:
    """Return the error that an event of a stream is, or None where it is none.

    Args:
        has_choices: it holds a part of a reply.
    """
    if event.get("error") or "error" in (event.get("object"), event.get("type"), event.get("status")):
        return read_error(event)
    if has_choices:
        return None
    sentence = event.get("message") or event.get("msg")
    coded = any(event.get(key) not in (None, "", 0, 200) for key in ("code", *STATUS_KEYS))
    if event.get("detail") or event.get("errors") or event.get("success") is False or (sentence and coded):
        return read_error(event)
    return None


def read_error(body: object) -> ReportedError:
    """Return the report in a body that is known to be an error."""
    levels = list(_levels(body))
    statuses = (_status(level.get(key)) for level in levels for key in STATUS_KEYS)
    words = {str(level.get(key)).lower() for level in levels for key in ("code", "type") if level.get(key)}
    status = next((status for status in statuses if status), None)
    return ReportedError(_message(body), status, frozenset(words))


def _levels(body: object) -> list[Mapping[str, object]]:
    """The object itself and those that it wraps as `error` or `detail`."""
    found: list[Mapping[str, object]] = []
    while isinstance(body, Mapping) and len(found) < MAX_DEPTH:
        found.append(body)
        body = next((body[key] for key in ("error", "detail", "message") if isinstance(body.get(key), Mapping)), None)
    return found


def _status(value: object) -> int | None:
    number = (
        int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3 else value
    )
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def _message(body: object, depth: int = 0) -> str:
    if isinstance(body, str):
        return body
    if depth > MAX_DEPTH:
        return ""
    if isinstance(body, Mapping):
        if isinstance(body.get("msg"), str) and isinstance(body.get("loc"), Sequence):
            return _of_a_field(body["loc"], body["msg"])
        return next((said for key in MESSAGE_KEYS if (said := _message(body.get(key), depth + 1))), "")
    if isinstance(body, Sequence):
        return "; ".join(said for each in body[:SHOWN_DETAILS] if (said := _message(each, depth + 1)))
    return ""


def _of_a_field(place: Sequence[object], sentence: str) -> str:
    """pydantic's errors name the field by its path; what was sent there, which they hold too, is left out."""
    names = [str(part) for part in place if isinstance(part, str | int) and part != "body"]
    return f"{'.'.join(names)}: {sentence}" if names else sentence
