"""Limits on a connection before, around and instead of a request, asked of a running `chatkeep serve`."""

import asyncio
import json
import time

import httpx2
import psutil
import pytest

from tests.connections.conftest import BODY_SECONDS, HEAD_SECONDS, PER_ADDRESS, PROXY
from tests.connections.raw import Answer, Raw, asked, connected, new_address
from tests.support.process import ServeProcess
from tests.support.running_service import PASSWORD

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
# For a machine that is busy with other things.
PATIENCE_SECONDS = 30


def post(fields: bytes, body: bytes = b"") -> bytes:
    return POST + fields + b"\r\n" + body


async def alive(service: ServeProcess) -> bool:
    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as client:
        return (await client.get("/healthz")).status_code == 200


def assert_complete(answer: Answer, status: int, code: str) -> None:
    """Check that a refusal has what every answer of the service has."""
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.problem.keys() == {"type", "title", "status", "detail", "code"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


# The head


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 66_000,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 66_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 66_000,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"x" * 66_000,
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"".join(b"X%d: %s\r\n" % (n, b"y" * 900) for n in range(80)) + b"\r\n",
        b"\r\n" * 40_000,
        b"GET /healthz?" + b"a&" * 1_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
    ids=["value", "whole value", "address", "name", "fields", "sum", "empty lines", "parameters"],
)
async def test_a_head_of_more_than_64_kb_or_100_fields_is_431(served: ServeProcess, head: bytes) -> None:
    assert_complete(await asked(served.url, head), 431, "head_too_large")


@pytest.mark.parametrize("size", [100, 60_000])
async def test_a_large_head_within_the_limit_is_read(served: ServeProcess, size: int) -> None:
    async with connected(served.url) as raw:
        await raw.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: ")
        for _ in range(0, size, 100):
            await raw.send(b"x" * 100)
        await raw.send(b"\r\n\r\n")
        answer = await raw.answer()
        assert answer is not None
        assert answer.status == 200


async def test_an_endless_header_costs_neither_memory_nor_time(served: ServeProcess) -> None:
    process = psutil.Process(served.pid)
    memory, processor = process.memory_info().rss, sum(process.cpu_times()[:2])
    async with connected(served.url) as raw:
        await raw.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: ")
        try:
            for _ in range(480):
                await raw.send(b"x" * 100_000)
        except ConnectionError:
            pass
    assert await alive(served)
    assert process.memory_info().rss - memory < 8_000_000
    assert sum(process.cpu_times()[:2]) - processor < 2


TWO_WAYS = {
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "the same host twice": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "another host in the address": b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2 in words": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz HTTP/0.9\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"),
    "the same length twice": post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "a list of lengths": post(b"Content-Length: 2, 2\r\n", b"{}"),
    "a signed length": post(b"Content-Length: +2\r\n", b"{}"),
    "an endless length": post(b"Content-Length: 99999999999999999999999\r\n", b"{}"),
    "length and coding": post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "coding and length": post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n"),
    "two codings": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "a coding twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunked is not last": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "a coding with a tab": post(b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"),
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "line feeds alone": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "one line feed alone": b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "a carriage return alone": b"GET /healthz HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "a folded line": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n",
    "a blank before the colon": b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a blank line first": b"GET /healthz HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n",
    "a field without a name": b"GET /healthz HTTP/1.1\r\n" + HOST + b": y\r\n\r\n",
    "U+0000": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "bytes that are not ASCII in the address": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method that is none": b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "line feeds around pieces": post(b"Transfer-Encoding: chunked\r\n", b"2\n{}\n0\n\n"),
    "a line feed after a piece": post(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\n0\r\n\r\n"),
    "a blank after a size": post(b"Transfer-Encoding: chunked\r\n", b"2 \r\n{}\r\n0\r\n\r\n"),
    "a line feed in an extension": post(b"Transfer-Encoding: chunked\r\n", b"2;a\nb\r\n{}\r\n0\r\n\r\n"),
    "0x": post(b"Transfer-Encoding: chunked\r\n", b"0x2\r\n{}\r\n0\r\n\r\n"),
    "an endless piece": post(b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\nx"),
    "an upgrade with a body": post(b"Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", b"{}"),
}


@pytest.mark.parametrize("data", TWO_WAYS.values(), ids=TWO_WAYS)
async def test_what_two_readers_could_read_in_two_ways_is_400(served: ServeProcess, data: bytes) -> None:
    assert_complete(await asked(served.url, data), 400, "bad_request")


@pytest.mark.parametrize("data", TWO_WAYS.values(), ids=TWO_WAYS)
async def test_nothing_is_read_after_what_was_refused(served: ServeProcess, data: bytes) -> None:
    answer = await asked(served.url, data + GET + GET)  # `first_row` checks that it is the only one
    assert answer.status == 400


async def test_a_field_after_the_body_is_no_header(shared_database_url: str, served: ServeProcess) -> None:
    """It would be seen by whatever looks at headers late, and no proxy takes it out of there."""
    body = b"2\r\n{}\r\n0\r\nX-Request-ID: planted\r\nCookie: sid=planted\r\n\r\n"
    async with connected(served.url) as raw:
        await raw.send(post(b"Transfer-Encoding: chunked\r\n", body) + GET)
        first, second = await raw.answer(), await raw.answer()
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (422, 200)
    assert "planted" not in (first.headers["x-request-id"], second.headers["x-request-id"])


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"\r\n" + GET,
    ],
    ids=["HTTP/1.0", "a whole address", "an offer of HTTP/2", "an offer of a WebSocket", "an empty line first"],
)
async def test_odd_requests_that_are_right_are_answered(served: ServeProcess, data: bytes) -> None:
    async with connected(served.url) as raw:
        await raw.send(data)
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 200


