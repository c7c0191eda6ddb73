"""`ChatkeepSession`, called as openai-agents calls a session; tests/clients has it with the real package."""

from typing import Any

import pytest
from sqlalchemy import select

from chatkeep.accounts.identity import Identity, identity_by_token
from chatkeep.database.tables import audit_events, users
from chatkeep.errors import LegalHold
from chatkeep.openai.agents_session import ChatkeepSession
from tests.openai.clients import ApiUser, api_user
from tests.openai.test_responses import PIXEL
from tests.support.running_service import RunningService

ASKED: dict[str, Any] = {"role": "user", "content": "How is the weather?"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
SAID: dict[str, Any] = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Rain.", "annotations": []}],
}


async def identity_of(service: RunningService, user: ApiUser) -> Identity:
    accounts = service.app.state.accounts
    identity = await identity_by_token(accounts.database, user.token, accounts.clock())
    assert identity is not None
    return identity


async def session_of(service: RunningService, user: ApiUser, name: str = "support") -> ChatkeepSession:
    return ChatkeepSession(service.app, await identity_of(service, user), name)


def texts(items: Any) -> list[str]:
    return [item["content"][0]["text"] if "content" in item else item["type"] for item in items]


async def test_what_is_added_is_given_back_in_order(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items([])
    assert (await user.person.client.get("/api/v1/conversations")).json()["items"] == []
    await session.add_items([ASKED])
    await session.add_items([CALL, OUTPUT, SAID])
    again = await session_of(service, user)
    items = await again.get_items()
    assert texts(items) == ["How is the weather?", "function_call", "function_call_output", "Rain."]
    assert (items[1]["call_id"], items[2]["output"]) == ("call_1", "rain")
    assert texts(await session.get_items(limit=2)) == ["function_call_output", "Rain."]
    assert await session.get_items(limit=0) == []
    # It is a conversation like any other.
    listed = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [(each["title"], each["metadata"]) for each in listed] == [("How is the weather?", {"origin": "api"})]
    by_id = await session_of(service, user, listed[0]["id"])
    assert await by_id.get_items() == items


async def test_items_are_taken_back_one_by_one(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    await session.add_items([ASKED, CALL])
    await session.add_items([OUTPUT])
    popped = [await session.pop_item() for _ in range(4)]
    assert [each and each["type"] for each in popped] == ["function_call_output", "function_call", "message", None]
    await session.add_items([SAID])
    assert texts(await session.get_items()) == ["Rain."]


async def test_many_items_come_whole(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    for first in range(0, 120, 2):
        await session.add_items([{"role": "user", "content": f"{number}"} for number in (first, first + 1)])
    assert texts(await session.get_items()) == [f"{number}" for number in range(120)]
    assert texts(await session.get_items(limit=103)) == [f"{number}" for number in range(17, 120)]


async def test_a_cleared_session_begins_anew(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    await session.clear_session()
    await session.add_items([ASKED])
    await session.clear_session()
    assert await session.get_items() == []
    await session.add_items([SAID])
    assert texts(await session.get_items()) == ["Rain."]
    async with service.database.transaction() as connection:
        rows = await connection.execute(select(audit_events.c.action, audit_events.c.actor_id))
        acts = [action for action, actor in rows if str(actor) == user.person.id]
    assert acts.count("conversation_deleted") == 1


async def test_pictures_and_files_come_with_their_bytes(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    text = "data:text/plain;base64,U2VuY2hh"
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_file", "filename": "tea.txt", "file_data": text},
    ]
    await session.add_items([{"role": "user", "content": parts}, SAID])
    found = (await session.get_items())[0]["content"]
    assert sorted(found, key=lambda part: str(part["type"])) == [
        {"type": "input_file", "filename": "tea.txt", "file_data": text},
        {"type": "input_image", "detail": "low", "image_url": PIXEL},
        {"type": "input_text", "text": "What is this?"},
    ]


async def test_a_name_leads_each_user_to_another_conversation(service: RunningService, user: ApiUser) -> None:
    await (await session_of(service, user)).add_items([ASKED])
    other = await api_user(service)
    assert await (await session_of(service, other)).get_items() == []
    listed = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    stranger = await session_of(service, other, listed[0]["id"])
    assert await stranger.get_items() == []
    await stranger.clear_session()
    await stranger.add_items([SAID])
    assert texts(await (await session_of(service, user)).get_items()) == ["How is the weather?"]


async def test_what_is_under_legal_hold_stays(service: RunningService, user: ApiUser) -> None:
    session = await session_of(service, user)
    await session.add_items([ASKED])
    async with service.database.transaction() as connection:
        await connection.execute(users.update().where(users.c.id == user.person.id).values(legal_hold=True))
    with pytest.raises(LegalHold):
        await session.clear_session()
    with pytest.raises(LegalHold):
        await session.pop_item()
    assert texts(await session.get_items()) == ["How is the weather?"]
