"""Bodies of requests under `/v1`. Unknown fields are taken, and so are unknown items: clients are newer than servers.

Source: openai-python 3.54, `response_create_params.py`, `completion_create_params.py`.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from chatkeep.chat.models import GenerationParams
from chatkeep.errors import Invalid
from chatkeep.http.bodies import MAX_JSON_CHARACTERS, Name

MAX_DEPTH = 64
MAX_TOOLS = 512

Value = TypeVar("Value")
JsonObject = dict[str, Any]


def _keepable(value: Value) -> Value:
    _check(value, 0)
    return value


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PydanticCustomError("too_deep", f"May be nested at most {MAX_DEPTH} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("not_finite", "A number is too large")
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check(inner, depth + 1)


def _short(value: JsonObject) -> JsonObject:
    """Refuse what would make lists long: each conversation in one has its metadata."""
    if len(json.dumps(value, ensure_ascii=False)) > MAX_JSON_CHARACTERS:
        raise PydanticCustomError("too_large", f"May hold at most {MAX_JSON_CHARACTERS} characters of JSON")
    return value


def _none_as_false(value: object) -> object:
    return False if value is None else value


Flag = Annotated[bool, BeforeValidator(_none_as_false), Field(strict=True)]
Object = Annotated[JsonObject, AfterValidator(_keepable)]
Metadata = Annotated[Object, AfterValidator(_short)]
Objects = Annotated[list[JsonObject], AfterValidator(_keepable)]
TokenLimit = Annotated[int, Field(ge=1, le=1_000_000)]


class OpenBody(BaseModel):
    """A body of which only some fields are known here."""

    model_config = ConfigDict(extra="allow")
    # Some of them are kept beside the turn, or passed on.
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_keepable)]]

    def chosen_params(self) -> dict[str, object]:
        """Return the sampling parameters that were chosen, of those that a turn keeps.

        Raises:
            Invalid: one is out of its bounds.
        """
        given = {name: getattr(self, name, None) for name in GenerationParams.model_fields}
        chosen = {name: each for name, each in given.items() if each is not None}
        try:
            return GenerationParams.model_validate(chosen).chosen()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise Invalid(f"`{name}`: {first['msg']}", param=name) from None


def _text_or_items(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Say what is wrong of the field, and not of the ways in which it might have been read."""
    try:
        return check("" if value is None else value)
    except ValidationError as error:
        wrong = next((each for each in error.errors() if each["type"] in ("too_deep", "not_finite")), None)
        message = wrong["msg"] if wrong else "Send a text, or a list of objects"
        raise PydanticCustomError("text_or_items", "{message}", {"message": message}) from None


class CreateResponse(OpenBody):
    """`responses.create`."""

    input: Annotated[str | Objects, WrapValidator(_text_or_items)] = ""
    model: Name
    instructions: str | Objects | None = None
    previous_response_id: str | None = None
    conversation: str | Object | None = None
    tools: Annotated[Objects, Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: str | Object | None = None
    text: Object | None = None
    reasoning: Object | None = None
    metadata: Object | None = None
    include: list[str] | None = None
    max_output_tokens: TokenLimit | None = None
    truncation: str | None = None
    parallel_tool_calls: bool | None = None
    background: Flag = False
    store: bool | None = None
    stream: Flag = False


class CreateCompletion(OpenBody):
    """`chat.completions.create`."""

    messages: Annotated[Objects, Field(min_length=1)]
    model: Name
    metadata: Object | None = None
    n: int | None = None
    store: bool | None = None
    stream: Flag = False
    stream_options: Object | None = None


class CreateConversation(OpenBody):
    """`conversations.create`."""

    items: Objects | None = None
    metadata: Metadata | None = None


class ChangeConversation(OpenBody):
    """`conversations.update`."""

    metadata: Metadata | None = None


class CreateItems(OpenBody):
    """`conversations.items.create`."""

    items: Annotated[Objects, Field(min_length=1)]
