"""A ChatStream front end without accounts, as ChatStream's own: who opens the page chats."""

from collections.abc import AsyncIterator

import pytest

from chatkeep.ids import new_id
from tests.accounts.client import value
from tests.chatstream.front_end import FrontEnd
from tests.support.running_service import PASSWORD, RunningService, running

GUESTS = "SELECT count(*) FROM users WHERE is_guest"


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, allow_guests=True) as service:
        yield service


async def test_who_opens_the_page_chats(service: RunningService) -> None:
    page = FrontEnd(service.client())
    assert await page.prompt() is None
    first = await page.chat("My name is Ken.")
    assert "sid" in page.client.cookies
    assert "Ken" in (await page.chat("What is my name?")).text
    assert "My name is Ken." in (await page.prompt() or "")
    like = {"message_id": first.message_id, "is_like": True}
    assert (await page.post("/set_feedback", like)).json()["success"]
    assert (await page.chat(regenerate=True)).text
    assert (await page.post("/clear_context")).json()["success"]
    assert await page.prompt() is None
    items = (await page.client.get("/api/v1/conversations")).json()["items"]
    assert len(items) == 2, "the old one stays in the history"


async def test_a_visitor_who_has_said_nothing_makes_no_row(service: RunningService) -> None:
    before, client = await value(service.database, GUESTS), service.client()
    page, named = FrontEnd(client), FrontEnd(client, str(new_id()))
    assert (await page.get("/get_prompt")).json() == {"success": True, "message": "no prompt", "prompt": None}
    assert (await page.post("/clear_context")).json()["success"]
    assert (await page.get("/get_generation_params")).json()["generation_params"]["temperature"] == 1.0
    assert (await page.get("/get_load")).status_code == 200
    assert (await page.post("/set_feedback", {"message_id": str(new_id()), "is_like": True})).status_code == 404
    assert (await page.post("/chat_stream", {"regenerate": True})).status_code == 422
    assert (await page.post("/chat_stream", {"user_input": 7})).status_code == 422
    assert (await named.post("/chat_stream", {"user_input": "Hi"})).status_code == 404
    assert (await named.post("/set_generation_params", {"temperature": 0.5})).status_code == 404
    assert not client.cookies
    assert await value(service.database, GUESTS) == before


async def test_parameters_that_are_set_first_are_kept_for_the_guest(service: RunningService) -> None:
    page = FrontEnd(service.client())
    assert (await page.post("/set_generation_params", {"temperature": 0.5})).status_code == 200
    await page.chat("Hi")
    assert (await page.get("/get_generation_params")).json()["generation_params"]["temperature"] == 0.5


@pytest.mark.parametrize("path", ["register", "login"])
async def test_the_current_conversation_goes_on_as_the_accounts(service: RunningService, path: str) -> None:
    page, account = FrontEnd(service.client()), await service.person()
    reply = await page.chat("My name is Ken.")
    username = account.username if path == "login" else f"new-{account.username}"
    answer = await page.client.post(f"/api/v1/auth/{path}", json={"username": username, "password": PASSWORD})
    assert answer.status_code < 300
    going_on = await page.chat("What is my name?")
    assert "Ken" in going_on.text
    assert going_on.conversation == reply.conversation


async def test_roles_hold_for_visitors_and_guests(shared_database_url: str) -> None:
    roles = {"user": {"apis": {"allow": ["chat_stream"]}}}
    async with running(shared_database_url, allow_guests=True, chatstream_roles=roles) as service:
        page = FrontEnd(service.client())
        assert (await page.get("/get_prompt")).status_code == 403
        await page.chat("Hi")
        assert (await page.get("/get_prompt")).status_code == 403


async def test_without_the_setting_nobody_chats(database_url: str) -> None:
    async with running(database_url) as service:
        page = FrontEnd(service.client())
        assert (await page.post("/chat_stream", {"user_input": "Hi"})).status_code == 401
        assert (await page.get("/get_prompt")).status_code == 401
