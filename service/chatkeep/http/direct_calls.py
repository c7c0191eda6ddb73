"""Endpoints called as the plain functions that they are.

FastAPI looks anew, for each request, at everything that an endpoint could declare: a signed-in one takes 1.45 times the
processor time with it. Most endpoints declare little: parts of the path, the query and the
headers, one body, and coroutines that depend on the request. What to do for such an endpoint is known when the service
starts. A request of which anything does not fit is left to FastAPI, which says what is wrong with it, so that there is
one set of rules and one of errors.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self, get_args, get_origin, get_type_hints

from fastapi import params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from chatkeep.http.long_json import MAX_CHARACTERS_IN_LOOP, long_json

# In place of an answer: this request is FastAPI's.
NOT_PLAIN = object()

_MISSING = object()


class _Unknown(Exception):
    """The endpoint declares something else."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One value out of a request.

    Attributes:
        key: its name there.
    """

    name: str
    key: str
    adapter: TypeAdapter[Any]
    default: Any = _MISSING

    def read(self, found: Mapping[str, str]) -> Any:
        """Raises: ValidationError, KeyError: it does not fit, or is missing."""
        value = found.get(self.key)
        if value is not None:
            return self.adapter.validate_python(value)
        if self.default is _MISSING:
            raise KeyError(self.key)
        return self.default


@dataclass(frozen=True, slots=True)
class _Step:
    """One dependency: its arguments are the request and what steps before it returned."""

    call: Callable[..., Awaitable[Any]]
    request: Sequence[str]
    solved: Sequence[tuple[str, int]]


@dataclass(slots=True)
class DirectCall:
    """How an endpoint is called; made by `of`."""

    endpoint: Callable[..., Awaitable[Any]]
    status_code: int
    returns: TypeAdapter[Any] | None
    model: type | None
    path: list[_Parameter] = field(default_factory=list)
    query: list[_Parameter] = field(default_factory=list)
    headers: list[_Parameter] = field(default_factory=list)
    body: tuple[str, TypeAdapter[Any]] | None = None
    request: list[str] = field(default_factory=list)
    solved: list[tuple[str, int]] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)

    @classmethod
    def of(cls, route: APIRoute) -> Self | None:
        """Return the call of a route's endpoint; None where it declares something that only FastAPI knows."""
        endpoint = route.endpoint
        if not inspect.iscoroutinefunction(endpoint):
            return None
        status_code = route.status_code or 200
        try:
            hints = get_type_hints(endpoint, include_extras=True)
            call = cls(endpoint, status_code, *_returned(hints.get("return"), status_code))
            for depends in route.dependencies:
                call._step(depends)
            for parameter in inspect.signature(endpoint).parameters.values():
                call._declare(parameter, hints[parameter.name], route.path)
        except _Unknown:
            return None
        # Threat: a check that is declared in a way that is not known here would be left out in silence.
        return call if {step.call for step in call.steps} == _dependencies_of(route.dependant) else None

    async def __call__(self, request: Request) -> Any:
        """Return the endpoint's answer, or `NOT_PLAIN`: then nothing was done yet."""
        values: dict[str, Any] = {}
        try:
            for each in self.path:
                values[each.name] = each.read(request.path_params)
            if self.query:
                query: Mapping[str, str] = request.query_params if request.scope["query_string"] else {}
                for each in self.query:
                    values[each.name] = each.read(query)
            for each in self.headers:
                values[each.name] = each.read(request.headers)
            if self.body is not None:
                name, adapter = self.body
                values[name] = adapter.validate_python(await request.json() if await request.body() else None)
        except (ValidationError, KeyError):
            return NOT_PLAIN
        solved: list[Any] = []
        for step in self.steps:
            arguments = {name: solved[place] for name, place in step.solved}
            solved.append(await step.call(**arguments, **dict.fromkeys(step.request, request)))
        for name, place in self.solved:
            values[name] = solved[place]
        for name in self.request:
            values[name] = request
        return await self._response(await self.endpoint(**values))

    async def _response(self, answer: Any) -> Response:
        if isinstance(answer, Response):
            return answer
        if answer is None and self.status_code == 204:
            return Response(status_code=204, media_type="application/json")  # as FastAPI has it
        if self.returns is None:
            raise TypeError(f"{self.endpoint.__name__} returned {type(answer).__name__}")
        if isinstance(answer, BaseModel) and type(answer) is self.model:
            # It was validated when it was made.
            if getattr(answer, "text_length", 0) > MAX_CHARACTERS_IN_LOOP:
                return Response(await long_json(answer), self.status_code, media_type="application/json")
            content = answer.__pydantic_serializer__.to_json(answer, by_alias=True)
        else:
            # Threat: another model may have fields that this one is not to show.
            content = self.returns.dump_json(self.returns.validate_python(answer, from_attributes=True), by_alias=True)
        return Response(content, self.status_code, media_type="application/json")

    def _declare(self, parameter: inspect.Parameter, hint: Any, path: str) -> None:
        name, default = parameter.name, parameter.default
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        if hint is Request:
            self.request.append(name)
        elif (depends := _one(marks, params.Depends)) is not None:
            self.solved.append((name, self._step(depends)))
        elif f"{{{name}}}" in path:
            self.path.append(_Parameter(name, name, TypeAdapter(hint)))
        elif (header := _one(marks, params.Header)) is not None:
            key = header.alias or name.replace("_", "-")
            self.headers.append(_Parameter(name, key, TypeAdapter(hint), _default(default)))
        elif (query := _one(marks, params.Query)) is not None or default is not inspect.Parameter.empty:
            self._declare_query(name, hint, (query.alias if query is not None else None) or name, default)
        elif isinstance(hint, type) and issubclass(hint, BaseModel) and self.body is None:
            self.body = name, TypeAdapter(hint)
        else:
            raise _Unknown

    def _declare_query(self, name: str, hint: Any, key: str, default: Any) -> None:
        # Of several values, or with a body's default.
        if any(isinstance(each, type) and issubclass(each, BaseModel | list | tuple | set) for each in _types_in(hint)):
            raise _Unknown
        self.query.append(_Parameter(name, key, TypeAdapter(hint), _default(default)))

    def _step(self, depends: params.Depends) -> int:
        """Return the place of a dependency among the steps, each of which is there once."""
        call = depends.dependency
        if call is None or not depends.use_cache or not inspect.iscoroutinefunction(call):
            raise _Unknown
        for place, step in enumerate(self.steps):
            if step.call is call:
                return place
        request: list[str] = []
        solved: list[tuple[str, int]] = []
        hints = get_type_hints(call, include_extras=True)
        for name in inspect.signature(call).parameters:
            hint = hints[name]
            marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
            inner = _one(marks, params.Depends)
            if hint is Request:
                request.append(name)
            elif inner is not None:
                solved.append((name, self._step(inner)))
            else:
                raise _Unknown
        self.steps.append(_Step(call, request, solved))
        return len(self.steps) - 1


