"""Uploads of one user are nobody else's affair: slow ones, many ones, and those whose client has left."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.types import Message

from chatkeep.errors import TooManyImports, Unavailable, UploadTooSlow
from chatkeep.http import uploads
from chatkeep.http.uploads import MAX_PIECE_BYTES, MAX_UPLOADS_OF_ONE_USER, in_pieces
from chatkeep.ids import new_id
from chatkeep.transfer.upload import MAX_IMPORTS_AT_ONCE, Imports
from tests.accounts.client import value
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService
from tests.transfer.formats.test_chatgpt import numbered
from tests.transfer.upload_client import IMPORT, history, imported

COUNT = "SELECT count(*) FROM conversations WHERE user_id = :id"
SCOPE = {"type": "http", "method": "POST", "headers": []}


async def begun_slowly(person: Person, ends: asyncio.Event) -> "asyncio.Task[int]":
    """Send one byte of a file, and the rest when told to."""
    is_sent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        is_sent.set()
        await ends.wait()
        yield b"]"

    async def send() -> int:
        return (await person.client.post(IMPORT, content=body())).status_code

    sending = asyncio.create_task(send())
    await is_sent.wait()
    return sending


async def test_slow_uploads_keep_nobody_else_waiting(service: RunningService) -> None:
    ends = asyncio.Event()
    slow = [await begun_slowly(await service.person(), ends) for _ in range(2 * MAX_IMPORTS_AT_ONCE)]
    assert (await imported(await service.person(), numbered(1)))["imported"] == 1
    assert not any(each.done() for each in slow)
    ends.set()
    await asyncio.gather(*slow)


async def test_one_user_sends_a_few_files_at_once(service: RunningService) -> None:
    person, ends = await service.person(), asyncio.Event()
    slow = [await begun_slowly(person, ends) for _ in range(MAX_UPLOADS_OF_ONE_USER)]
    imports: Imports = service.app.state.imports
    while imports._uploads[UUID(person.id)] < MAX_UPLOADS_OF_ONE_USER:
        await asyncio.sleep(0.01)
    refused = await person.client.post(IMPORT, content=json.dumps(numbered(1)))
    assert code_of(refused, 429) == "too_many_imports"
    assert "Retry-After" in refused.headers
    ends.set()
    await asyncio.gather(*slow)
    assert (await imported(person, numbered(1)))["imported"] == 1


async def test_a_file_that_stops_coming_is_given_up(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PAUSE_SECONDS", 0.3)
    person = await service.person()

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.sleep(3)  # the client reads the answer after its body

    assert code_of(await person.client.post(IMPORT, content=body()), 408) == "upload_too_slow"
    imports: Imports = service.app.state.imports
    assert not imports._uploads
    assert not imports._bytes


def sent(*chunks: bytes) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    return Request(SCOPE, receive)


async def test_a_file_that_trickles_is_given_up() -> None:
    seconds = iter(range(0, 10_000, 20))
    imports = Imports(max_bytes=10**6, clock=lambda: next(seconds))
    with pytest.raises(UploadTooSlow):
        async with imports.received(sent(*[b"x"] * 100), new_id()):
            pass
    seconds = iter(range(0, 10_000, 20))
    async with imports.received(sent(*[b"x" * 100_000] * 8), new_id()) as (file,):
        assert len(file.file.read()) == 800_000


async def test_who_has_least_of_the_room_on_disk_is_not_refused() -> None:
    imports = Imports(max_bytes=1000)
    greedy, modest = new_id(), new_id()
    async with (
        imports.received(sent(b"x" * 2000), greedy),
        imports.received(sent(b"x" * 1500), greedy),
        imports.received(sent(b"x" * 600), modest) as (file,),
    ):
        assert len(file.file.read()) == 600
        with pytest.raises(Unavailable):
            async with imports.received(sent(b"x" * 1000), greedy):
                pass
    assert not imports._bytes


async def test_a_refused_upload_counts_for_nothing() -> None:
    imports, user_id = Imports(max_bytes=1000), new_id()
    with pytest.raises(TooManyImports):
        await _nested(imports, user_id, MAX_UPLOADS_OF_ONE_USER + 1)
    assert not imports._uploads


async def _nested(imports: Imports, user_id: UUID, depth: int) -> None:
    if depth:
        async with imports.received(sent(b"x"), user_id):
            await _nested(imports, user_id, depth - 1)


async def test_an_import_ends_with_its_client(service: RunningService) -> None:
    person = await service.person()
    many = 600
    file = json.dumps(numbered(*range(many))).encode()
    sending = asyncio.create_task(person.client.post(IMPORT, content=file))
    while not await value(
        service.database, "SELECT count(*) FROM conversations WHERE user_id = :id", id=UUID(person.id)
    ):
        await asyncio.sleep(0.01)
    sending.cancel()
    imports: Imports = service.app.state.imports
    while imports._uploads:
        await asyncio.sleep(0.01)
    kept = len(await history(person))
    assert 0 < kept < many
    assert all(len(each["turns"]) == 4 for each in await history(person))
    again = await imported(person, file)
    assert (again["imported"], again["skipped"]) == (many - kept, kept)


async def test_a_form_is_parsed_in_small_pieces_between_which_others_run() -> None:
    whole = bytes(range(256)) * 1000
    sent: list[Message] = [
        {"type": "http.request", "body": whole[:200_000], "more_body": True},
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": whole[200_000:], "more_body": False},
        {"type": "http.disconnect"},
    ]
    others = 0

    async def run_beside() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    async def receive() -> Message:
        return sent.pop(0)

    beside = asyncio.create_task(run_beside())
    pieces: list[Message] = []
    next_piece = in_pieces(receive)
    while not pieces or pieces[-1]["more_body"]:
        pieces.append(await next_piece())
    beside.cancel()
    assert b"".join(each["body"] for each in pieces) == whole
    assert max(len(each["body"]) for each in pieces) == MAX_PIECE_BYTES
    assert others >= len(whole) // MAX_PIECE_BYTES
    assert (await next_piece())["type"] == "http.disconnect"
