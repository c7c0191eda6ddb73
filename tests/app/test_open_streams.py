"""A user who may no longer read is sent away from the stream; the reply goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from tests.support.events import Event, read_events, streaming
from tests.support.models import HeldModel
from tests.support.running_service import PASSWORD, Person, RunningService, running

Ending = Callable[[RunningService, Person, Person], Awaitable[None]]


async def end_sessions(_: RunningService, owner: Person, __: Person) -> None:
    answer = await owner.client.delete("/api/v1/auth/sessions")
    assert answer.status_code == 204


async def change_password(_: RunningService, owner: Person, __: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": "an entirely different one"}
    assert (await owner.client.post("/api/v1/auth/password", json=body)).status_code == 204


async def sign_out(_: RunningService, __: Person, thief: Person) -> None:
    client = httpx2.AsyncClient(base_url=thief.client.base_url, cookies=thief.client.cookies)
    async with client:
        assert (await client.post("/api/v1/auth/logout")).status_code == 204


async def revoke(service: RunningService, owner: Person, _: Person) -> None:
    administrator = await service.administrator()
    answer = await administrator.client.post(f"/api/v1/admin/users/{owner.id}/sessions/revoke")
    assert answer.status_code == 204


@pytest.mark.parametrize("ending", [end_sessions, change_password, sign_out, revoke])
async def test_a_session_that_ends_takes_its_streams_with_it(shared_database_url: str, ending: Ending) -> None:
    model = HeldModel("seen ", None, "not seen")
    async with running(shared_database_url, model=model) as service:
        owner = await service.person()
        thief = await signed_in_elsewhere(service, owner)
        conversation = await owner.conversation()
        async with streaming(thief, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            assert (await anext(events)).data == {"text": "seen "}
            await ending(service, owner, thief)
            assert await until_broken_off(events) == []
        assert not len(service.chat.streams)
        model.go_on()
        again = await signed_in_elsewhere(service, owner, "an entirely different one", PASSWORD)
        assert (await ended(again, conversation, turn))["reply"]["content"] == "seen not seen"


async def test_a_token_that_ends_does_too(shared_database_url: str) -> None:
    model = HeldModel("seen ", None, "not seen")
    async with running(shared_database_url, model=model) as service:
        owner = await service.person()
        token = (await owner.client.post("/api/v1/auth/tokens", json={"name": "a program"})).json()
        program = Person(
            service.client(headers={"Authorization": f"Bearer {token['token']}"}), owner.id, owner.username
        )
        conversation = await owner.conversation()
        async with streaming(program, conversation, "Hi") as events:
            await anext(events)
            await anext(events)
            await owner.client.delete(f"/api/v1/auth/tokens/{token['id']}")
            assert await until_broken_off(events) == []
        model.go_on()


async def test_others_streams_go_on(shared_database_url: str) -> None:
    model = HeldModel("seen ", None, "and the rest")
    async with running(shared_database_url, model=model) as service:
        owner = await service.person()
        thief = await signed_in_elsewhere(service, owner)
        conversation = await owner.conversation()
        async with streaming(owner, conversation, "Hi") as events:
            turn = (await anext(events)).data["id"]
            path = f"/api/v1/conversations/{conversation}/turns/{turn}/events"
            async with thief.client.stream("GET", path) as answer:
                await end_sessions(service, owner, thief)
                assert len(await until_broken_off(read_events(answer.aiter_lines()))) == 2
            model.go_on()
            last = [event async for event in events][-1]
        assert last.data["reply"]["content"] == "seen and the rest"


async def until_broken_off(events: AsyncIterator[Event]) -> list[Event]:
    """Return the bytes before the connection ends unfinished, so that nobody takes them for the whole reply."""
    found: list[Event] = []
    try:
        async for event in events:
            found += [event]
    except httpx2.RemoteProtocolError:
        return found
    raise AssertionError(f"the stream ended as if it were whole: {found}")


async def signed_in_elsewhere(service: RunningService, owner: Person, *passwords: str) -> Person:
    client = service.client()
    for password in passwords or (PASSWORD,):
        body = {"username": owner.username, "password": password}
        if (await client.post("/api/v1/auth/login", json=body)).status_code == 200:
            return Person(client, owner.id, owner.username)
    raise AssertionError("none of the passwords is right")


async def ended(person: Person, conversation: str, turn: str) -> dict[str, dict[str, str]]:
    async with asyncio.timeout(20):
        while True:
            found: dict[str, dict[str, str]] = (
                await person.client.get(f"/api/v1/conversations/{conversation}/turns/{turn}")
            ).json()
            if str(found["status"]) != "streaming":
                return found
            await asyncio.sleep(0.05)