def _dependencies_of(dependant: Dependant) -> set[Any]:
    """Return everything that FastAPI would call before the endpoint."""
    found, waiting = set(), list(dependant.dependencies)
    while waiting:
        each = waiting.pop()
        found.add(each.call)
        waiting += each.dependencies
    return found


def _one(marks: Sequence[Any], kind: type) -> Any:
    return next((each for each in marks if isinstance(each, kind)), None)


def _default(default: Any) -> Any:
    return _MISSING if default is inspect.Parameter.empty else default


def _types_in(hint: Any) -> list[Any]:
    """Return the types that a hint is made of."""
    found, waiting = [], [hint]
    while waiting:
        each = waiting.pop()
        found += [kind for kind in (each, get_origin(each)) if isinstance(kind, type)]
        waiting += get_args(each) if get_origin(each) is not None else ()
    return found


def _returned(hint: Any, status_code: int) -> tuple[TypeAdapter[Any], type] | tuple[None, None]:
    """Return how an answer is written, and the class of one that needs no look; None where it is a response itself."""
    model = get_origin(hint) or hint
    if isinstance(model, type) and issubclass(model, BaseModel):
        # A model with type variables says its own class, see `Page`.
        generic = getattr(hint, "__pydantic_generic_metadata__", {}).get("origin")
        return TypeAdapter(hint), generic or model
    is_response = isinstance(model, type) and issubclass(model, Response)
    if is_response or hint is Any or (hint in (None, type(None)) and status_code == 204):
        return None, None
    raise _Unknown
