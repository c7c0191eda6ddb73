"""The fuzz in short, and that it would find what it looks for."""

import random

import pytest

from tests.fuzz.checks import faults_in_log, faults_of
from tests.fuzz.fuzzing import Fuzzing
from tests.fuzz.requests import Caller, Request, Requests
from tests.fuzz.wholeness import require_whole
from tests.fuzz.wire import LATE, NOTHING, Answer, sent
from tests.support.running_service import RunningService, running

WHOLE = Request("GET /", "nobody", b"GET / HTTP/1.1\r\n\r\n", is_whole=True)
BROKEN = Request("GET /", "nobody", b"GET / HT", is_whole=False)
PROBLEM = {"content-type": "application/problem+json"}


async def test_random_requests_find_no_fault(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(database_url, head_timeout_seconds=1, body_timeout_seconds=1) as service:
        report = await Fuzzing(service, seed=7).run(300)
        await require_whole(service)
    assert report.faults == []
    assert report.sent == 300
    assert report.statuses[200] > 30, report.told()
    assert faults_in_log(caplog.text) == []


async def test_the_same_seed_sends_the_same_requests(service: RunningService) -> None:
    document = (await service.client().get("/api/v1/openapi.json")).json()
    caller = Caller("nobody", {}, {"conversation_id": ["0198c0de-0000-7000-8000-0000000c0de0"]})
    first, second = (
        [made.by(caller).payload for made in [Requests(random.Random(3), document, "127.0.0.1")] * 200] for _ in "12"
    )
    assert first == second
    assert len(set(first)) > 150


@pytest.mark.parametrize(
    ("request_", "answer", "fault"),
    [
        (WHOLE, LATE, "nothing came in time"),
        (BROKEN, LATE, "nothing came in time"),
        (WHOLE, NOTHING, "no answer"),
        (WHOLE, Answer(500, PROBLEM, b'{"code": "internal_error"}'), "500"),
        (WHOLE, Answer(502, {}, b""), "502"),
        (WHOLE, Answer(503, PROBLEM | {"retry-after": "2"}, b'{"code": "internal_error"}'), "nobody meant"),
        (WHOLE, Answer(503, PROBLEM, b'{"code": "database_unavailable"}'), "nobody meant"),
        (WHOLE, Answer(503, {"content-type": "text/html"}, b"<html>"), "nobody meant"),
        (WHOLE, Answer(422, PROBLEM, b'{"detail": "asyncpg.DataError"}'), "tells what is behind"),
    ],
)
def test_a_fault_is_found(request_: Request, answer: Answer, fault: str) -> None:
    (found,) = faults_of(request_, answer)
    assert fault in found


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (WHOLE, Answer(200, {}, b"<html>")),
        (BROKEN, NOTHING),
        (WHOLE, Answer(503, PROBLEM | {"retry-after": "2"}, b'{"code": "database_unavailable"}')),
        (WHOLE, Answer(503, {"content-type": "text/html; charset=utf-8", "retry-after": "2"}, b"<html>")),
    ],
)
def test_the_rest_is_none(request_: Request, answer: Answer) -> None:
    assert list(faults_of(request_, answer)) == []


def test_a_log_with_a_fault_is_found() -> None:
    fault = '{"method": "GET", "path": "/", "exception": "…", "event": "request_failed", "level": "error"}'
    assert faults_in_log(f'{{"event": "request"}}\n{fault}\n') == [fault]


async def test_an_answer_is_read_as_far_as_it_tells_something(service: RunningService) -> None:
    answer = await sent(service.url, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer.status == 200
    assert (await sent(service.url, b"NOT HTTP\r\n\r\n")).status == 400
