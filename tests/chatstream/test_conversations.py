"""Which conversation is current: two tabs, two browsers, tokens, deleted ones, renewed sessions, many at once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chatkeep.chat.records import ConversationRecord
from chatkeep.chatstream.conversations import Asking, look_up
from chatkeep.database.database import Database
from chatkeep.ids import new_id
from tests.chatstream.front_end import CONVERSATION, FrontEnd
from tests.support.models import HeldModel
from tests.support.running_service import PASSWORD, Person, RunningService, running


async def conversations(front: FrontEnd) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await front.client.get("/api/v1/conversations")).json()["items"]
    return items


async def elsewhere(service: RunningService, person: Person) -> FrontEnd:
    """The same user, signed in on another browser."""
    client = service.client()
    body = {"username": person.username, "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
    return FrontEnd(client)


async def by_token(service: RunningService, person: Person) -> FrontEnd:
    token = await person.token("chat", "read")
    return FrontEnd(service.client(headers={"Authorization": f"Bearer {token}"}))


async def test_many_first_requests_at_once_begin_one_conversation(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("yes")) as service:
        alice = FrontEnd((await service.person()).client)
        answers = await asyncio.gather(
            *(alice.post("/set_generation_params", {"temperature": n / 10}) for n in range(1, 9)),
            *(alice.post("/chat_stream", {"user_input": f"question {n}"}) for n in range(4)),
        )
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert len(await conversations(alice)) == 1


async def test_a_conversation_that_another_tab_begins_meanwhile_is_used(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = FrontEnd((await service.person()).client)

    async def late(database: Database, asking: Asking) -> tuple[UUID | None, ConversationRecord | None]:
        found = await look_up(database, asking)
        monkeypatch.undo()
        await alice.chat("Hi")
        return found

    monkeypatch.setattr("chatkeep.chatstream.router.look_up", late)
    answer = await alice.post("/set_generation_params", {"temperature": 0.5})
    assert answer.status_code == 200
    (conversation,) = await conversations(alice)
    assert conversation["params"]["temperature"] == 0.5


async def test_many_clear_at_once_and_begin_one_conversation(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client)
    await alice.chat("Hi")
    answers = await asyncio.gather(*(alice.post("/clear_context") for _ in range(8)))
    assert len({answer.headers[CONVERSATION] for answer in answers}) == 1
    assert len(await conversations(alice)) == 2


async def test_two_tabs_of_one_session_take_turns(shared_database_url: str) -> None:
    model = HeldModel("Hello", None, " world")
    async with running(shared_database_url, model=model) as service:
        client = (await service.person()).client
        one, two = FrontEnd(client), FrontEnd(client)
        async with one.streaming(user_input="one") as (reply, texts):
            await anext(texts)
            refused = await two.post("/chat_stream", {"user_input": "two"})
            assert (refused.status_code, refused.json()["error"]) == (409, "turn_in_progress")
            assert refused.json()["turn_id"] == reply.message_id
            model.go_on()
            assert [text async for text in texts][-1] == "Hello world"
        later = await two.chat("two")
        assert later.conversation == reply.conversation
        assert await one.prompt() == "user: one\nassistant: Hello world\nuser: two\nassistant: Hello world\n"


async def test_two_tabs_with_conversations_of_their_own_are_kept_apart(shared_database_url: str) -> None:
    model = HeldModel("Hello", None, " world")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        one = FrontEnd(alice.client, await alice.conversation())
        two = FrontEnd(alice.client, await alice.conversation())
        async with one.streaming(user_input="one") as (first, texts), two.streaming(user_input="two") as (second, more):
            await anext(texts)
            await anext(more)
            model.go_on()
            _ = [text async for text in texts], [text async for text in more]
        assert (first.conversation, second.conversation) == (one.conversation, two.conversation)
        assert await one.prompt() == "user: one\nassistant: Hello world\n"
        assert await two.prompt() == "user: two\nassistant: Hello world\n"
        assert await FrontEnd(alice.client).prompt() is None


async def test_a_tab_of_its_own_clears_for_itself_alone(service: RunningService) -> None:
    alice = await service.person()
    session = FrontEnd(alice.client)
    current = await session.chat("My name is Alice.")
    tab = FrontEnd(alice.client, current.conversation)
    tab.conversation = (await tab.post("/clear_context")).headers[CONVERSATION]
    assert await tab.prompt() is None
    assert await session.prompt() is not None
    await tab.post("/set_generation_params", {"temperature": 0.5})
    assert (await session.get("/get_generation_params")).json()["generation_params"]["temperature"] == 1.0


async def test_each_browser_has_its_own_current_conversation(service: RunningService) -> None:
    alice = await service.person()
    one, two = FrontEnd(alice.client), await elsewhere(service, alice)
    first, second = await one.chat("one"), await two.chat("two")
    assert first.conversation != second.conversation
    assert {each["id"] for each in await conversations(two)} == {first.conversation, second.conversation}


async def test_a_named_conversation_of_someone_else_is_not_there(service: RunningService) -> None:
    alice, bob = FrontEnd((await service.person()).client), FrontEnd((await service.person()).client)
    theirs = FrontEnd(bob.client, (await alice.chat("mine")).conversation)
    missing = FrontEnd(bob.client, str(new_id()))
    for method, path, body in (
        ("POST", "/chat_stream", {"user_input": "Hi"}),
        ("POST", "/chat_stream", {"regenerate": True}),
        ("POST", "/clear_context", None),
        ("GET", "/get_prompt", None),
        ("GET", "/get_generation_params", None),
        ("POST", "/set_generation_params", {}),
    ):
        one, two = [
            await each.client.request(method, path, json=body, headers=each.headers) for each in (theirs, missing)
        ]
        assert (one.status_code, one.json()) == (two.status_code, two.json())
        assert (one.status_code, one.json()["error"]) == (404, "not_found")
    assert await conversations(bob) == []


async def test_a_conversation_name_that_is_none_is_refused(service: RunningService) -> None:
    alice = FrontEnd((await service.person()).client, "not an id")
    answer = await alice.post("/chat_stream", {"user_input": "Hi"})
    assert (answer.status_code, answer.json()["success"]) == (422, False)


@pytest.mark.parametrize("next_call", ["/chat_stream", "/set_generation_params", "/clear_context", "/get_prompt"])
async def test_a_deleted_conversation_is_followed_by_a_new_one(service: RunningService, next_call: str) -> None:
    alice = FrontEnd((await service.person()).client)
    old = (await alice.chat("Hi")).conversation
    assert (await alice.client.delete(f"/api/v1/conversations/{old}")).status_code == 204
    if next_call == "/get_prompt":
        assert await alice.prompt() is None
    else:
        assert (await alice.post(next_call, {"user_input": "Hi"})).status_code == 200
    assert (await alice.chat("Hello again")).conversation != old
    assert len(await conversations(alice)) == 1


async def test_a_token_has_a_conversation_too(service: RunningService) -> None:
    alice = await service.person()
    browser, script = FrontEnd(alice.client), await by_token(service, alice)
    mine = await browser.chat("My name is Alice.")
    first = await script.chat("My name is Bob.")
    second = await (await by_token(service, alice)).chat("What is my name?")
    assert "Bob" in second.text
    assert first.conversation == second.conversation != mine.conversation
    await script.post("/clear_context")
    assert (await script.chat("Hi")).conversation not in (mine.conversation, first.conversation)


async def test_many_first_requests_of_a_token_begin_one_conversation(service: RunningService) -> None:
    script = await by_token(service, await service.person())
    await asyncio.gather(*(script.post("/set_generation_params", {}) for _ in range(8)))
    assert len(await conversations(script)) == 1


async def test_a_change_of_role_keeps_the_current_conversation(service: RunningService) -> None:
    """The session gets a new id then."""
    alice, admin = await service.person(), await service.administrator()
    front = FrontEnd(alice.client)
    before, cookie = await front.chat("My name is Alice."), alice.client.cookies["sid"]
    changed = await admin.client.patch(f"/api/v1/admin/users/{alice.id}", json={"role": "admin"})
    assert changed.status_code == 200
    after = await front.chat("What is my name?")
    assert alice.client.cookies["sid"] != cookie
    assert after.conversation == before.conversation
    assert "Alice" in after.text


async def test_the_conversation_is_an_ordinary_one(service: RunningService) -> None:
    """Turns of this endpoint are in the history, and turns from elsewhere are in the prompt."""
    alice = await service.person()
    front = FrontEnd(alice.client)
    conversation = (await front.chat("My name is Alice.")).conversation
    turn = await alice.say(conversation, "What is my name?")
    assert (turn["index"], "Alice" in turn["reply"]["content"]) == (1, True)
    assert "What is my name?" in (await front.prompt() or "")
    (listed,) = await conversations(front)
    assert (listed["id"], listed["title"]) == (conversation, "My name is Alice.")
