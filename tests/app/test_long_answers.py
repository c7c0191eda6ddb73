"""Every answer that lasts ends with the right to it, and with the patience for a client that does not read."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, get_args

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from chatkeep.app import lifespan_of
from chatkeep.transfer.export_formats import AccountFormat, ConversationFormat
from tests.accounts.test_trusted_headers import BEHIND, KNOWS, USER
from tests.app.test_open_streams import until_broken_off
from tests.chat.files.pictures import add, png
from tests.chatstream.front_end import FrontEnd
from tests.support.events import read_events
from tests.support.models import HeldModel
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.support.unread import TURN_BYTES, UnreadAnswer, add_long_turns

TURNS = 400
LONG_TURN_BYTES = 8_000_000
WHOLE_BYTES = TURNS * TURN_BYTES
USERS = "/api/v1/admin/users"
PICTURE_BYTES = 9_000_000
HISTORY = "/api/v1/admin/history/export"

Ending = Callable[[Person, Person], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A service with a history of 40 MB."""
    async with running(shared_database_url) as service:
        owner = await service.person("owner")
        conversation = await owner.conversation()
        await add_long_turns(shared_database_url, owner.id, conversation, TURNS)
        # A ZIP packs texts to little, which would be sent before anything ends; of pictures it has every byte.
        pictures = [await add(owner, png() + secrets.token_bytes(PICTURE_BYTES)) for _ in range(2)]
        items = [{"type": "image", "file_id": each["id"]} for each in pictures]
        await owner.say(conversation, "Which?", items=items)
        yield service


async def owner_of(service: RunningService) -> Person:
    client = service.client()
    answer = await client.post("/api/v1/auth/login", json={"username": "owner", "password": PASSWORD})
    return Person(client, answer.json()["id"], "owner")


async def set_user(administrator: Person, user_id: str, **changes: Any) -> None:
    answer = await administrator.client.patch(f"{USERS}/{user_id}", json=changes)
    assert answer.status_code == 200, answer.text


def cookie_of(person: Person) -> dict[str, str]:
    return {"Cookie": f"sid={person.client.cookies['sid']}"}


async def is_cut(service: RunningService, answer: UnreadAnswer) -> None:
    """Wait for the end of the only open stream, and see that nobody can take it for the whole."""
    async with asyncio.timeout(20):
        while len(service.app.state.streams):
            await asyncio.sleep(0.05)
        size, whole = await answer.rest()
    assert not whole
    assert size < WHOLE_BYTES / 2


async def disable(administrator: Person, person: Person) -> None:
    await set_user(administrator, person.id, disabled=True)


async def demote(administrator: Person, person: Person) -> None:
    await set_user(administrator, person.id, role="user")


async def delete(administrator: Person, person: Person) -> None:
    assert (await administrator.client.delete(f"{USERS}/{person.id}")).status_code == 204


async def revoke(administrator: Person, person: Person) -> None:
    assert (await administrator.client.post(f"{USERS}/{person.id}/sessions/revoke")).status_code == 204


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
@pytest.mark.parametrize("ending", [disable, demote, delete, revoke])
async def test_the_history_ends_with_the_right_to_export_it(
    service: RunningService, ending: Ending, file_format: str
) -> None:
    administrator, other = await service.administrator(), await service.person()
    await set_user(administrator, other.id, role="admin")
    answer = await UnreadAnswer.ask(service.url, f"{HISTORY}?format={file_format}", cookie_of(other))
    assert b" 200 " in answer.head
    await ending(administrator, other)
    await is_cut(service, answer)


@pytest.mark.parametrize(
    ("path", "formats"),
    [
        ("/api/v1/export?format={format}", get_args(AccountFormat)),
        ("/api/v1/conversations/{id}/export?format={format}", get_args(ConversationFormat)),
    ],
)
async def test_an_account_and_a_conversation_do_too(
    service: RunningService, path: str, formats: tuple[str, ...]
) -> None:
    administrator, owner = await service.administrator(), await owner_of(service)
    conversation = (await owner.client.get("/api/v1/conversations")).json()["items"][0]["id"]
    for file_format in formats:
        where = path.format(id=conversation, format=file_format)
        answer = await UnreadAnswer.ask(service.url, where, cookie_of(owner))
        await revoke(administrator, owner)
        await is_cut(service, answer)
        owner = await owner_of(service)


