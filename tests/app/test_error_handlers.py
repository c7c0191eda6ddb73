"""Exceptions on their way out, from anywhere in an application."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException

from chatkeep.app.error_handlers import add_error_handlers
from chatkeep.errors import ChatkeepError, MigrationError, TooManyGenerations
from tests.http.test_bodies import code_of

SECRET = "a secret"


def application() -> FastAPI:
    app = FastAPI(openapi_url=None)
    add_error_handlers(app)
    raised: dict[str, Exception] = {
        "full": TooManyGenerations("The service is full.", 5),
        "unknown": ChatkeepError("Something."),
        "start-up": MigrationError("Not migrated."),
        "teapot": HTTPException(418, SECRET),
        "gone": HTTPException(404, SECRET),
        "bug": RuntimeError(SECRET),
    }

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise raised[name]

    @app.post("/raise/{name}")
    async def fail_too(name: str) -> None:
        raise raised[name]

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("full", 429, "too_many_generations"),
        ("unknown", 500, "internal_error"),
        ("start-up", 500, "start_up_refused"),
        ("teapot", 400, "bad_request"),
        ("gone", 404, "not_found"),
        ("bug", 500, "internal_error"),
    ],
)
async def test_every_exception_is_a_problem(client: httpx2.AsyncClient, name: str, status: int, code: str) -> None:
    answer = await client.get(f"/raise/{name}")
    assert code_of(answer, status) == code
    assert SECRET not in answer.text


async def test_the_headers_of_an_error_come_with_it(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/raise/full")).headers["retry-after"] == "5"


async def test_an_address_of_several_routes_takes_what_all_of_them_take(client: httpx2.AsyncClient) -> None:
    answer: Any = await client.put("/raise/full")
    assert code_of(answer, 405) == "method_not_allowed"
    assert answer.headers["allow"] == "GET, POST"
