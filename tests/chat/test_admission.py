"""A service that is full: turns are refused at no cost, and reads are served before the turns that wait."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from fastapi.routing import APIRoute

from chatkeep.chat import admission
from chatkeep.database.pool import HotPool
from chatkeep.database.priority import Priority
from chatkeep.loop_lag import LoopLag
from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running


def hot_pool_of(service: RunningService) -> HotPool:
    return service.database._pool


@asynccontextmanager
async def no_connection(service: RunningService) -> AsyncIterator[None]:
    """Hold every connection to the database, so that nothing that needs one is answered until the block ends."""
    async with AsyncExitStack() as stack:
        for _ in range(service.app.state.settings.database_pool_size // 2):
            await stack.enter_async_context(hot_pool_of(service).acquire())
            await stack.enter_async_context(service.database.transaction())
        yield


def say(person: Person, conversation: str, **headers: str) -> "asyncio.Task[Any]":
    path = f"/api/v1/conversations/{conversation}/turns"
    return asyncio.create_task(
        person.client.post(path, json={"content": "Hi", "stream": False}, headers=headers), name="turn"
    )


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


async def test_a_refusal_asks_the_database_nothing(shared_database_url: str) -> None:
    model = HeldModel("a", None)
    async with running(
        shared_database_url, model=model, max_generations=1, max_queued=0, flush_interval_ms=10_000
    ) as service:
        alice, bob = await service.person(), await service.person()
        first, second = await alice.conversation(), await bob.conversation()
        held = say(alice, first)
        await until(lambda: len(service.chat.generations) and service.chat.generations.all()[0].length)
        async with no_connection(service):
            for path in (f"/api/v1/conversations/{second}/turns", "/chat_stream"):
                refused = await bob.client.post(path, json={"content": "Hi"}, timeout=10)
                assert refused.status_code == 429, refused.text
                assert "too_many_generations" in refused.text
                assert int(refused.headers["retry-after"]) > 0
        model.go_on()
        assert (await held).status_code == 201
        assert (await bob.client.get(f"/api/v1/conversations/{second}")).json()["turn_count"] == 0


async def test_a_refusal_does_not_wait_for_the_body(shared_database_url: str) -> None:
    model = HeldModel("a", None)
    async with running(shared_database_url, model=model, max_generations=1, max_queued=0) as service:
        alice = await service.person()
        held = say(alice, await alice.conversation())
        await until(lambda: len(service.chat.generations))
        port = int(service.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/conversations/01a2033b-5e09-71ff-afbe-e688c0991438/turns HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
        )
        status = await asyncio.wait_for(reader.readline(), 10)
        assert status.split()[1] == b"429"
        writer.close()
        model.go_on()
        assert (await held).status_code == 201


async def test_a_retry_joins_its_turn_though_the_service_is_full(shared_database_url: str) -> None:
    model = HeldModel("a", None)
    async with running(shared_database_url, model=model, max_generations=1, max_queued=0) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        key = {"Idempotency-Key": "once"}
        held = say(alice, conversation, **key)
        await until(lambda: len(service.chat.generations))
        again = say(alice, conversation, **key)
        another = await say(alice, conversation, **{"Idempotency-Key": "another"})
        assert another.status_code == 429
        model.go_on()
        assert (await held).json()["id"] == (await again).json()["id"]


async def test_reads_are_answered_before_the_turns_that_wait(shared_database_url: str) -> None:
    async with running(shared_database_url, database_pool_size=2) as service:
        alice = await service.person()
        conversations = [await alice.conversation() for _ in range(4)]
        answered: list[str] = []

        async def noted(name: str, answer: Any) -> None:
            response = await answer
            assert response.status_code in (200, 201), response.text
            answered.append(name)

        async with hot_pool_of(service).acquire():
            tasks = [asyncio.create_task(noted("turn", say(alice, each))) for each in conversations]
            await until(lambda: hot_pool_of(service)._waiting.count(Priority.NEW_TURN) == 4)
            tasks += [
                asyncio.create_task(noted("read", alice.client.get(path)))
                for path in ("/api/v1/conversations", f"/api/v1/conversations/{conversations[0]}/turns")
            ]
            await until(lambda: hot_pool_of(service)._waiting.count(Priority.READ) >= 2)
        await asyncio.gather(*tasks)
        assert answered[:2] == ["read", "read"]


async def test_where_new_turns_wait_in_vain_more_are_refused_at_once(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.database.pool.CONGESTED_SECONDS", 0.05)
    async with running(shared_database_url) as service:
        alice = await service.person()
        first, second = await alice.conversation(), await alice.conversation()
        async with no_connection(service):
            waiting = say(alice, first)
            await until(lambda: service.database.is_congested)
            refused = await say(alice, second, **{"Idempotency-Key": "any"})
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_generations")
        assert (await waiting).status_code == 201
        assert (await say(alice, second)).status_code == 201


async def test_every_route_that_may_be_full_refuses_early(shared_database_url: str) -> None:
    async with running(shared_database_url) as service:
        routes = [each for each in service.app.routes if isinstance(each, APIRoute)]
        may_be_full = {
            each.path for each in routes if "too_many_generations" in json.dumps(each.responses, default=str)
        }
        refuse_early = {each.path for each in routes if getattr(each.endpoint, "begins_turn", False)}
        assert len(may_be_full) >= 3
        # Errors of these have shapes of their own, which their documents do not list.
        others = {"/api/v1/ui/chat", "/chat_stream", "/v1/responses", "/v1/chat/completions"}
        assert refuse_early == may_be_full | others


async def test_a_process_that_is_late_takes_no_more_turns_and_goes_on_reading(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "ALWAYS", 1)
    model = HeldModel("a", None)
    async with running(shared_database_url, model=model) as service:
        alice = await service.person()
        first, second = await alice.conversation(), await alice.conversation()
        service.app.state.admission.lag.stop()
        service.app.state.admission.lag.seconds = 1.0
        held = say(alice, first)
        await until(lambda: len(service.chat.generations))
        refused = await alice.client.post(f"/api/v1/conversations/{second}/turns", json={"content": "Hi"})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_generations")
        assert (await alice.client.get("/api/v1/conversations")).status_code == 200
        service.app.state.admission.lag.seconds = 0.0
        model.go_on()
        assert (await held).status_code == 201
        model.script = ("Whole.",)
        assert (await alice.say(second, "Hi"))["status"] == "complete"


async def test_the_lateness_of_the_loop_comes_and_goes() -> None:
    lag = LoopLag()
    for _ in range(5):
        time.sleep(0.2)  # noqa: ASYNC251  the loop stands still
        await asyncio.sleep(0)
    assert lag.seconds > admission.MAX_LAG_SECONDS
    await until(lambda: lag.seconds < admission.MAX_LAG_SECONDS)
    lag.stop()
