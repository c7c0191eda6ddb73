"""How much of a body is read: by route, and by who sends it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import httpx2
import pytest
from fastapi.exceptions import RequestValidationError

from chatkeep.http.bodies import MAX_ANONYMOUS_BYTES, MAX_USUAL_BYTES
from chatkeep.http.strict_json import MAX_STRUCTURE_BYTES, parse_json
from tests.connections.raw import Raw, connected
from tests.http.test_bodies import code_of
from tests.support.process import serving
from tests.support.running_service import Person, RunningService, register, running

CONVERSATIONS = "/api/v1/conversations"
JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024
OPEN = ("/api/v1/auth/register", "/api/v1/auth/login")
SIGNED_IN = (CONVERSATIONS, "/api/v1/auth/tokens", f"{CONVERSATIONS}/01a20323-d964-7552-bee7-94cc04303d2d/turns")
FOR_CHATSTREAM = ("/chat_stream", "/set_feedback")

# The beginning of a file in a form; in every other place it is only bytes.
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

# A megabyte each, which costs the parser or whoever looks at its values as much as it can.
HEAVY = {
    "objects": b'{"metadata":{"a":[' + b"{}," * (MEGABYTE // 3 - 20) + b"{}]}}",
    "lists": b"[" + b"[]," * (MEGABYTE // 3 - 20) + b"[]]",
    "numbers": b"[" + b"1," * (MEGABYTE // 2 - 20) + b"1]",
    "names": b"{" + b",".join(b'"%x":1' % n for n in range(90_000)) + b"}",
    "texts": b"[" + b'"",' * (MEGABYTE // 3 - 20) + b'""]',
    "depth": b"[" * MEGABYTE,
    "quotes": b'"' * MEGABYTE,
    "escapes": b'"' + rb"\"" * (MEGABYTE // 2 - 1),
    "backslashes": b'{"a":"' + b"\\" * (MEGABYTE - 11) + b'"}',
    "long numbers": b"[" + b",".join([b"9" * 4000] * 250) + b"]",
}


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


async def streamed(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 8192):
        yield body[start : start + 8192]


def both_ways(body: bytes) -> Iterator[bytes | AsyncIterator[bytes]]:
    """With its length said before, and in pieces."""
    yield body
    yield streamed(body)


@pytest.mark.parametrize("path", OPEN)
async def test_what_strangers_may_call_takes_16_kb(service: RunningService, path: str) -> None:
    for body in both_ways(b'{"username":"' + b"x" * MAX_ANONYMOUS_BYTES + b'"}'):
        answer = await service.client().post(path, content=body, headers=JSON)
        assert code_of(answer, 413) == "body_too_large"


@pytest.mark.parametrize("path", SIGNED_IN)
async def test_of_strangers_no_more_than_16_kb_is_read(service: RunningService, path: str) -> None:
    """They are told to sign in before anything is wrong with what they send: it was not looked at."""
    for body in both_ways(b"{" * (MAX_ANONYMOUS_BYTES + 1)):
        answer = await service.client().post(path, content=body, headers=JSON)
        assert code_of(answer, 401) == "not_authenticated"


@pytest.mark.parametrize("path", FOR_CHATSTREAM)
async def test_chatstreams_endpoints_say_so_in_their_shape(service: RunningService, path: str) -> None:
    answer = await service.client().post(path, content=b"{" * (MAX_ANONYMOUS_BYTES + 1), headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (401, "not_authenticated")


async def test_of_an_unknown_address_nothing_is_read(service: RunningService) -> None:
    async with connected(service.url, "127.0.0.1") as raw:
        await raw.send(b"POST /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n")
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 404


async def test_most_routes_take_64_kb_and_those_for_long_texts_more(person: Person) -> None:
    client = person.client
    for body in both_ways(b'{"name":"' + b"x" * MAX_USUAL_BYTES + b'"}'):
        answer = await client.post("/api/v1/auth/tokens", content=body, headers=JSON)
        assert code_of(answer, 413) == "body_too_large"
    text = "かな" * 90_000
    turn = await person.say(await person.conversation(), text)
    assert turn["prompt"]["content"] == text
    await person.conversation(system_prompt="か" * 100_000)


async def test_a_guests_first_words_may_be_long(database_url: str) -> None:
    async with running(database_url, allow_guests=True) as service:
        client = service.client()
        conversation = (await client.post(CONVERSATIONS, json={"system_prompt": "x" * 90_000})).json()
        answer = await client.post(
            f"{CONVERSATIONS}/{conversation['id']}/turns", json={"content": "y" * 90_000, "stream": False}
        )
    assert answer.status_code == 201


async def test_a_token_that_is_none_is_no_introduction(service: RunningService) -> None:
    for header in ({"Authorization": "Bearer ck_nothing"}, {"Cookie": "sid=nothing"}):
        answer = await service.client().post(CONVERSATIONS, content=b"{" * 100_000, headers=JSON | header)
        assert answer.status_code == 401


@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
def test_a_heavy_megabyte_is_refused_before_it_costs(body: bytes) -> None:
    light = b'{"content":"' + b"x" * (len(body) - 20) + b'"}'
    with pytest.raises(RequestValidationError):
        parse_json(body)
    assert _fastest(body) < 20 * _fastest(light) + 0.02


def _fastest(body: bytes) -> float:
    times = []
    for _ in range(3):
        begun = time.thread_time()
        with suppress(RequestValidationError):
            parse_json(body)
        times.append(time.thread_time() - begun)
    return min(times)


def test_texts_are_no_parts_and_blanks_neither() -> None:
    text = ',:[]{}0"\\' * 50_000
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_json(f'{{"content": "{escaped}"}}'.encode()) == {"content": text}
    assert parse_json(b" " * MEGABYTE + b"{}") == {}
    assert parse_json(b"[" + b"1," * (MAX_STRUCTURE_BYTES // 2 - 2) + b"1]")


async def test_the_refusal_says_what_is_too_much(person: Person) -> None:
    answer = await person.client.post(CONVERSATIONS, content=HEAVY["objects"][:900_000], headers=JSON)
    assert code_of(answer, 422) == "invalid_json"
    assert str(MAX_STRUCTURE_BYTES) in answer.json()["detail"]


async def test_nobody_waits_for_a_megabyte(database_url: str, tmp_path: Path) -> None:
    """From strangers and from somebody signed in; the watch over the loop would tell of 100 ms."""
    async with serving(tmp_path, database_url=database_url, log_format="json") as service:
        async with httpx2.AsyncClient(base_url=service.url, timeout=60) as client:
            for signed_in in (False, True):
                if signed_in:
                    await register(client, "alice")
                for body in HEAVY.values():
                    for path in (CONVERSATIONS, "/api/v1/auth/login"):
                        answer = await client.post(path, content=body, headers=JSON)
                        assert answer.status_code in (401, 413, 422)
        blocked = [
            line for line in service.log.splitlines() if "event_loop_blocked" in line and "POST /api/v1/c" in line
        ]
    assert blocked == []


BROKEN_OFF = (
    (CONVERSATIONS, "application/json"),
    ("/api/v1/auth/me", "application/json"),
    ("/api/v1/import", "application/octet-stream"),
    ("/api/v1/import", "application/zip"),
    ("/api/v1/import", "multipart/form-data; boundary=x"),
    ("/chat_stream", "application/json"),
    ("/api/v1/auth/login", "application/json"),
)
LENGTHS = ("Content-Length: 15000", "Transfer-Encoding: chunked")
WAYS: tuple[Callable[[Raw], None], ...] = (Raw.leave, Raw.reset)


async def test_an_upload_that_is_broken_off_is_no_error(database_url: str, tmp_path: Path) -> None:
    left = 0
    async with serving(tmp_path, database_url=database_url, log_format="json") as service:
        async with httpx2.AsyncClient(base_url=service.url, timeout=30) as client:
            await register(client, "alice")
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        for leave, (path, media_type), length in product(WAYS, BROKEN_OFF, LENGTHS):
            method = "PATCH" if path.endswith("/me") else "POST"
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n{length}\r\n"
            if not path.endswith("login"):
                head += f"Cookie: {cookie}\r\n"
            part = FORM + b'{"user_input":'
            async with connected(service.url) as raw:
                await raw.send(f"{head}Expect: 100-continue\r\n\r\n".encode())
                # Said when whoever takes the request asks for its body.
                assert await raw.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
                await raw.send(b"%x\r\n%b\r\n" % (len(part), part) if "chunked" in length else part)
                leave(raw)
            left += 1
            async with asyncio.timeout(30):
                while service.log.count("client_left") < left:
                    await asyncio.sleep(0.05)
        assert await service.end() == 0
    assert service.log.count("client_left") == left
    assert "Traceback" not in service.log
    assert '"level": "error"' not in service.log