# Deadlines


async def test_a_head_that_does_not_end_in_time_is_408(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(GET[:-2])
        assert_complete(await raw.refused(), 408, "request_timeout")


async def test_a_byte_now_and_then_does_not_lengthen_the_time(served: ServeProcess) -> None:
    async def drip(number: int) -> None:
        async with connected(served.url) as raw:
            await raw.send(GET[:-2] + b"X: ")
            try:
                while not await raw.is_open(0.2):
                    return
                for _ in range(int(PATIENCE_SECONDS / 0.2)):
                    await raw.send(b"x")
                    if not await raw.is_open(0.2):
                        return
            except ConnectionError:
                return
            raise AssertionError("still open")

    await asyncio.gather(*(drip(number) for number in range(50)))


async def test_a_connection_that_asks_nothing_ends_without_a_word(served: ServeProcess) -> None:
    async with connected(served.url) as raw, asyncio.timeout(HEAD_SECONDS + PATIENCE_SECONDS):
        assert await raw.rest() == b""


async def test_between_requests_a_connection_may_wait(served: ServeProcess) -> None:
    """Proxies keep connections for a minute; empty lines after a body are no beginning of a request."""
    async with connected(served.url) as raw:
        await raw.send(GET + b"\r\n")
        assert (await raw.answer()) is not None
        assert await raw.is_open(2 * HEAD_SECONDS)
        await raw.send(GET)
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("fields", [b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_stops_coming_is_408(served: ServeProcess, fields: bytes) -> None:
    async with connected(served.url) as raw:
        await raw.send(post(fields, b"2\r\n{}"))
        assert_complete(await raw.refused(), 408, "request_timeout")


async def test_a_body_that_hardly_comes_is_408(served: ServeProcess) -> None:
    async with connected(served.url) as raw, asyncio.timeout(PATIENCE_SECONDS):
        await raw.send(post(b"Content-Length: 10000\r\n"))
        while await raw.is_open(0.1):  # the first byte of the answer is taken here
            await raw.send(b" ")
        assert b"request_timeout" in await raw.rest()


async def test_a_slow_body_that_comes_is_read(served: ServeProcess) -> None:
    piece, count = b" " * 1500, 3 * BODY_SECONDS
    async with connected(served.url) as raw:
        await raw.send(post(b"Content-Length: %d\r\n" % (len(piece) * count + 2)))
        for _ in range(count):
            await raw.send(piece)
            await asyncio.sleep(1)
        await raw.send(b"{}")
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 422  # it was read: there is no name in it


async def test_pieces_with_more_around_them_than_in_them_are_refused(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(post(b"Transfer-Encoding: chunked\r\n"))
        try:
            await raw.send(b"1;" + b"x" * 400_000 + b"\r\n ")
        except ConnectionError:
            return
        assert (await raw.refused()).problem["code"] == "bad_request"


async def test_pieces_of_one_byte_are_read(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(post(b"Transfer-Encoding: chunked\r\n", b"1\r\n \r\n" * 10_000 + b"2\r\n{}\r\n0\r\n\r\n"))
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 422


async def test_small_pieces_without_end_are_refused(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(post(b"Transfer-Encoding: chunked\r\n", b"1\r\n \r\n" * 20_000 + b"2\r\n{}\r\n0\r\n\r\n"))
        assert (await raw.refused()).problem["code"] == "bad_request"


@pytest.mark.parametrize(
    "fields",
    [b"a: b\r\n" * 30_000, b"a: b\r\n" * 102, b"".join(b"a: %s\r\n" % (b"b" * 2_000) for _ in range(40))],
    ids=["30,000 fields", "102 fields", "80 KB"],
)
async def test_fields_after_the_body_have_the_limits_of_a_head(served: ServeProcess, fields: bytes) -> None:
    """All in one piece: the parser is given what the end of the request came with."""
    async with connected(served.url) as raw:
        await raw.send(post(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n" + fields + b"\r\n"))
        assert_complete(await raw.refused(), 431, "head_too_large")
    assert await alive(served)


async def test_one_long_field_after_the_body_does_too(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        body = b"2\r\n{}\r\n0\r\na: " + b"b" * 200_000 + b"\r\n\r\n"
        await raw.send(post(b"Transfer-Encoding: chunked\r\n", body))
        assert_complete(await raw.refused(), 431, "head_too_large")


async def test_a_body_that_nobody_reads_is_not_read_for_ever(served: ServeProcess) -> None:
    """The answer comes at once; the connection ends when the client goes on."""
    async with connected(served.url) as raw:
        await raw.send(b"POST /nothing HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        answer = await raw.answer()
        assert answer is not None
        assert answer.status == 404
        with pytest.raises(ConnectionError):
            await _send_for_ever(raw)


async def _send_for_ever(raw: Raw) -> None:
    for _ in range(10_000):
        await raw.send(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")


# Several requests at once


async def test_a_bad_request_behind_a_good_one_leaves_its_answer_whole(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(GET + GET + b"NOTHING\r\n\r\n")
        statuses = [answer.status for answer in (await raw.answer(), await raw.answer()) if answer is not None]
        assert statuses == [200, 200]
        assert await raw.rest() == b""


async def test_a_flood_of_requests_on_one_connection_is_cut(served: ServeProcess) -> None:
    async with connected(served.url) as raw:
        await raw.send(GET * 10_000)
        count = 0
        while (each := await raw.answer()) is not None:
            assert each.status == 200
            count += 1
    assert 16 <= count < 1000


# How many


async def test_one_address_has_so_many_connections(served: ServeProcess) -> None:
    address = new_address()
    async with asyncio.TaskGroup() as group:
        all_open = asyncio.Barrier(PER_ADDRESS + 1)
        held = [group.create_task(_hold(served, address, all_open)) for _ in range(PER_ADDRESS)]
        await all_open.wait()
        async with connected(served.url, address) as raw:
            answer = await raw.refused()
            assert_complete(answer, 429, "too_many_connections")
            assert answer.headers["retry-after"]
        async with connected(served.url) as raw:  # somebody else
            await raw.send(GET)
            assert await raw.answer() is not None
        for task in held:
            task.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:  # what ended counts no more
            async with connected(served.url, address) as raw:
                await raw.send(GET)
                again = await raw.answer()
                if again is not None and again.status == 200:
                    break


async def _hold(served: ServeProcess, address: str, all_open: asyncio.Barrier) -> None:
    async with connected(served.url, address) as raw:
        await raw.send(GET)
        assert await raw.answer() is not None
        await all_open.wait()
        await asyncio.sleep(PATIENCE_SECONDS)


async def test_a_trusted_proxy_has_as_many_as_it_needs(served: ServeProcess) -> None:
    async def ask() -> int:
        async with connected(served.url, PROXY) as raw:
            await asyncio.sleep(0.5)
            await raw.send(GET)
            answer = await raw.answer()
            return answer.status if answer else 0

    assert set(await asyncio.gather(*(ask() for _ in range(4 * PER_ADDRESS)))) == {200}


# Records


async def test_refusals_are_counted_and_an_attack_does_not_fill_the_log(served: ServeProcess) -> None:
    before = served.log.count('"code": "bad_request"')
    for _ in range(30):
        await asked(served.url, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert served.log.count('"code": "bad_request"') - before <= 3
    async with httpx2.AsyncClient(base_url=served.url, timeout=30) as client:
        figures = (await client.get("/metrics")).text
    (line,) = [
        line for line in figures.splitlines() if line.startswith('chatkeep_http_refused_total{code="bad_request"}')
    ]
    assert float(line.split()[1]) >= 30
    assert "Traceback" not in served.log
    logged = [json.loads(line) for line in served.log.splitlines() if line.startswith("{")]
    assert {each["level"] for each in logged} <= {"info", "warning"}


async def test_somebody_else_is_served_meanwhile(served: ServeProcess) -> None:
    """Attacks of each kind at once, and somebody who registers."""

    async def attack(data: bytes) -> None:
        while True:
            async with connected(served.url) as raw:
                try:
                    await raw.send(data)
                    await raw.rest()
                except ConnectionError:
                    pass

    attacks = [b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000, GET * 5000, GET[:-2], post(b"Content-Length: 9\r\n")]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attack(data)) for data in attacks for _ in range(5)]
        async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as client:
            begun = time.monotonic()
            account = {"username": f"somebody-{begun}", "password": PASSWORD}
            answer = await client.post("/api/v1/auth/register", json=account)
            assert answer.status_code == 201, answer.text
        for task in tasks:
            task.cancel()