async def test_an_administrator_who_stays_one_gets_it_all(service: RunningService) -> None:
    administrator = await service.administrator()
    # An `UnreadAnswer` would read so much in a minute. This client reads as little before it is asked, and fails where
    # an answer is cut.
    size = 0
    async with administrator.client.stream("GET", HISTORY) as answer:
        await asyncio.sleep(2.5)  # looked at more than once
        assert len(service.app.state.streams) == 1
        async for chunk in answer.aiter_raw(2**20):
            size += len(chunk)
    assert size > WHOLE_BYTES


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "user"}], ids=str)
async def test_it_ends_for_whom_a_server_in_front_signs_in(
    service: RunningService, shared_database_url: str, change: dict[str, Any]
) -> None:
    async with running(shared_database_url, **BEHIND) as behind:
        administrator = await service.administrator()
        named = KNOWS | {USER: f"outside-{len(str(change))}"}
        me = (await behind.client(headers=named).get("/api/v1/auth/me")).json()
        await set_user(administrator, me["id"], role="admin")
        answer = await UnreadAnswer.ask(behind.url, HISTORY, named)
        assert b" 200 " in answer.head
        await set_user(administrator, me["id"], **change)
        await is_cut(behind, answer)


async def test_the_audit_trails_verification_asks_for_an_administrator_all_the_while(service: RunningService) -> None:
    administrator, other = await service.administrator(), await service.person()
    await set_user(administrator, other.id, role="admin")
    async with other.client.stream("POST", "/web/console/audit/verification") as answer:
        (terms,) = service.app.state.streams.terms
        assert (str(terms.user_id), terms.roles) == (other.id, {"admin"})
        await answer.aread()


async def test_a_turn_that_is_waited_for_is_not_answered_after_its_session(shared_database_url: str) -> None:
    model = HeldModel("seen ", None, "not seen")
    async with running(shared_database_url, model=model) as service:
        administrator, person = await service.administrator(), await service.person()
        conversation = await person.conversation()
        path = f"/api/v1/conversations/{conversation}/turns"
        asking = asyncio.create_task(person.client.post(path, json={"content": "Hi", "stream": False}))
        while not model.prompts:
            await asyncio.sleep(0.02)
        await revoke(administrator, person)
        async with asyncio.timeout(20):
            answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        model.go_on()


async def test_a_chatstream_answer_that_has_not_begun_is_refused_and_its_reply_stopped(
    shared_database_url: str,
) -> None:
    model = HeldModel(None, "not seen")
    async with running(shared_database_url, model=model) as service:
        administrator, person = await service.administrator(), await service.person()
        asking = asyncio.create_task(FrontEnd(person.client).post("/chat_stream", {"user_input": "Hi"}))
        while not model.prompts:
            await asyncio.sleep(0.02)
        await revoke(administrator, person)
        async with asyncio.timeout(20):
            answer = await asking
        assert (answer.status_code, answer.json()["success"]) == (401, False)
        while not model.stopped:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("ending", [disable, delete])
@pytest.mark.parametrize("script", [(None, "not seen"), ("seen", None, "not seen")], ids=["silent", "begun"])
async def test_a_turn_that_ends_with_its_user_is_not_answered(
    shared_database_url: str, ending: Ending, script: tuple[str | None, ...]
) -> None:
    """The generation hears of it before the check of open answers does."""
    model = HeldModel(*script)
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        administrator, person = await service.administrator(), await service.person()
        path = f"/api/v1/conversations/{await person.conversation()}/turns"
        asking = asyncio.create_task(person.client.post(path, json={"content": "Hi", "stream": False}))
        while not model.prompts:
            await asyncio.sleep(0.02)
        await ending(administrator, person)
        async with asyncio.timeout(20):
            answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("ending", [disable, delete])
async def test_nor_on_chatstreams_wire(shared_database_url: str, ending: Ending) -> None:
    model = HeldModel(None, "not seen")
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        administrator, person = await service.administrator(), await service.person()
        asking = asyncio.create_task(FrontEnd(person.client).post("/chat_stream", {"user_input": "Hi"}))
        while not model.prompts:
            await asyncio.sleep(0.02)
        await ending(administrator, person)
        async with asyncio.timeout(20):
            answer = await asking
        assert (answer.status_code, answer.json()["success"]) == (401, False)


