"""A real ChatStream 0.3.0 server whose histories are in PostgreSQL, over HTTP: its own queue, its own generator."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from chatkeep.ids import new_id
from tests.chatstream.front_end import CONVERSATION, FrontEnd
from tests.chatstream.with_chatstream.server import ChatStreamProcess, chatstream
from tests.support.databases import name_of, run

# The mock says them one after the other, about ten a second.
LONG = " ".join(f"word{number}" for number in range(80))


@pytest.fixture(scope="module")
async def server(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ChatStreamProcess]:
    async with chatstream(tmp_path_factory.mktemp("chatstream"), shared_database_url) as server:
        yield server


@pytest.fixture
async def alice(server: ChatStreamProcess) -> FrontEnd:
    return await server.person(f"alice-{secrets.token_hex(4)}")


async def conversations(front: FrontEnd) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await front.client.get("/api/v1/conversations")).json()["items"]
    return items


async def turns(front: FrontEnd, conversation: str) -> list[dict[str, Any]]:
    answer = await front.client.get(f"/api/v1/conversations/{conversation}/turns", params={"order": "asc"})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def last_turn(front: FrontEnd) -> dict[str, Any]:
    """Return the newest turn as soon as it does not stream any more."""
    async with asyncio.timeout(20):
        while True:
            turn = (await turns(front, (await conversations(front))[0]["id"]))[-1]
            if turn["status"] != "streaming":
                return turn
            await asyncio.sleep(0.05)


def test_this_is_the_real_one() -> None:
    assert version("chatstream") == "0.3.0"


async def test_a_turn_is_streamed_and_kept(server: ChatStreamProcess, alice: FrontEnd) -> None:
    reply = await alice.chat("hello there big 世界")
    assert reply.texts == ["hello", "hello there", "hello there big", "hello there big 世界"]
    turn = await last_turn(alice)
    assert (turn["id"], turn["status"], turn["model"]) == (reply.message_id, "complete", "test")
    assert turn["reply"]["content"] == "hello there big 世界"
    assert await alice.prompt() == "Be kind.[You]hello there big 世界[Bot]hello there big 世界"
    await server.idle()


async def test_regenerate_clear_feedback_and_parameters_work(alice: FrontEnd) -> None:
    first = await alice.chat("one two")
    again = await alice.chat(regenerate=True)
    assert again.message_id != first.message_id
    (turn,) = await turns(alice, first.conversation)
    assert (turn["id"], turn["prompt"]["content"], turn["siblings"]["count"]) == (again.message_id, "one two", 2)
    given = await alice.post("/set_feedback", {"message_id": again.message_id, "is_like": True, "form_data": "good"})
    assert given.json() == {"success": True, "message": "success", "target_message_id": again.message_id}
    assert (await last_turn(alice))["feedback"] == {"rating": 1, "comment": "good"}
    await alice.post("/set_generation_params", {"temperature": 0.5, "top_k_value": 3})
    cleared = await alice.post("/clear_context")
    assert cleared.json()["success"] is True
    assert await alice.prompt() is None
    later = await alice.chat("three")
    assert later.conversation == cleared.headers[CONVERSATION] != first.conversation
    assert (await last_turn(alice))["params"] == {"temperature": 0.5, "top_k": 3}
    assert len(await turns(alice, first.conversation)) == 1


async def test_two_users_at_once_never_meet(server: ChatStreamProcess) -> None:
    people = [await server.person(f"{name}-{secrets.token_hex(4)}") for name in ("bob", "carol")]
    for number in range(3):
        said = [f"user{index} says {number}" for index in range(2)]
        replies = await asyncio.gather(*(front.chat(text) for front, text in zip(people, said, strict=True)))
        assert [reply.text for reply in replies] == said
    for index, front in enumerate(people):
        (conversation,) = await conversations(front)
        kept = await turns(front, conversation["id"])
        assert [turn["prompt"]["content"] for turn in kept] == [f"user{index} says {number}" for number in range(3)]
        assert f"user{1 - index}" not in (await front.prompt() or "")
    await server.idle()


async def test_two_tabs_with_conversations_of_their_own(server: ChatStreamProcess, alice: FrontEnd) -> None:
    created = await alice.client.post("/api/v1/conversations", json={})
    other = FrontEnd(alice.client, created.json()["id"])
    for number in range(2):
        one, two = await asyncio.gather(alice.chat(f"one {number}"), other.chat(f"two {number}"))
        assert (one.text, two.text) == (f"one {number}", f"two {number}")
        assert (one.conversation != two.conversation, two.conversation) == (True, other.conversation)
    assert await alice.prompt() == "Be kind.[You]one 0[Bot]one 0[You]one 1[Bot]one 1"
    assert await other.prompt() == "Be kind.[You]two 0[Bot]two 0[You]two 1[Bot]two 1"
    await server.idle()


async def test_two_tabs_of_one_conversation_take_turns(server: ChatStreamProcess, alice: FrontEnd) -> None:
    async with alice.streaming(user_input=LONG) as (reply, texts):
        await anext(texts)
        refused = await FrontEnd(alice.client).post("/chat_stream", {"user_input": "two"})
        assert (refused.status_code, refused.json()["error"]) == (409, "turn_in_progress")
    assert (await last_turn(alice))["id"] == reply.message_id
    assert (await alice.chat("three")).text == "three"
    await server.idle()


async def test_hanging_up_keeps_the_partial_reply_and_frees_the_place(
    server: ChatStreamProcess, alice: FrontEnd
) -> None:
    """ChatStream has two places here: a place that leaked twice would be the end."""
    for number in range(5):
        async with alice.streaming(user_input=f"{number} {LONG}") as (_, texts):
            seen = [await anext(texts) for _ in range(3)][-1]
        turn = await last_turn(alice)
        assert turn["status"] == "stopped"
        assert turn["reply"]["content"].startswith(seen)
        assert f"{number} {LONG}".startswith(turn["reply"]["content"])
        assert len(turn["reply"]["content"]) < len(LONG)
    await server.idle()
    assert (await alice.chat("still there?")).text == "still there?"


async def test_refused_requests_free_their_places(server: ChatStreamProcess, alice: FrontEnd) -> None:
    nobody = server.tab()
    stranger = FrontEnd(alice.client, str(new_id()))
    for _ in range(3):
        assert (await nobody.post("/chat_stream", {"user_input": "Hi"})).status_code == 401
        assert (await alice.post("/chat_stream", {"regenerate": True})).status_code == 422
        assert (await alice.client.post("/chat_stream", content=b"{bad")).status_code == 422
        assert (await alice.client.post("/chat_stream", content=b'{"user_input":"\\ud800"}')).status_code == 422
        assert (await stranger.post("/chat_stream", {"user_input": "Hi"})).status_code == 404
    await server.idle()
    assert (await alice.chat("still there?")).text == "still there?"


async def test_leaving_while_queued_frees_the_place(server: ChatStreamProcess, alice: FrontEnd) -> None:
    others = [await server.person(f"dave-{secrets.token_hex(4)}") for _ in range(2)]
    async with others[0].streaming(user_input=LONG) as (_, one), others[1].streaming(user_input=LONG) as (_, two):
        await anext(one)
        await anext(two)
        queued = asyncio.create_task(alice.chat("queued"))
        async with asyncio.timeout(5):
            while await server.busy() < 3:
                await asyncio.sleep(0.05)
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
    await server.idle()
    assert (await alice.chat("still there?")).text == "still there?"


async def test_a_killed_process_loses_nothing_that_was_seen(database_url: str, tmp_path: Path) -> None:
    async with chatstream(tmp_path, database_url) as server:
        alice = await server.person("alice")
        before = await alice.chat("My name is Alice.")
        seen = ""
        try:
            async with alice.streaming(user_input=LONG) as (reply, texts):
                async for text in texts:
                    if not seen and len(text) > 60:
                        seen = text
                        await asyncio.sleep(0.3)  # more than the interval in which text is written down
                        await server.end(signal.SIGKILL)
        except Exception:  # noqa: BLE001  the connection is broken in whichever way the client words it
            assert server.process.returncode == -signal.SIGKILL
        cookies = alice.client.cookies
    async with chatstream(tmp_path, database_url) as server:
        alice = server.tab(cookies)
        turn = await last_turn(alice)
        assert (turn["id"], turn["status"], turn["prompt"]["content"]) == (reply.message_id, "interrupted", LONG)
        assert turn["reply"]["content"].startswith(seen)
        assert LONG.startswith(turn["reply"]["content"])
        after = await alice.chat("And now?")
        assert after.conversation == before.conversation
        assert [each["status"] for each in await turns(alice, before.conversation)] == [
            "complete",
            "interrupted",
            "complete",
        ]
        prompt = await alice.prompt()
    assert prompt is not None
    assert prompt.startswith(f"Be kind.[You]My name is Alice.[Bot]My name is Alice.[You]{LONG}[Bot]{seen}")
    assert prompt.endswith("[You]And now?[Bot]And now?")


async def test_a_restart_keeps_the_history_and_the_session(database_url: str, tmp_path: Path) -> None:
    async with chatstream(tmp_path, database_url) as server:
        alice = await server.person("alice")
        reply = await alice.chat("remember this")
        await alice.post("/set_generation_params", {"temperature": 0.5})
        prompt, cookies = await alice.prompt(), alice.client.cookies
        await server.end(signal.SIGTERM)
    async with chatstream(tmp_path, database_url) as server:
        alice = server.tab(cookies)
        assert await alice.prompt() == prompt == "Be kind.[You]remember this[Bot]remember this"
        assert (await alice.get("/get_generation_params")).json()["generation_params"]["temperature"] == 0.5
        assert (await alice.chat("and this")).conversation == reply.conversation


async def test_a_real_transformer_is_shown_the_restored_prompt(database_url: str, tmp_path: Path) -> None:
    async with chatstream(tmp_path, database_url, model="tiny") as server:
        alice = await server.person("alice")
        first = await alice.chat("the quick brown fox")
        second = await alice.chat("jumps over the lazy dog")
        for reply, turn in zip((first, second), await turns(alice, first.conversation), strict=True):
            assert turn["status"] == "complete"
            assert turn["reply"]["content"] == reply.text
            assert all(b.startswith(a) for a, b in zip(reply.texts, reply.texts[1:], strict=False))
        assert await alice.prompt() == (
            f"Be kind.[You]the quick brown fox[Bot]{first.text}[You]jumps over the lazy dog[Bot]{second.text}"
        )
        await server.idle()
        log = server.log()
    assert f"shown: Be kind.[You]the quick brown fox[Bot]{first.text}[You]jumps over the lazy dog[Bot]" in log


async def test_a_database_that_is_away_is_a_503_and_frees_the_place(
    database_url: str, server_url: str, tmp_path: Path
) -> None:
    async with chatstream(tmp_path, database_url) as server:
        alice = await server.person("alice")
        name = name_of(database_url)
        close = f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await run(server_url, close, kill)
        answer = await alice.post("/chat_stream", {"user_input": "Hi"})
        assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
        await run(server_url, close.replace("false", "true"))
        await server.idle()
        assert (await alice.chat("still there?")).text == "still there?"
