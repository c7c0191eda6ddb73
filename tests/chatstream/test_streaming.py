"""The stream of `/chat_stream` when something happens to it: the client leaves, reads nothing, the model fails."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from chatkeep.chat.models import Delta, End, ModelError, Usage
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chatstream.protocol import BYTES_PER_SECOND, MAX_PAUSE_SECONDS, chunk_of, pause_after
from tests.chatstream.front_end import MARK, FrontEnd
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running


class EndlessModel(HeldModel):
    """Says more than any socket holds: each chunk is the whole text so far. It does not come to a reply's limit."""

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Delta | Usage, None]:
        yield Delta("👍" * 900_000)
        while True:
            yield Delta("x")
            await asyncio.sleep(0.02)


async def ended_turn(service: RunningService, front: FrontEnd) -> dict[str, Any]:
    """Return the newest turn as soon as it does not stream any more."""
    (conversation, *_) = (await front.client.get("/api/v1/conversations")).json()["items"]
    async with asyncio.timeout(60):
        while True:
            (turn, *_) = (await front.client.get(f"/api/v1/conversations/{conversation['id']}/turns")).json()["items"]
            if turn["status"] != "streaming":
                found: dict[str, Any] = turn
                return found
            await asyncio.sleep(0.02)


async def test_hanging_up_stops_the_reply_and_keeps_it(shared_database_url: str) -> None:
    model = HeldModel("Hello", None, " world")
    async with running(shared_database_url, model=model) as service:
        alice = FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (_, texts):
            assert await anext(texts) == "Hello"
        turn = await ended_turn(service, alice)
        assert (turn["status"], turn["reply"]["content"], model.stopped) == ("stopped", "Hello", 1)
        assert len(service.chat.generations) == 0


async def test_hanging_up_before_the_first_word_stops_the_reply(shared_database_url: str) -> None:
    model = HeldModel(None, "too late")
    async with running(shared_database_url, model=model) as service:
        alice = FrontEnd((await service.person()).client)
        asked = asyncio.create_task(alice.chat("Hi"))
        async with asyncio.timeout(5):
            while not model.prompts:
                await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        turn = await ended_turn(service, alice)
        assert (turn["status"], turn["reply"]["content"], model.stopped) == ("stopped", "", 1)


async def test_who_hangs_up_can_ask_again_at_once(shared_database_url: str) -> None:
    model = HeldModel("Hello", None, " world")
    async with running(shared_database_url, model=model) as service:
        alice = FrontEnd((await service.person()).client)
        for stopped in range(5):
            async with alice.streaming(user_input="Hi") as (_, texts):
                await anext(texts)
                assert model.stopped == stopped


async def test_a_client_that_does_not_read_is_given_up(shared_database_url: str) -> None:
    async with running(shared_database_url, model=EndlessModel(), follower_timeout_seconds=1) as service:
        alice = FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi"):
            turn = await ended_turn(service, FrontEnd(alice.client))
        assert turn["status"] == "stopped"
        assert len(service.chat.generations) == 0


async def test_a_model_that_fails_at_once_is_an_error_with_its_status(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel(ModelError("It is tired."))) as service:
        alice = FrontEnd((await service.person()).client)
        answer = await alice.post("/chat_stream", {"user_input": "Hi"})
        assert (answer.status_code, answer.json()["success"]) == (502, False)
        assert (answer.json()["error"], answer.json()["detail"]) == ("model_error", "It is tired.")
        assert (await ended_turn(service, alice))["status"] == "failed"


async def test_a_model_that_fails_later_breaks_the_connection(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("Hel", ModelError("It is tired."))) as service:
        alice, texts, broken = FrontEnd((await service.person()).client), [], False
        try:
            async with alice.streaming(user_input="Hi") as (_, found):
                texts = [text async for text in found]
        except Exception:  # noqa: BLE001  whichever way the client words it
            broken = True
        turn = await ended_turn(service, alice)
        assert (turn["status"], turn["reply"]["content"]) == ("failed", "Hel")
        assert broken
        assert texts == []


async def test_an_empty_reply_is_one_empty_text(shared_database_url: str) -> None:
    """The model says why there is none: that is no failure."""
    async with running(shared_database_url, model=HeldModel(End("content_filter"))) as service:
        alice = FrontEnd((await service.person()).client)
        assert (await alice.chat("Hi")).texts == [""]


async def test_a_reply_of_nothing_at_all_is_a_failure(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("")) as service:
        alice = (await service.person()).client
        answer = await alice.post("/chat_stream", json={"user_input": "Hi"})
        assert (answer.status_code, answer.json()["error"]) == (502, "empty_reply")


async def test_stopping_by_another_way_ends_the_stream(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("Hello", None)) as service:
        alice = FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (reply, texts):
            await anext(texts)
            path = f"/api/v1/conversations/{reply.conversation}/turns/{reply.message_id}/stop"
            assert (await alice.client.post(path)).status_code == 202
            assert [text async for text in texts] in ([], ["Hello"])


async def test_shutting_down_breaks_the_stream_and_keeps_the_text(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel("Hello", None), shutdown_grace_seconds=0) as service:
        alice = FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (reply, texts):
            await anext(texts)
            await service.chat.generations.close(0)
            broken = False
            try:
                async for _ in texts:
                    pass
            except Exception:  # noqa: BLE001  whichever way the client words it
                broken = True
        assert broken
        turn = await ended_turn(service, alice)
        assert (turn["id"], turn["status"], turn["reply"]["content"]) == (reply.message_id, "interrupted", "Hello")


async def test_a_full_service_says_so(shared_database_url: str) -> None:
    model = HeldModel("Hello", None)
    async with running(shared_database_url, model=model, max_generations=1, max_queued=0) as service:
        alice, bob = FrontEnd((await service.person()).client), FrontEnd((await service.person()).client)
        async with alice.streaming(user_input="Hi") as (_, texts):
            await anext(texts)
            answer = await bob.post("/chat_stream", {"user_input": "Hi"})
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_generations")
        assert answer.headers["retry-after"] == "5"


async def test_a_mark_in_the_reply_is_not_taken_for_its_end(shared_database_url: str) -> None:
    async with running(shared_database_url, model=HeldModel(f"before {MARK} after")) as service:
        alice = FrontEnd((await service.person()).client)
        reply = await alice.chat("Hi")
        assert [text.replace("\u200b", "") for text in reply.texts] == [f"before {MARK} after"]
        turn = await ended_turn(service, alice)
        assert turn["reply"]["content"] == f"before {MARK} after"


async def test_many_small_pieces_are_few_chunks(shared_database_url: str) -> None:
    """Token by token this reply would be 5 MB on the wire."""
    model = HeldModel(*("word " for _ in range(2_000)))
    async with running(shared_database_url, model=model) as service:
        alice = FrontEnd((await service.person()).client)
        reply = await alice.chat("Hi")
    assert reply.text == "word " * 2_000
    assert sum(len(text) for text in reply.texts) < 10 * len(reply.text)


def test_long_replies_are_sent_less_often() -> None:
    assert pause_after(chunk_of("x")) == 0.05
    assert pause_after(b"x" * (BYTES_PER_SECOND // 2)) == 0.5
    assert pause_after(b"x" * 100_000_000) == MAX_PAUSE_SECONDS
