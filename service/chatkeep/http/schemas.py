"""How answers are written: UTC times with `Z`, and the fields that were promised."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from starlette.responses import Response

from chatkeep.database.stored_json import object_of

# A row's JSON, where it should be an object.
StoredObject = Annotated[dict[str, Any], BeforeValidator(object_of)]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000000Z"]}),
]


def one_of(*words: str) -> WithJsonSchema:
    """Document the words of a text that nothing but the service writes; a row that holds another one is shown, too."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


def answer_with(body: BaseModel, status_code: int = 200) -> Response:
    """Return an answer whose body was validated when it was made; FastAPI would do it again."""
    return Response(body.__pydantic_serializer__.to_json(body), status_code, media_type="application/json")


class Answer(BaseModel):
    """An answer's body, built from a row or from named values."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


# Line ends of Unicode alone: `str.splitlines`, and clients that read streams with it, split at them. JSON escapes those
# below a space (U+000B, U+000C, U+001C to U+001E) by itself.
_LINE_ENDS = tuple((end.encode(), b"\\u%04x" % ord(end)) for end in "\u0085\u2028\u2029")


def on_one_line(data: bytes) -> bytes:
    """Return JSON in which nothing is a line end, to whichever reader: one value is one line, and one event one."""
    if data.isascii():
        return data
    for character, escaped in _LINE_ENDS:
        data = data.replace(character, escaped)
    return data


def json_line(model: BaseModel) -> bytes:
    """Return an answer's body on one line, without the end of it."""
    return on_one_line(model.__pydantic_serializer__.to_json(model))
