"""Bounds on one user, one reply and one follower."""

import asyncio
from collections.abc import Mapping

import pytest

from chatkeep.chat.generation import registry, stream
from tests.support.events import read_events, streaming
from tests.support.models import HeldModel
from tests.support.running_service import Person, running


async def ask(person: Person, body: Mapping[str, object] | None = None) -> tuple[int, str]:
    """Begin a turn in a new conversation without following it; return the status and the code."""
    conversation = await person.conversation()
    path = f"/api/v1/conversations/{conversation}/turns"
    said = {"content": "Hi", "stream": True} | dict(body or {})
    async with person.client.stream("POST", path, json=said) as answer:
        if answer.status_code == 200:
            return 200, ""
        await answer.aread()
        return answer.status_code, answer.json()["code"]


async def test_one_user_leaves_room_for_others(shared_database_url: str) -> None:
    model = HeldModel("a", None)
    async with running(shared_database_url, model=model, max_generations=1, max_queued=4) as service:
        greedy, modest = await service.person(), await service.person()
        assert [await ask(greedy) for _ in range(4)] == [(200, "")] * 3 + [(429, "too_many_generations")]
        assert [await ask(modest) for _ in range(3)] == [(200, "")] * 2 + [(429, "too_many_generations")]
        page = (await greedy.client.get("/api/v1/conversations")).json()["items"]
        assert sorted(each["turn_count"] for each in page) == [0, 1, 1, 1], "a refused turn was stored"
        model.go_on()
        async with asyncio.timeout(20):
            while len(service.chat.generations):
                await asyncio.sleep(0.02)
        assert await ask(greedy) == (200, ""), "a place was lost"


@pytest.mark.parametrize("kind", ["text", "items"])
async def test_prompts_that_wait_hold_a_bounded_part_of_the_memory(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Also those whose clients have left."""
    monkeypatch.setattr(registry, "MAX_HELD_BYTES", 4 * 1_000_000)
    model = HeldModel("a", None)
    async with running(shared_database_url, model=model, max_generations=1) as service:
        greedy, modest = await service.person(), await service.person()
        wide = "a" * 150_000 + "🍵"  # Python takes four bytes for each of its characters
        output = {"type": "function_call_output", "call_id": "1", "output": wide}
        body = {"content": wide} if kind == "text" else {"content": "Hi", "items": [output]}
        assert [await ask(greedy, body) for _ in range(3)] == [(200, "")] * 2 + [(429, "too_many_generations")]
        assert await ask(modest) == (200, "")
        model.go_on()
        async with asyncio.timeout(20):
            while len(service.chat.generations):
                await asyncio.sleep(0.02)
        assert not service.chat.generations._held_bytes
        assert await ask(greedy) == (200, "")
        model.go_on()


async def test_a_reply_without_an_end_is_ended(shared_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_REPLY_CHARACTERS", 1000)
    async with running(shared_database_url, model=HeldModel(*["日本語のみ"] * 300, None)) as service:
        alice = await service.person()
        turn = await alice.say(await alice.conversation(), "Hi")
        assert (turn["status"], turn["error"]["code"]) == ("failed", "reply_too_long")
        assert turn["reply"]["content"] == "日本語のみ" * 201


async def test_who_is_far_behind_is_given_a_bounded_part_at_a_time(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_DELTA_CHARACTERS", 7)
    whole = "日本語 and 👍 and more of it, in pieces. " * 5
    model = HeldModel(whole, None)
    async with (
        running(shared_database_url, model=model, flush_interval_ms=20) as service,
        running(shared_database_url, model=model) as another,
    ):
        alice = await service.person()
        elsewhere = another.client(cookies=alice.client.cookies)
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            path = f"/api/v1/conversations/{conversation}/turns/{turn}/events"
            await asyncio.sleep(0.2)  # written down by now
            async with elsewhere.stream("GET", path) as running_elsewhere:
                model.go_on()
                pieces = [event async for event in read_events(running_elsewhere.aiter_lines())]
            here = [event async for event in events]
        async with elsewhere.stream("GET", path) as afterwards:
            later = [event async for event in read_events(afterwards.aiter_lines())]
        for found in (pieces[1:-1], here[:-1], later[1:-1]):
            assert "".join(each.data["text"] for each in found) == whole
            assert max(len(each.data["text"]) for each in found) <= 7