async def test_a_turn_that_its_user_stops_is_answered(shared_database_url: str) -> None:
    model = HeldModel("seen", None, "not seen")
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        person = await service.person()
        conversation = await person.conversation()
        path = f"/api/v1/conversations/{conversation}/turns"
        asking = asyncio.create_task(person.client.post(path, json={"content": "Hi", "stream": False}))
        while not model.prompts:
            await asyncio.sleep(0.02)
        turn = (await person.turns(conversation))[0]["id"]
        assert (await person.client.post(f"{path}/{turn}/stop")).status_code == 202
        async with asyncio.timeout(20):
            answer = await asking
        assert (answer.status_code, answer.json()["status"]) == (201, "stopped")


async def test_an_upload_ends_with_the_right_to_it(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
    cookie = cookie_of(person)["Cookie"]
    writer.write(
        f"POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 9000\r\n\r\n[".encode()
    )
    while not service.app.state.streams.terms:
        await asyncio.sleep(0.02)
    await disable(administrator, person)
    async with asyncio.timeout(20):
        assert b" 401 " in await reader.readline()
    assert not service.app.state.streams.terms
    writer.close()


async def test_a_retention_run_ends_with_the_right_to_it(shared_database_url: str) -> None:
    async with running(shared_database_url, retention_days={"user": 1}) as service:
        administrator, other = await service.administrator(), await service.person()
        await set_user(administrator, other.id, role="admin")
        async with service.database.transaction() as connection:
            await connection.exec_driver_sql("LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(other.client.post("/api/v1/admin/retention/run"))
            await asyncio.sleep(0.5)
            await revoke(administrator, other)
            async with asyncio.timeout(20):
                assert (await asking).status_code == 401


async def test_what_took_long_to_look_up_is_not_shown_to_whom_it_is_not_for_any_more(
    service: RunningService,
) -> None:
    administrator, person = await service.administrator(), await service.person()
    conversation = await person.conversation()
    async with service.database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(person.client.get(f"/api/v1/conversations/{conversation}/turns"))
        staying = asyncio.create_task(administrator.client.get(f"/api/v1/admin/conversations/{conversation}/turns"))
        await asyncio.sleep(1.5)
        await revoke(administrator, person)
    assert ((await asking).status_code, (await staying).status_code) == (401, 200)
    assert (await asking).json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/export", "/api/v1/conversations/{id}/export", "/api/v1/conversations/{id}/turns?limit=1"],
)
async def test_an_answer_that_is_not_read_is_cut(service: RunningService, shared_database_url: str, path: str) -> None:
    # One turn of which a page alone is more than the kernel takes.
    owner = await service.person()
    conversation = await owner.conversation()
    await add_long_turns(shared_database_url, owner.id, conversation, 1, turn_bytes=LONG_TURN_BYTES)
    async with running(shared_database_url, follower_timeout_seconds=1) as impatient:
        answer = await UnreadAnswer.ask(impatient.url, path.format(id=conversation), cookie_of(owner))
        async with asyncio.timeout(20):
            while impatient.app.state.streams.deliveries:
                await asyncio.sleep(0.05)
            size, whole = await answer.rest()
        assert not whole
        assert size < 10_000_000


async def test_one_that_is_read_slowly_is_not(service: RunningService, shared_database_url: str) -> None:
    owner = await owner_of(service)
    async with running(shared_database_url, follower_timeout_seconds=2) as impatient:
        size = 0
        async with impatient.client(headers=cookie_of(owner)).stream("GET", "/api/v1/export") as answer:
            async for chunk in answer.aiter_raw(2**22):
                size += len(chunk)
                await asyncio.sleep(0.5)
        assert size > WHOLE_BYTES


class Passing(BaseHTTPMiddleware):
    """Another application's layer, which ends an answer by itself when what is inside returns."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response


def mounted(app: FastAPI) -> ASGIApp:
    outer = Starlette(routes=[Mount("/", app)], lifespan=lifespan_of(app))
    outer.add_middleware(Passing)
    return outer


async def test_a_cut_is_a_cut_in_somebody_elses_application(shared_database_url: str) -> None:
    model = HeldModel("seen ", None, "not seen")
    async with running(shared_database_url, model=model, around=mounted) as service:
        administrator, person = await service.administrator(), await service.person()
        path = f"/api/v1/conversations/{await person.conversation()}/turns"
        async with person.client.stream("POST", path, json={"content": "Hi", "stream": True}) as answer:
            events = read_events(answer.aiter_lines())
            names = [(await anext(events)).name, (await anext(events)).name]
            await revoke(administrator, person)
            async with asyncio.timeout(20):
                assert await until_broken_off(events) == []
        assert names == ["turn", "delta"]
        model.go_on()
