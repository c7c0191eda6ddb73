"""The requests of a browser, their answers, and the rows that the database then holds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import text

from chatkeep.database.database import Database
from tests.support.running_service import PASSWORD, USERS_SCOPES, Person, RunningService

AUTH = "/api/v1/auth"
NEW_PASSWORD = "another of those long passwords"


@dataclass(frozen=True)
class SetCookie:
    """One `Set-Cookie` header; attributes by their names in lower case."""

    value: str
    attributes: dict[str, str]


def set_cookies(answer: httpx2.Response) -> dict[str, SetCookie]:
    """Return the cookies that an answer sets; no name twice."""
    found: dict[str, SetCookie] = {}
    for header in answer.headers.get_list("set-cookie"):
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        assert name not in found, "one cookie was set twice"
        named = (attribute.partition("=") for attribute in attributes)
        found[name] = SetCookie(value, {key.lower(): value for key, _, value in named})
    return found


async def log_in(
    client: httpx2.AsyncClient,
    username: str,
    password: str = PASSWORD,
    *,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx2.Response:
    credentials = {"username": username, "password": password, **body}
    return await client.post(f"{AUTH}/login", json=credentials, headers=headers)


async def another_browser(service: RunningService, person: Person, **body: Any) -> httpx2.AsyncClient:
    """Sign the person in on a client of its own."""
    client = service.client()
    answer = await log_in(client, person.username, **body)
    assert answer.status_code == 200, answer.text
    return client


def session_of(client: httpx2.AsyncClient) -> str:
    """Return the session's cookie that a client holds."""
    return str(client.cookies["sid"])


async def status_of_me(service: RunningService, *, cookie: str | None = None, token: str | None = None) -> int:
    """Ask who is asking, with a copy of a cookie or with a token."""
    headers = {"Cookie": f"sid={cookie}"} if cookie is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return (await service.client().get(f"{AUTH}/me", headers=headers)).status_code


async def new_token(person: Person, **body: Any) -> str:
    """Make a token with every scope that a user can give, unless `body` says otherwise."""
    answer = await person.client.post(f"{AUTH}/tokens", json={"name": "laptop", "scopes": USERS_SCOPES, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, str(answer.json()["code"])


async def rows(database: Database, query: str, **values: Any) -> list[Any]:
    async with database.transaction() as connection:
        return list((await connection.execute(text(query), values)).all())


async def change(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement), values)


async def value(database: Database, query: str, **values: Any) -> Any:
    ((found,),) = await rows(database, query, **values)
    return found


async def during(
    change: Awaitable[httpx2.Response], *calls: Callable[[], Awaitable[httpx2.Response]]
) -> tuple[httpx2.Response, list[httpx2.Response]]:
    """Make each of the calls again and again until the change was answered; return its answer, and theirs."""
    changing = asyncio.ensure_future(change)
    answers: list[httpx2.Response] = []

    async def again_and_again(call: Callable[[], Awaitable[httpx2.Response]]) -> None:
        while not changing.done():
            answers.append(await call())

    await asyncio.gather(*map(again_and_again, calls))
    return await changing, answers
