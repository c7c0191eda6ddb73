"""The events of a streamed chat completion, read one by one.

Source: OpenAI API reference, Chat completions, Streaming; WHATWG HTML, Server-sent events.
"""

import json
from collections.abc import Mapping

from chatkeep.chat.models.error_shapes import ReportedError, read_error, reported_error
from chatkeep.chat.models.errors import ModelBadAnswer
from chatkeep.chat.models.event_stream import Event

DONE = "[done]"
# Of a whole number, whose value is taken: no count has as many.
MAX_DIGITS = 100
# Names that say no more than that it is an event of this stream.
PLAIN_NAMES = frozenset(("", "message", "data", "completion", "chunk", "chat.completion.chunk"))

# Of an error that was put between quotation marks as it was, with marks and line ends of its own: transformers serve.
RAW_ERROR_START = '{"error": "'


def is_done(event: Event) -> bool:
    """Whether the server says that nothing more comes."""
    return event.data[:8].strip().lower().startswith(DONE)


def event_error(event: Event) -> ReportedError | None:
    """Return the error that an event is by its form, whatever stands in it."""
    if event.error is not None:
        return read_error(_parsed(event.error))
    if event.name.strip().lower() == "error":
        return read_error(_parsed(event.data))
    if event.data.startswith(RAW_ERROR_START):
        return _raw_error(event.data)
    return None


def event_object(event: Event) -> Mapping[str, object] | None:
    """Return the object that an event holds; None where it is nothing of a reply: a ping, a sign of progress.

    Raises:
        ModelBadAnswer: it is half an object, so that a part of the reply is lost.
    """
    if event.name not in PLAIN_NAMES:
        return None
    try:
        value = _parsed_json(event.data)
    except (ValueError, RecursionError):
        if event.data.lstrip().startswith("{"):
            raise ModelBadAnswer("The model server sent an event that is not whole JSON.") from None
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, Mapping) else None


def chunk_error(chunk: Mapping[str, object]) -> ReportedError | None:
    """Return the error that stands in place of a part of the reply, or beside one."""
    choices = chunk.get("choices")
    found = reported_error(chunk, has_choices=bool(choices))
    if found is None and isinstance(choices, list):
        found = next((read_error(each) for each in choices if isinstance(each, Mapping) and each.get("error")), None)
    return found


def _raw_error(text: str) -> ReportedError | None:
    """Return an error that is no JSON, though it was meant to be; None where it is."""
    if not isinstance(_parsed(text), str):
        return None
    return read_error(text.removeprefix(RAW_ERROR_START).removesuffix("}").removesuffix('"'))


def _parsed(text: str) -> object:
    try:
        return _parsed_json(text)
    except (ValueError, RecursionError):
        return text


def _parsed_json(text: str) -> object:
    return json.loads(text, parse_int=_whole_number)


def _whole_number(digits: str) -> int | float:
    """Return a number of any length: Python reads none of thousands of digits, and would lose the text beside it."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
