"""The service's accounts in an application of one's own, whose sessions are wherever it likes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, WebSocket
from pydantic import BaseModel
from websockets.asyncio.client import connect

from chatkeep.accounts.dependencies import AccountsDep, ClientDep
from chatkeep.accounts.library_sessions import SessionUser, SessionUserMiddleware, log_in_session
from chatkeep.app.error_handlers import add_error_handlers
from chatkeep.sessions import FasterSessionMiddleware, SessionStore, http_session
from tests.accounts.client import NEW_PASSWORD, change
from tests.sessions.applications import KEY, Browser, Served, served
from tests.sessions.stores import KINDS, store_of
from tests.support.running_service import PASSWORD, Person, RunningService


class Credentials(BaseModel):
    username: str
    password: str


def shop(service: RunningService, store: SessionStore) -> FastAPI:
    app = FastAPI()
    app.state.accounts = service.app.state.accounts
    add_error_handlers(app)
    app.add_middleware(SessionUserMiddleware)
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, store=store, secure=False)

    @app.post("/log-in")
    async def log_in(request: Request, body: Credentials, accounts: AccountsDep, client: ClientDep) -> Any:
        identity = await log_in_session(accounts, http_session(request), body.username, body.password, client)
        return {"username": identity.username}

    @app.post("/log-out")
    async def log_out(request: Request) -> None:
        http_session(request).invalidate()

    @app.post("/cart")
    async def cart(request: Request) -> None:
        request.session["cart"] = ["tea"]

    @app.get("/")
    async def who(request: Request) -> Any:
        return {"user": request.state.user and request.state.user.username, "cart": request.session.get("cart")}

    @app.get("/mine")
    async def mine(user: SessionUser) -> Any:
        return {"user": user.username, "administrator": user.is_administrator}

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.user.username)
        await socket.close()

    return app


@pytest.fixture(params=KINDS)
async def running(request: pytest.FixtureRequest, service: RunningService, database_url: str) -> AsyncIterator[Served]:
    async with store_of(request.param, database_url) as store, served(shop(service, store)) as running:
        yield running


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def logged_in(running: Served, person: Person) -> Browser:
    browser = running.browser()
    answer = await browser.ask("POST", "/log-in", {"username": person.username, "password": PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {"username": person.username})
    return browser


async def test_who_is_signed_in_is_known(running: Served, person: Person) -> None:
    browser = await logged_in(running, person)
    assert (await browser.get())["user"] == person.username
    assert await browser.get("/mine") == {"user": person.username, "administrator": False}
    address = running.url.replace("http", "ws") + "/ws"
    async with connect(address, additional_headers={"cookie": f"sid={browser.cookies['sid']}"}) as socket:
        assert await socket.recv() == person.username


async def test_nobody_is_nobody(running: Served) -> None:
    browser = running.browser()
    assert (await browser.get())["user"] is None
    answer = await browser.ask("GET", "/mine")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_wrong_passwords_and_unknown_names_are_one_answer(running: Served, person: Person) -> None:
    tries = [(person.username, "a wrong password"), ("nobody at all", PASSWORD)]
    answers = [
        await running.browser().ask("POST", "/log-in", {"username": name, "password": password})
        for name, password in tries
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert not any(answer.headers.get("set-cookie") for answer in answers)


async def test_signing_in_takes_the_cart_and_leaves_a_planted_cookie_behind(running: Served, person: Person) -> None:
    attacker = running.browser()
    await attacker.ask("POST", "/cart")
    victim = running.browser(attacker.cookies)
    await victim.ask("POST", "/log-in", {"username": person.username, "password": PASSWORD})
    assert await victim.get() == {"user": person.username, "cart": ["tea"]}
    assert await attacker.get() == {"user": None, "cart": None}


async def test_signing_out_makes_copies_worthless(running: Served, person: Person) -> None:
    browser = await logged_in(running, person)
    thief = running.browser(browser.cookies)
    await browser.ask("POST", "/log-out")
    assert (await thief.get())["user"] is None
    assert (await browser.get())["user"] is None


async def test_a_new_password_a_new_role_and_being_disabled_sign_out(
    running: Served, service: RunningService, person: Person
) -> None:
    browser = await logged_in(running, person)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await person.client.post("/api/v1/auth/password", json=body)).status_code == 204
    assert (await browser.get())["user"] is None
    for statement in (
        "UPDATE users SET role = 'admin' WHERE id = :id",
        "UPDATE users SET disabled = true WHERE id = :id",
    ):
        await browser.ask("POST", "/log-in", {"username": person.username, "password": NEW_PASSWORD})
        assert (await browser.get())["user"] == person.username
        await change(service.database, statement, id=person.id)
        assert (await browser.get())["user"] is None
    answer = await browser.ask("POST", "/log-in", {"username": person.username, "password": NEW_PASSWORD})
    assert answer.status_code == 401


async def test_a_deleted_account_is_nobody(running: Served, person: Person) -> None:
    browser = await logged_in(running, person)
    answer = await person.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})
    assert answer.status_code == 204
    assert (await browser.get())["user"] is None


async def test_guessing_is_throttled_here_too(running: Served, person: Person) -> None:
    browser = running.browser()
    body = {"username": person.username, "password": "a wrong password"}
    answers = [await browser.ask("POST", "/log-in", body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
