"""Bodies of requests: strict JSON of a known shape, and text and times that PostgreSQL can keep."""

import json
import math
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import anyio
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from chatkeep.errors import NotAuthenticated
from chatkeep.http.admission import with_admission
from chatkeep.http.direct_calls import NOT_PLAIN, DirectCall
from chatkeep.http.problems import USUAL, protocol_response
from chatkeep.http.strict_json import MAX_STRUCTURE_BYTES, UNSTORABLE, is_storable, parse_json

MAX_JSON_DEPTH = 16
MAX_JSON_CHARACTERS = 16_384
# Of a body: for most routes; before the caller is known; and in the event loop, where a second is everybody's.
MAX_USUAL_BYTES = 64 * 1024
MAX_ANONYMOUS_BYTES = 16 * 1024
MAX_BYTES_PARSED_IN_LOOP = 16 * 1024
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


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


# In a body, `parse_json` has looked at every text already.
Text = str
Name = Annotated[str, Field(min_length=1, max_length=200)]
SearchText = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
# Also what somebody pasted, such as a whole error.
QueryText = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
Flag = Annotated[bool, Field(strict=True)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
# In a query everything is text, and pydantic would read `yes`, `on` and `5.0` too.
QueryFlag = Annotated[bool, BeforeValidator(_true_or_false)]
# After the bounds of a whole number, so that the document knows them too.
FromDigits = BeforeValidator(_digits)


def _keepable_json(value: dict[str, Any]) -> dict[str, Any]:
    _check_json(value, depth=0)
    if len(json.dumps(value, ensure_ascii=False)) > MAX_JSON_CHARACTERS:
        raise PydanticCustomError("too_large", f"May hold at most {MAX_JSON_CHARACTERS} characters of JSON")
    return value


def _check_json(value: object, depth: int) -> None:
    if depth > MAX_JSON_DEPTH:
        raise PydanticCustomError("too_deep", f"May be nested at most {MAX_JSON_DEPTH} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("not_finite", "A number is too large")
    if isinstance(value, dict):
        for inner in value.values():
            _check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth + 1)


def check_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object of JSON that a row can keep, however long it is.

    Raises:
        PydanticCustomError: it is nested too deep, or a number in it is too large.
    """
    _check_json(value, depth=0)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_keepable_json)]


class Body(BaseModel):
    """A request's body: an unknown field is an error, since it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class StrictRequest(Request):
    """A request whose body is strict JSON, and whose query keeps bytes that are not UTF-8 for what they are."""

    # How much of a body may be outside of its texts.
    max_structure_bytes = MAX_STRUCTURE_BYTES

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            if len(body) > MAX_BYTES_PARSED_IN_LOOP:
                self._json = await anyio.to_thread.run_sync(parse_json, body, self.max_structure_bytes)
            else:
                self._json = parse_json(body, self.max_structure_bytes)
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


def takes_body_of(max_bytes: int | None) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator for an endpoint of a `JsonRoute`, under the router's, that sets how long its body may be.

    Args:
        max_bytes: instead of `MAX_USUAL_BYTES`; None leaves it to CHATKEEP_MAX_BODY_BYTES.
    """

    def marked(endpoint: Endpoint) -> Endpoint:
        endpoint.max_body_bytes = max_bytes  # type: ignore[attr-defined]  # read by `JsonRoute`
        return endpoint

    return marked


class JsonRoute(APIRoute):
    """A route that answers 415 to a body that is not JSON, and takes only strict JSON.

    A body is read as far as its route needs it, and only its beginning before the caller is known. `app.state.is_known`
    tells whether that is so: a coroutine function of the request. Without it every caller counts as known.
    """

    request_class: type[StrictRequest] = StrictRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        direct = DirectCall.of(self)
        takes_body = self.body_field is not None
        max_bytes: int | None = getattr(self.endpoint, "max_body_bytes", MAX_USUAL_BYTES)
        request_class = self.request_class

        async def handle(request: Request) -> Response:
            if not takes_body:
                return await answer(request_class(request.scope, request.receive))
            bound = _BodyBound(request, max_bytes)
            strict = request_class(request.scope, bound.receive)
            if await strict.is_of_another_type():
                return protocol_response("unsupported_media_type")
            await bound.check_announced()
            # Here and not in FastAPI, which makes a 400 of whatever is wrong with a body.
            if await strict.body():
                await strict.json()
            return await answer(strict)

        async def answer(strict: StrictRequest) -> Response:
            if direct is not None and not strict.app.dependency_overrides:
                response = await direct(strict)
                if response is not NOT_PLAIN:
                    return response
            return await handler(strict)

        return with_admission(handle) if getattr(self.endpoint, "begins_turn", False) else handle


class _BodyBound:
    """How much of a request's body is read."""

    def __init__(self, request: Request, max_bytes: int | None) -> None:
        self._request = request
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self._received = 0
        self._is_known = False

    async def receive(self) -> Message:
        message = await self._request.receive()
        self._received += len(message.get("body", b""))
        await self._check(self._received)
        return message

    async def check_announced(self) -> None:
        """Check the length that the client says, before anything is read."""
        length = self._request.headers.get("content-length", "")
        await self._check(int(length) if length.isdecimal() else 0)

    async def _check(self, size: int) -> None:
        """Refuse a body of that size.

        Strangers cost a service what it reads and parses for them, as often as they like.
        """
        if size > self._max_bytes:
            raise HTTPException(413, f"The body is larger than {self._max_bytes} bytes.")
        if size > MAX_ANONYMOUS_BYTES and not self._is_known and self._max_bytes > MAX_ANONYMOUS_BYTES:
            is_known = getattr(self._request.app.state, "is_known", None)
            if is_known is not None and not await is_known(self._request):
                raise NotAuthenticated(USUAL["not_authenticated"][1])
            self._is_known = True
