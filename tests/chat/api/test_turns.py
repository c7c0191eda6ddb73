"""Turns over HTTP: what is kept, what is streamed, what is refused, what a retry gets."""

import asyncio
from typing import Any

import pytest

from chatkeep.chat.models.errors import ModelCutOff
from tests.app.test_metrics import figure
from tests.support.databases import run
from tests.support.events import all_events, streaming
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running


def path(conversation: str, *rest: str) -> str:
    return "/".join([f"/api/v1/conversations/{conversation}/turns", *rest])


async def rows(service: RunningService, query: str, *values: object) -> list[Any]:
    async with service.database._pool.acquire() as connection:
        return await connection.fetch(query, *values)


async def eventually(condition: Any, seconds: float = 10) -> Any:
    """Wait until `condition()` is true, and return what it gave."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


async def test_a_conversation_remembers_its_turns(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    first = await alice.say(conversation, "My name is Alice.")
    second = await alice.say(conversation, "What is my name?")
    assert "Alice" in second["reply"]["content"]
    assert (first["parent_id"], second["parent_id"]) == (None, first["id"])
    assert (first["index"], second["index"]) == (0, 1)
    assert [turn["id"] for turn in await alice.turns(conversation)] == [second["id"], first["id"]]
    assert [turn["id"] for turn in await alice.turns(conversation, order="asc")] == [first["id"], second["id"]]


async def test_a_stream_is_one_turn_deltas_and_one_done(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    events = await all_events(alice, conversation, "私の名前は花子です。👍")
    assert [events[0].name, events[-1].name] == ["turn", "done"]
    assert {event.name for event in events[1:-1]} == {"delta"}
    begun, done = events[0].data, events[-1].data
    assert (begun["status"], begun["reply"], begun["completed_at"]) == ("streaming", None, None)
    assert begun["prompt"]["content"] == "私の名前は花子です。👍"
    so_far = ""
    for event in events[1:-1]:
        so_far += event.data["text"]
        assert event.id == len(so_far)
    assert done["reply"]["content"] == so_far
    assert events[-1].id == len(so_far)
    assert done["status"] == "complete"
    kept = (await alice.client.get(path(conversation, done["id"]))).json()
    assert kept == done


async def test_accept_decides_where_stream_is_not_said(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    answer = await alice.client.post(
        path(conversation), json={"content": "one"}, headers={"Accept": "text/event-stream"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    answer = await alice.client.post(path(conversation), json={"content": "two"})
    assert (answer.status_code, answer.json()["status"]) == (201, "complete")


async def test_the_prompt_is_kept_before_the_first_byte(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Good morning") as events:
            begun = await anext(events)
            found = await rows(service, "SELECT prompt, status FROM turns WHERE id = $1", begun.data["id"])
            assert [tuple(row) for row in found] == [("Good morning", "streaming")]
            model.go_on()
            assert [event.name async for event in events][-1] == "done"


async def test_what_was_seen_is_written_down_while_it_comes(shared_database_url: str) -> None:
    model = HeldModel("Once upon ", "a time", None, ".")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "A story") as events:
            turn_id = (await anext(events)).data["id"]

            async def as_read() -> bool:
                turn = (await alice.client.get(path(conversation, turn_id))).json()
                return bool(
                    turn["status"] == "streaming" and (turn["reply"] or {}).get("content") == "Once upon a time"
                )

            await eventually(as_read)
            model.go_on()
            async for _ in events:
                pass
        assert await rows(service, "SELECT 1 FROM reply_fragments WHERE turn_id = $1", turn_id) == []


async def test_a_client_that_goes_away_changes_nothing(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            turn_id = (await anext(events)).data["id"]
            await anext(events)
        model.go_on()

        async def complete() -> bool:
            turn = (await alice.client.get(path(conversation, turn_id))).json()
            return bool(turn["status"] == "complete" and turn["reply"]["content"] == "Hello")

        await eventually(complete)


async def test_a_second_turn_while_one_streams_is_refused(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        other = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            turn_id = (await anext(events)).data["id"]
            refused = await alice.client.post(path(conversation), json={"content": "again", "stream": False})
            assert refused.status_code == 409
            assert (refused.json()["code"], refused.json()["turn_id"]) == ("turn_in_progress", turn_id)
            async with streaming(alice, other, "elsewhere") as others:
                assert (await anext(others)).name == "turn"
            model.go_on()
            async for _ in events:
                pass
        assert (await alice.say(conversation, "now"))["parent_id"] == turn_id
        assert len(await alice.turns(conversation)) == 2


async def test_a_retry_with_the_same_key_joins_the_turn(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        key = {"Idempotency-Key": "7f0c-retry"}
        async with streaming(alice, conversation, "Hi", headers=key) as events:
            turn_id = (await anext(events)).data["id"]
            async with streaming(alice, conversation, "Hi", headers=key) as joined:
                assert (await anext(joined)).data["id"] == turn_id
                model.go_on()
                texts = [event.data["text"] async for event in joined if event.name == "delta"]
            assert "".join(texts) == "Hello"
            async for _ in events:
                pass
        late = await all_events(alice, conversation, "Hi", headers=key)
        assert [event.name for event in late] == ["turn", "delta", "done"]
        assert (late[0].data["status"], late[0].data["reply"]) == ("streaming", None)
        assert (late[1].data["text"], late[2].data["status"]) == ("Hello", "complete")
        as_json = await alice.client.post(path(conversation), json={"content": "Hi", "stream": False}, headers=key)
        assert (as_json.status_code, as_json.json()["id"]) == (201, turn_id)
        reused = await alice.client.post(path(conversation), json={"content": "Ho", "stream": False}, headers=key)
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
        assert len(await alice.turns(conversation)) == 1


async def test_thirty_retries_at_once_make_one_turn(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    body = {"content": "only once", "stream": False}
    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(alice.client.post(path(conversation), json=body, headers=key) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await alice.turns(conversation)) == 1


async def test_thirty_turns_at_once_never_cross(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    answers = await asyncio.gather(
        *(alice.client.post(path(conversation), json={"content": f"{n}", "stream": False}) for n in range(30))
    )
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    path_down = await alice.turns(conversation, order="asc")
    assert [turn["id"] for turn in path_down] == [turn["id"] for turn in sorted(made, key=lambda turn: turn["index"])]
    assert [turn["index"] for turn in path_down] == list(range(len(made)))


async def test_when_the_service_is_full_nothing_is_stored(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, max_generations=1, max_queued=1) as service:
        alice = await service.person()
        conversations = [await alice.conversation() for _ in range(3)]
        key = {"Idempotency-Key": "k"}
        async with streaming(alice, conversations[0], "1", headers=key) as first:
            await anext(first)
            async with streaming(alice, conversations[1], "2") as waiting:
                assert (await anext(waiting)).name == "turn"
                full = await alice.client.post(path(conversations[2]), json={"content": "3"})
                assert (full.status_code, full.json()["code"]) == (429, "too_many_generations")
                assert int(full.headers["retry-after"]) > 0
                assert await alice.turns(conversations[2]) == []
                async with streaming(alice, conversations[0], "1", headers=key) as joined:
                    assert (await anext(joined)).name == "turn"
                assert len(model.prompts) == 1
                model.go_on()
                assert [event.name async for event in waiting][-1] == "done"
        assert (await alice.say(conversations[2], "3"))["status"] == "complete"


async def test_who_has_to_wait_for_others_is_told_so(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, max_generations=1) as service:
        alice = await service.person()
        first, second = await alice.conversation(), await alice.conversation()
        async with streaming(alice, first, "1") as events:
            assert [(await anext(events)).name for _ in range(2)] == ["turn", "delta"]
            async with alice.client.stream("POST", path(second), json={"content": "2", "stream": True}) as answer:
                lines = answer.aiter_lines()
                async with asyncio.timeout(20):
                    assert ": queued" in [await anext(lines) for _ in range(5)]
                assert await figure(service, "chatkeep_generations_waiting") == 1
                model.go_on()
                rest = [line async for line in lines]
        assert "event: done" in rest
        assert ": queued" not in rest
        assert await figure(service, "chatkeep_generations_waiting") == 0


async def test_a_failed_model_keeps_what_there_was(shared_database_url: str) -> None:
    model = HeldModel("Half of ", ModelCutOff("The model's answer broke off."))
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        events = await all_events(alice, conversation, "Tell me")
        done = events[-1].data
        assert (events[-1].name, done["status"], done["reply"]["content"]) == ("done", "failed", "Half of ")
        assert done["error"] == {"code": "model_cut_off", "detail": "The model's answer broke off."}
        model.script = ("Whole.",)
        again = await alice.say(conversation, "Go on")
        assert (again["status"], again["parent_id"]) == ("complete", done["id"])
        assert [message["content"] for message in model.prompts[-1].to_openai_messages()] == [
            "Tell me",
            "Half of ",
            "Go on",
        ]


async def test_output_that_cannot_be_kept_is_replaced(shared_database_url: str) -> None:
    model = HeldModel("nul \x00 ", "smile \ud83d", "\ude00 lone \udc00 ", "last \ud83d")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        turn = await alice.say(conversation, "Hi")
        assert (turn["status"], turn["reply"]["content"]) == ("complete", "nul � smile 😀 lone � last �")


async def test_an_error_of_ours_ends_the_turn(shared_database_url: str) -> None:
    class Broken(HeldModel):
        async def close(self) -> None:
            return

    model = Broken("some ", None)
    model.script = ("some ", 7)  # type: ignore[assignment]  # not what a model may say
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        turn = await alice.say(conversation, "Hi")
        assert (turn["status"], turn["error"]["code"]) == ("failed", "internal_error")
        assert turn["reply"]["content"] == "some "


async def test_what_the_model_is_shown_and_asked(shared_database_url: str) -> None:
    model = HeldModel("ok")
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        conversation = await alice.conversation(
            system_prompt="Be brief.", model="small", params={"temperature": 0.5, "top_p": 0.9}
        )
        first = await alice.say(conversation, "one")
        second = await alice.say(conversation, "two", model="large", params={"temperature": 0.1})
        assert model.prompts[1].to_openai_messages() == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "ok"},
            {"role": "user", "content": "two"},
        ]
        assert model.asked == [
            ("small", {"temperature": 0.5, "top_p": 0.9}),
            ("large", {"temperature": 0.1, "top_p": 0.9}),
        ]
        assert (first["model"], second["model"]) == ("small", "large")
        assert second["params"] == {"temperature": 0.1, "top_p": 0.9}
        assert (second["usage"]["input_tokens"], second["usage"]["output_tokens"]) == (3, 5)
        plain = await alice.say(await alice.conversation(), "hi")
        assert plain["model"] == "held"


async def test_the_context_is_the_newest_turns_that_fit(shared_database_url: str) -> None:
    model = HeldModel("x" * 300)
    async with running(shared_database_url, model=model, context_tokens=500) as service:
        alice = await service.person()
        conversation = await alice.conversation(system_prompt="Always.")
        for number in range(8):
            await alice.say(conversation, f"prompt {number} " + "y" * 200)
        shown = [message["content"] for message in model.prompts[-1].to_openai_messages()]
        assert shown[0] == "Always."
        assert shown[-1].startswith("prompt 7")
        assert [text[:8] for text in shown[1:-1:2]] == ["prompt 5", "prompt 6"]


async def test_a_parent_makes_a_branch_and_the_head_follows_it(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    first = await alice.say(conversation, "one")
    second = await alice.say(conversation, "two")
    beside = await alice.say(conversation, "two, otherwise", parent_id=first["id"])
    assert beside["siblings"] == {"count": 2, "position": 2}
    assert [turn["id"] for turn in await alice.turns(conversation)] == [beside["id"], first["id"]]
    changed = await alice.client.patch(f"/api/v1/conversations/{conversation}", json={"head_turn_id": second["id"]})
    assert (changed.status_code, changed.json()["head_turn_id"]) == (200, second["id"])
    switched = await alice.turns(conversation, order="asc")
    assert [turn["id"] for turn in switched] == [first["id"], second["id"]]
    assert switched[1]["siblings"] == {"count": 2, "position": 1}


async def test_a_parent_elsewhere_is_not_found(service: RunningService) -> None:
    alice, bob = await service.person(), await service.person()
    of_bob = await bob.say(await bob.conversation(), "mine")
    elsewhere = await alice.say(await alice.conversation(), "elsewhere")
    conversation = await alice.conversation()
    for parent in (of_bob["id"], elsewhere["id"], "01a20316-a43d-76b0-9316-097b5497cff3"):
        answer = await alice.client.post(path(conversation), json={"content": "x", "parent_id": parent})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        head = await alice.client.patch(f"/api/v1/conversations/{conversation}", json={"head_turn_id": parent})
        assert head.status_code == 404
    assert await alice.turns(conversation) == []


async def test_deleting_a_conversation_stops_its_generation_for_good(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, flush_interval_ms=20) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            turn_id = (await anext(events)).data["id"]
            assert (await alice.client.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
            rest = [event async for event in events]
        assert (rest[-1].name, rest[-1].data["status"]) == ("done", "interrupted")
        assert rest[-1].data["error"]["code"] == "deleted"
        assert model.stopped == 1
        for table, column in (("turns", "id"), ("reply_fragments", "turn_id")):
            assert await rows(service, f"SELECT 1 FROM {table} WHERE {column} = $1", turn_id) == []


async def test_a_title_comes_from_the_first_prompt_until_someone_sets_one(service: RunningService) -> None:
    alice = await service.person()
    conversation = await alice.conversation()

    async def title() -> str | None:
        return (await alice.client.get(f"/api/v1/conversations/{conversation}")).json()["title"]

    assert await title() is None
    await alice.say(conversation, "  Write a haiku\nabout tea " + "and more " * 20)
    assert await title() == "Write a haiku about tea and more and more and more and more…"
    await alice.say(conversation, "Another")
    assert str(await title()).startswith("Write a haiku")
    await alice.client.patch(f"/api/v1/conversations/{conversation}", json={"title": "Tea"})
    await alice.say(conversation, "And another")
    assert await title() == "Tea"
    named = await alice.conversation(title="Named")
    await alice.say(named, "something else")
    assert (await alice.client.get(f"/api/v1/conversations/{named}")).json()["title"] == "Named"


@pytest.mark.parametrize("text", ["  spaces kept \n\n", "e\u0301 ﬁ Å", "\u202e\u200b\ufeff", "a\r\nb\tc", "𝒳👩‍👩‍👧"])
async def test_text_is_kept_exactly(service: RunningService, text: str) -> None:
    alice = await service.person()
    conversation = await alice.conversation()
    turn = await alice.say(conversation, text)
    assert turn["prompt"]["content"] == text
    assert (await alice.turns(conversation))[0]["prompt"]["content"] == text


async def test_counters_follow_what_happens(service: RunningService) -> None:
    alice = await service.person()

    async def counted() -> tuple[int, int]:
        query = "SELECT conversation_count, turn_count FROM user_activity WHERE user_id = $1"
        return tuple((await rows(service, query, alice.id))[0])

    conversation, other = await alice.conversation(), await alice.conversation()
    for text in ("one", "two", "three"):
        await alice.say(conversation, text)
    await alice.say(other, "four")
    assert await counted() == (2, 4)
    assert (await alice.client.get(f"/api/v1/conversations/{conversation}")).json()["turn_count"] == 3
    await alice.client.delete(f"/api/v1/conversations/{conversation}")
    assert await counted() == (1, 1)


async def test_a_database_that_is_away_is_503_and_loses_nothing(shared_database_url: str, server_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, flush_interval_ms=20) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        async with streaming(alice, conversation, "Hi") as events:
            await anext(events)
            name = shared_database_url.rpartition("/")[2].partition("?")[0]
            await run(server_url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            try:
                kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                await run(server_url, f"{kill}'{name}'")
                refused = await alice.client.get("/api/v1/conversations")
                assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
                assert int(refused.headers["retry-after"]) > 0
                assert (await alice.client.get("/readyz")).status_code == 503
                assert (await alice.client.get("/healthz")).status_code == 200
                model.go_on()
                await asyncio.sleep(0.5)
            finally:
                await run(server_url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
            done = [event async for event in events][-1]
        assert (done.name, done.data["status"], done.data["reply"]["content"]) == ("done", "complete", "Hello")
        assert (await alice.turns(conversation))[0] == done.data
