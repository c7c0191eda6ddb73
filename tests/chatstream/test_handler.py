"""The handler on paths that a real ChatStream cannot be made to take on demand; see `with_chatstream/` for it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request

from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.app import create_app
from chatkeep.chatstream.queue_slot import Slot
from chatkeep.errors import ConfigurationError, NotAuthenticated
from chatkeep.ids import new_id
from tests.chatstream.front_end import MARK, MESSAGE_ID, FrontEnd
from tests.chatstream.stand_in import PASS_PHRASE, beside, chatstream_module
from tests.chatstream.test_streaming import ended_turn
from tests.support.databases import name_of, run
from tests.support.running_service import PASSWORD, settings_for

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
JSON = {"Content-Type": "application/json"}


async def test_a_turn_is_kept_and_its_place_given_back_once(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        alice = FrontEnd((await service.person()).client)
        reply = await alice.chat("Hi")
        turn = await ended_turn(service, alice)
        assert await queue.settled() == ["success"]
    assert (turn["id"], turn["status"], turn["model"]) == (reply.message_id, "complete", "stand-in")
    assert (turn["prompt"]["content"], turn["reply"]["content"], reply.text) == ("Hi", "Hello world", "Hello world")
    assert queue.generator.message_ids == [reply.message_id]


async def test_the_prompt_is_restored_with_the_applications_own_class(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        person = await service.person()
        alice = FrontEnd(person.client)
        conversation = (await alice.chat("one")).conversation
        await alice.chat("two")
        await alice.chat(regenerate=True)
        assert await alice.prompt() == "Be kind.|You: one|Bot: Hello world|You: two|Bot: Hello world"
        await person.client.patch(f"/api/v1/conversations/{conversation}", json={"system_prompt": "Be brief."})
        assert (await alice.prompt() or "").startswith("Be brief.|You: one|")
    earlier = [("You", "one"), ("Bot", "Hello world"), ("You", "two")]
    assert [prompt.messages[:-1] for prompt in queue.generator.prompts] == [earlier[:1], earlier, earlier]


async def test_generation_parameters_reach_the_model(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        alice = FrontEnd((await service.person()).client)
        await alice.chat("one")
        await alice.post("/set_generation_params", {"temperature": 0.5, "top_k_value": 7})
        await alice.chat("two")
    assert queue.generator.params == [None, {"temperature": 0.5, "top_k_value": 7, "top_p_value": 1.0}]


async def test_hanging_up_stops_the_model_and_keeps_what_there_is(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        queue.generator.script = ["Hello", None, "Hello world"]
        alice = FrontEnd((await service.person()).client)
        for _ in range(3):
            async with alice.streaming(user_input="Hi") as (_, texts):
                assert await anext(texts) == "Hello"
        turn = await ended_turn(service, alice)
        assert await queue.settled() == ["client_disconnected_while_streaming"] * 3
    assert (turn["status"], turn["reply"]["content"]) == ("stopped", "Hello")


async def test_hanging_up_before_the_first_word_frees_the_place(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        queue.generator.script = [None]
        alice = FrontEnd((await service.person()).client)
        asked = asyncio.create_task(alice.chat("Hi"))
        while not queue.generator.running:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await queue.settled() == ["client_disconnected_while_streaming"]
        assert (await ended_turn(service, alice))["status"] == "stopped"


async def test_who_waits_for_the_services_own_place_and_leaves_frees_it(shared_database_url: str) -> None:
    async with beside(shared_database_url, max_generations=1, max_queued=1) as (service, queue):
        queue.generator.script = ["Hello", None]
        alice, bob = FrontEnd((await service.person()).client), FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (_, texts):
            await anext(texts)
            waiting = asyncio.create_task(bob.chat("Hi"))
            while len(service.chat.generations) < 2:
                await asyncio.sleep(0.01)
            carol = await FrontEnd((await service.person()).client).post("/chat_stream", {"user_input": "Hi"})
            assert (carol.status_code, carol.json()["error"]) == (429, "too_many_generations")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await ended_turn(service, bob)
        assert sorted(await queue.settled()) == ["client_disconnected_while_streaming", "success", "success"]


@pytest.mark.parametrize("said", [[], ["Hello"]])
async def test_a_model_that_fails_frees_the_place(shared_database_url: str, said: list[str]) -> None:
    async with beside(shared_database_url) as (service, queue):
        queue.generator.script = [*said, RuntimeError("secret weights")]
        alice = FrontEnd((await service.person()).client)
        try:
            answer = await alice.post("/chat_stream", {"user_input": "Hi"})
        except Exception:  # noqa: BLE001  the connection is broken in whichever way the client words it
            assert said
        else:
            assert not said
            assert (answer.status_code, answer.json()["error"]) == (502, "model_error")
            assert "secret" not in answer.text
        turn = await ended_turn(service, alice)
        assert await queue.settled() == ["unknown_error_occurred"]
    assert (turn["status"], turn["reply"]["content"]) == ("failed", "".join(said))


async def test_stopping_from_elsewhere_ends_it(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        queue.generator.script = ["Hello", None]
        alice = FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (reply, texts):
            await anext(texts)
            path = f"/api/v1/conversations/{reply.conversation}/turns/{reply.message_id}/stop"
            assert (await alice.client.post(path)).status_code == 202
            _ = [text async for text in texts]
        assert (await ended_turn(service, alice))["status"] == "stopped"
        assert await queue.settled() == ["client_disconnected_while_streaming"]


async def test_a_refused_request_frees_its_place(shared_database_url: str) -> None:
    async with beside(shared_database_url, max_body_bytes=10_000) as (service, queue):
        alice, nobody = (await service.person()).client, service.client()
        say = b'{"user_input": "Hi"}'
        refusals: list[tuple[Any, bytes, dict[str, str], int, str]] = [
            (nobody, say, {}, 401, "not_authenticated"),
            (nobody, say, {"Authorization": "Bearer ck_wrong"}, 401, "not_authenticated"),
            (nobody, say, {"Cookie": "chatkeep=a.b"}, 401, "not_authenticated"),
            (alice, b"{bad", {}, 422, "invalid_json"),
            (alice, b"[]", {}, 422, "invalid_request"),
            (alice, b"{}", {}, 422, "invalid_request"),
            (alice, b'{"user_input": "\\ud800"}', {}, 422, "invalid_text"),
            (alice, b'{"regenerate": true}', {}, 422, "invalid_request"),
            (alice, b'{"user_input": "' + b"x" * 20_000 + b'"}', {}, 413, "body_too_large"),
            (alice, say, {"X-Chatkeep-Conversation": "x"}, 422, "invalid_request"),
            (alice, say, {"X-Chatkeep-Conversation": str(new_id())}, 404, "not_found"),
            (alice, say, {"Sec-Fetch-Site": "cross-site"}, 403, "cross_site_request"),
        ]
        for client, content, headers, status, error in refusals:
            answer = await client.post("/chat_stream", content=content, headers=JSON | headers)
            assert (answer.status_code, answer.json()["success"], answer.json()["error"]) == (status, False, error)
            assert MESSAGE_ID not in answer.headers
        assert await queue.settled() == ["success"] * len(refusals)
        assert queue.generator.prompts == []
        assert (await alice.get("/api/v1/conversations")).json()["items"] == []


async def test_two_tabs_are_kept_apart(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        queue.generator.script = ["Hello", None, "Hello world"]
        alice = await service.person()
        one, two = FrontEnd(alice.client, await alice.conversation()), FrontEnd(alice.client)
        async with one.streaming(user_input="one") as (_, texts), two.streaming(user_input="two") as (_, more):
            await anext(texts)
            await anext(more)
            refused = await FrontEnd(alice.client).post("/chat_stream", {"user_input": "three"})
            assert (refused.status_code, refused.json()["error"]) == (409, "turn_in_progress")
            queue.generator.go_on.set()
            _ = [text async for text in texts], [text async for text in more]
        assert await one.prompt() == "Be kind.|You: one|Bot: Hello world"
        assert await two.prompt() == "Be kind.|You: two|Bot: Hello world"
        assert await queue.settled() == ["success"] * 3


async def test_a_pass_phrase_is_no_part_of_the_history(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, queue):
        alice = (await service.person()).client
        answer = await alice.post("/chat_stream", json={"user_input": PASS_PHRASE})
        assert answer.text == f"granted{MARK}"
        assert await queue.settled() == ["success"]
        assert (await alice.get("/api/v1/conversations")).json()["items"] == []


async def test_a_new_session_id_on_the_way_reaches_the_browser(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, _):
        alice, admin = await service.person(), await service.administrator()
        front = FrontEnd(alice.client)
        before, cookie = await front.chat("one"), alice.client.cookies["chatkeep"]
        await admin.client.patch(f"/api/v1/admin/users/{alice.id}", json={"role": "admin"})
        after = await front.chat("two")
        assert alice.client.cookies["chatkeep"] != cookie
        assert after.conversation == before.conversation
        assert (await alice.client.get("/api/v1/auth/me")).json()["role"] == "admin"


async def test_an_application_may_recognise_users_itself(shared_database_url: str) -> None:
    users: dict[str, UUID] = {}

    async def identify(request: Request) -> UUID:
        if (name := request.headers.get("x-user")) not in users:
            raise NotAuthenticated("Unknown user.")
        return users[name or ""]

    async with beside(shared_database_url, identify=identify) as (service, queue):
        people = {name: await service.person() for name in ("alice", "bob")}
        users |= {name: UUID(person.id) for name, person in people.items()}
        fronts = {name: FrontEnd(service.client(headers={"X-User": name})) for name in people}
        first = {name: await front.chat(f"I am {name}") for name, front in fronts.items()}
        again = await fronts["alice"].chat("Who am I?")
        assert again.conversation == first["alice"].conversation != first["bob"].conversation
        assert queue.generator.prompts[-1].messages[0] == ("You", "I am alice")
        (listed,) = (await people["bob"].client.get("/api/v1/conversations")).json()["items"]
        assert listed["id"] == first["bob"].conversation
        stranger = await service.client(headers={"X-User": "eve"}).post("/chat_stream", json={"user_input": "Hi"})
        assert stranger.status_code == 401
        admin = await service.administrator()
        await admin.client.patch(f"/api/v1/admin/users/{people['bob'].id}", json={"disabled": True})
        assert (await fronts["bob"].post("/chat_stream", {"user_input": "Hi"})).status_code == 401
        await queue.settled()


async def test_a_visitor_is_a_guest_from_the_first_word_on(shared_database_url: str) -> None:
    async with beside(shared_database_url, allow_guests=True) as (service, queue):
        page = FrontEnd(service.client())
        assert (await page.post("/chat_stream", {"regenerate": True})).status_code == 422
        named = FrontEnd(page.client, str(new_id()))
        assert (await named.post("/chat_stream", {"user_input": "Hi"})).status_code == 404
        foreign = service.client(headers={"Sec-Fetch-Site": "cross-site"})
        assert (await foreign.post("/chat_stream", json={"user_input": "Hi"})).status_code == 403
        assert not page.client.cookies
        first = await page.chat("My name is Ken.")
        assert (await page.chat("Who am I?")).conversation == first.conversation
        assert queue.generator.prompts[-1].messages[0] == ("You", "My name is Ken.")
        account = await service.person()
        body = {"username": account.username, "password": PASSWORD}
        assert (await page.client.post("/api/v1/auth/login", json=body)).status_code == 200
        (kept,) = (await account.client.get("/api/v1/conversations")).json()["items"]
        assert kept["id"] == first.conversation
        await queue.settled()


async def test_a_server_in_front_may_sign_people_in(shared_database_url: str) -> None:
    """By the service's settings alone: then all of ChatStream's endpoints know who asks."""
    changes: dict[str, Any] = {"auth_user_header": "X-User", "auth_secret": SECRET, "allow_registration": False}
    async with beside(shared_database_url, **changes) as (service, queue):
        front = FrontEnd(service.client(headers={"X-User": "una", "X-Chatkeep-Auth-Secret": SECRET}))
        first = await front.chat("I am Una")
        assert (await front.chat("Who am I?")).conversation == first.conversation
        assert queue.generator.prompts[-1].messages[0] == ("You", "I am Una")
        assert "I am Una" in (await front.prompt() or "")
        assert (await front.post("/clear_context")).json()["success"]
        eve = service.client(headers={"X-User": "una"})
        refused = await eve.post("/chat_stream", json={"user_input": "Hi"})
        assert (refused.status_code, refused.json()["error"]) == (403, "untrusted_identity")
        foreign = FrontEnd(service.client(headers=dict(front.client.headers) | {"Sec-Fetch-Site": "cross-site"}))
        assert (await foreign.post("/chat_stream", {"user_input": "Hi"})).status_code == 403
        await queue.settled()


async def test_an_application_may_take_users_from_trusted_headers(shared_database_url: str) -> None:
    """As `identify`, where only the handler is to believe them."""
    auth = TrustedHeaderAuth("X-User", secret=SECRET)
    async with beside(shared_database_url, identify_by=auth) as (service, queue):
        front = FrontEnd(service.client(headers={"X-User": "vera", "X-Chatkeep-Auth-Secret": SECRET}))
        first = await front.chat("I am Vera")
        assert (await front.chat("Who am I?")).conversation == first.conversation
        assert queue.generator.prompts[-1].messages[0] == ("You", "I am Vera")
        for headers, status in (({"X-User": "vera"}, 403), ({}, 401)):
            answer = await service.client(headers=headers).post("/chat_stream", json={"user_input": "Hi"})
            assert answer.status_code == status
        await queue.settled()


async def test_a_token_opens_it_too(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, _):
        alice = await service.person()
        token = (await alice.client.post("/api/v1/auth/tokens", json={"name": "script"})).json()["token"]
        script = FrontEnd(service.client(headers={"Authorization": f"Bearer {token}"}))
        first, second = await script.chat("one"), await script.chat("two")
        assert first.conversation == second.conversation
        assert (await FrontEnd(alice.client).chat("three")).conversation != first.conversation


async def test_only_chatstreams_model_answers(shared_database_url: str) -> None:
    async with beside(shared_database_url) as (service, _):
        alice = await service.person()
        turn = await alice.say(await alice.conversation(), "Hi")
        assert (turn["status"], turn["error"]["code"]) == ("failed", "model_error")


async def test_a_database_that_is_away_frees_the_place(database_url: str, server_url: str) -> None:
    async with beside(database_url) as (service, queue):
        alice = FrontEnd((await service.person()).client)
        name = name_of(database_url)
        close = f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await run(server_url, close, kill)
        answer = await alice.post("/chat_stream", {"user_input": "Hi"})
        assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
        await run(server_url, close.replace("false", "true"))
        assert await queue.settled() == ["success"]
        assert (await alice.chat("Hi")).text == "Hello world"


def test_chatstreams_cookie_name_is_refused() -> None:
    chatkeep = create_app(settings_for("postgresql://localhost/x"))
    with chatstream_module():
        from chatkeep.chatstream.handler import PersistentChatStreamHandler

        with pytest.raises(ConfigurationError, match="CHATKEEP_COOKIE_NAME"):
            PersistentChatStreamHandler(chatkeep)


async def test_a_place_is_given_back_once_however_often_it_is_asked() -> None:
    messages: list[str] = []

    async def finished(_request: Request, message: str) -> None:
        messages.append(message)

    slot = Slot(Request({"type": "http"}), finished)
    await asyncio.gather(slot.give_back("one"), slot.give_back("two"), slot.give_back_unused())
    assert messages == ["one"]
