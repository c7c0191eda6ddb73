"""Endpoints that are called directly answer as FastAPI has them answer, and no check is left out."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from chatkeep.app.app import create_app
from chatkeep.app.error_handlers import add_error_handlers
from chatkeep.config import Settings
from chatkeep.errors import Forbidden
from chatkeep.http.bodies import FromDigits, JsonRoute, QueryFlag
from chatkeep.http.direct_calls import DirectCall
from tests.support.process import SECRET_KEY

# What happens with every turn and every look at a list.
HOT = {
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/v1/conversations"),
    ("POST", "/api/v1/conversations"),
    ("GET", "/api/v1/conversations/{conversation_id}/turns"),
    ("POST", "/api/v1/conversations/{conversation_id}/turns"),
    ("GET", "/api/v1/conversations/{conversation_id}/turns/{turn_id}/events"),
}


class Said(BaseModel):
    model_config = {"extra": "forbid"}
    text: Annotated[str, Field(max_length=5)]


class Heard(BaseModel):
    said: str | None = None
    number: Annotated[int, Field(serialization_alias="from")] = 0
    flag: bool | None = None
    key: str | None = None
    user: str = ""


async def user_of(request: Request) -> str:
    name = request.headers.get("x-user")
    if name is None:
        raise Forbidden("Say who you are.")
    return name


async def shout(user: Annotated[str, Depends(user_of)], request: Request) -> str:
    return user.upper() + request.method


async def guarded(request: Request) -> None:
    if "x-locked" in request.headers:
        raise Forbidden("It is locked.")


async def with_query(request: Request, q: str = "") -> str:
    return q


async def passing() -> AsyncIterator[int]:
    yield 1


router = APIRouter(route_class=JsonRoute)


@router.get("/things/{thing_id}", dependencies=[Depends(guarded)])
async def read_thing(
    thing_id: UUID,
    user: Annotated[str, Depends(user_of)],
    loud: Annotated[str, Depends(shout)],
    limit: Annotated[int, Field(ge=1, le=9), FromDigits, Query()] = 5,
    flag: QueryFlag | None = None,
    cursor: Annotated[str | None, Query(alias="from", max_length=3)] = None,
    some_key: Annotated[str | None, Header(pattern="^[a-z]+$")] = None,
) -> Heard:
    return Heard(said=cursor, number=limit, flag=flag, key=some_key, user=f"{user} {loud} {thing_id}")


@router.post("/things", status_code=201)
async def say(body: Said, user: Annotated[str, Depends(user_of)]) -> Heard:
    return Heard(said=body.text, user=user)


@router.delete("/things/{thing_id}", status_code=204)
async def drop(thing_id: int) -> None:
    return None


@router.get("/text")
async def text() -> PlainTextResponse:
    return PlainTextResponse("plain")


class HeardMore(Heard):
    secret: str = "of the service alone"


@router.get("/more")
async def more() -> Heard:
    return HeardMore(said="this", number=1)


DIRECT = {"read_thing", "say", "drop", "text", "more"}


@router.get("/several")
async def several(names: Annotated[list[str], Query()], optional: Annotated[set[str] | None, Query()] = None) -> Heard:
    return Heard(said=",".join(names))


@router.get("/nested")
async def nested(q: Annotated[str, Depends(with_query)]) -> Heard:
    return Heard(said=q)


@router.get("/yielded")
async def yielded(one: Annotated[int, Depends(passing)]) -> Heard:
    return Heard(number=one)


@router.get("/threaded")
def threaded() -> Heard:
    return Heard()


@router.get("/anything")
async def anything() -> dict[str, Any]:
    return {"said": "this"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(router.routes)
    add_error_handlers(app)
    return app


def route(name: str) -> APIRoute:
    (found,) = [each for each in router.routes if isinstance(each, APIRoute) and each.name == name]
    return found


THING = "/things/0198c0de-0000-7000-8000-000000000001"
ME = {"x-user": "me"}
REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", THING, ME, b""),
    ("GET", f"{THING}?limit=3&flag=true&from=abc&other=1", ME | {"some-key": "key"}, b""),
    ("GET", f"{THING}?limit=3&limit=4", ME, b""),
    ("GET", f"{THING}?limit=0", ME, b""),
    ("GET", f"{THING}?limit=5.0", ME, b""),
    ("GET", f"{THING}?limit=", ME, b""),
    ("GET", f"{THING}?flag=yes", ME, b""),
    ("GET", f"{THING}?from=abcd&limit=x", ME, b""),
    ("GET", f"{THING}?cursor=abcd", ME, b""),
    ("GET", THING, ME | {"some-key": "KEY"}, b""),
    ("GET", THING, {}, b""),
    ("GET", f"{THING}?limit=0", {}, b""),
    ("GET", THING, ME | {"x-locked": "1"}, b""),
    ("GET", "/things/no-id", ME, b""),
    ("POST", "/things", ME | {"content-type": "application/json"}, b'{"text": "hello"}'),
    ("POST", "/things", ME | {"content-type": "application/json"}, b'{"text": "too long"}'),
    ("POST", "/things", ME | {"content-type": "application/json"}, b'{"text": "hello", "more": 1}'),
    ("POST", "/things", ME | {"content-type": "application/json"}, b"{}"),
    ("POST", "/things", ME | {"content-type": "application/json"}, b"null"),
    ("POST", "/things", ME | {"content-type": "application/json"}, b"{"),
    ("POST", "/things", {"content-type": "application/json"}, b'{"text": "hello"}'),
    ("POST", "/things", ME | {"content-type": "text/plain"}, b"hello"),
    ("POST", "/things", ME, b""),
    ("DELETE", "/things/1", {}, b""),
    ("DELETE", "/things/one", {}, b""),
    ("GET", "/text", {}, b""),
    ("GET", "/more", {}, b""),
    ("GET", "/several?names=a&names=b", {}, b""),
    ("GET", "/nested?q=inner", {}, b""),
    ("GET", "/yielded", {}, b""),
    ("GET", "/threaded", {}, b""),
    ("GET", "/anything", {}, b""),
]


@pytest.mark.parametrize(("method", "path", "headers", "body"), REQUESTS)
async def test_the_answer_is_fastapis(
    app: FastAPI, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        direct = await client.request(method, path, headers=headers, content=body)
        app.dependency_overrides[test_the_answer_is_fastapis] = lambda: None  # of nothing: all are FastAPI's
        try:
            usual = await client.request(method, path, headers=headers, content=body)
        finally:
            app.dependency_overrides.clear()
    assert (direct.status_code, direct.content) == (usual.status_code, usual.content)
    assert direct.headers == usual.headers


@pytest.mark.parametrize("name", [each.name for each in router.routes if isinstance(each, APIRoute)])
def test_only_what_is_known_is_called_directly(name: str) -> None:
    assert (DirectCall.of(route(name)) is not None) == (name in DIRECT)


def test_a_check_that_is_not_known_leaves_the_route_to_fastapi() -> None:
    found = APIRouter(route_class=JsonRoute)
    found.get("/", dependencies=[Depends(guarded)])(text)
    (checked,) = found.routes
    assert isinstance(checked, APIRoute)
    assert DirectCall.of(checked) is not None
    checked.dependencies = []  # as one that a later FastAPI would hold elsewhere
    assert DirectCall.of(checked) is None


def test_what_happens_most_is_called_directly() -> None:
    app = create_app(Settings.read(secret_key=SECRET_KEY))
    routes = [each for each in app.router.routes if isinstance(each, JsonRoute)]
    direct = {
        (method, each.path) for each in routes for method in each.methods or () if DirectCall.of(each) is not None
    }
    assert direct >= HOT
