"""What a request may say: strict JSON of a known shape, and text and times that PostgreSQL can keep."""

import json
import math
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.http.problems import protocol_response
from service.http.strict_json import UNSTORABLE, is_storable, parsed_json

DEEPEST_JSON = 16
LARGEST_JSON_CHARACTERS = 16_384
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("invalid_text", UNSTORABLE)
    return text


def _rfc3339(value: object) -> object:
    """Refuse what pydantic would also take for a time: seconds since 1970, dates, other notations."""
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise PydanticCustomError("time", "Input should be a time with its offset, such as 2026-01-31T09:30:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time", "Input should be a time of the years 1 to 9999 in UTC") from None


def _true_or_false(value: object) -> object:
    if isinstance(value, str) and value.lower() not in ("true", "false"):
        raise PydanticCustomError("flag", "Input should be true or false")
    return value


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise PydanticCustomError("whole_number", "Input should be a whole number")
    return value


# In a body, `parsed_json` has looked at every text already.
Text = str
Name = Annotated[str, Field(min_length=1, max_length=200)]
SearchText = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
Flag = Annotated[bool, Field(strict=True)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
# In a query everything is text, and pydantic would read `yes`, `on` and `5.0` too.
QueryFlag = Annotated[bool, BeforeValidator(_true_or_false)]
# After the bounds of a whole number, so that the document knows them too.
FromDigits = BeforeValidator(_digits)


def _keepable_json(value: dict[str, Any]) -> dict[str, Any]:
    _check_json(value, depth=0)
    if len(json.dumps(value, ensure_ascii=False)) > LARGEST_JSON_CHARACTERS:
        raise PydanticCustomError("too_large", f"May hold at most {LARGEST_JSON_CHARACTERS} characters of JSON")
    return value


def _check_json(value: object, depth: int) -> None:
    if depth > DEEPEST_JSON:
        raise PydanticCustomError("too_deep", f"May be nested at most {DEEPEST_JSON} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("not_finite", "A number is too large")
    if isinstance(value, dict):
        for inner in value.values():
            _check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth + 1)


JsonObject = Annotated[dict[str, Any], AfterValidator(_keepable_json)]


class Body(BaseModel):
    """A request's body: an unknown field is an error, since it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class StrictRequest(Request):
    """A request whose body is strict JSON, and whose query keeps bytes that are not UTF-8 for what they are."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parsed_json(await self.body())
        return self._json

    @property
    def query_params(self) -> QueryParams:
        if not hasattr(self, "_query_params"):
            query = self.scope["query_string"].decode("latin-1")
            # As lone surrogates, which no text may hold, and not replaced by something that nobody sent.
            found = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
            self._query_params = QueryParams(found)
        return self._query_params

    async def is_of_another_type(self) -> bool:
        """Tell whether there is a body that does not say that it is JSON."""
        given = self.headers.get("content-type")
        if given is None:
            return await self.body() != b""
        media_type = given.partition(";")[0].strip().lower()
        return media_type != "application/json" and not re.fullmatch(r"application/[^/]+\+json", media_type)


class JsonRoute(APIRoute):
    """A route that answers 415 to a body that is not JSON, and takes only strict JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if takes_body:
                try:
                    if await strict.is_of_another_type():
                        return protocol_response("unsupported_media_type")
                    # Here and not in FastAPI, which makes a 400 of whatever is wrong with a body.
                    if await strict.body():
                        await strict.json()
                except ClientDisconnect:
                    return protocol_response("bad_request")  # nobody reads it
            return await handler(strict)

        return handle
