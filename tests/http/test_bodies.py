"""Bodies that are taken and refused, asked of the running service."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from chatkeep.http.bodies import MAX_JSON_CHARACTERS, MAX_JSON_DEPTH
from chatkeep.http.problems import MEDIA_TYPE
from tests.support.running_service import Person, RunningService

CONVERSATIONS = "/api/v1/conversations"
JSON = {"Content-Type": "application/json"}
# A day that a token may last until.
SOON = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
SOON_IN_TOKYO = f"{SOON}T09:00:00.5+09:00"


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


async def send(person: Person, body: bytes, path: str = CONVERSATIONS, method: str = "POST") -> httpx2.Response:
    return await person.client.request(method, path, content=body, headers=JSON)


def code_of(answer: httpx2.Response, status: int) -> str:
    """Return the code of a problem, and check that it is one."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem.keys() - {"errors", "turn_id"} == {"type", "title", "status", "detail", "code"}
    assert all(error.keys() == {"loc", "msg"} for error in problem.get("errors", ()))
    return str(problem["code"])


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonx",
        "text/json",
        "application/json, text/plain",
        "json",
        "",
    ],
)
async def test_a_body_of_another_media_type_is_refused(person: Person, media_type: str) -> None:
    answer = await person.client.post(CONVERSATIONS, content=b'{"title":"x"}', headers={"Content-Type": media_type})
    assert code_of(answer, 415) == "unsupported_media_type"


async def test_a_body_without_media_type_is_refused(person: Person) -> None:
    assert code_of(await person.client.post(CONVERSATIONS, content=b"{}"), 415) == "unsupported_media_type"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON ;charset=UTF-8",
        "application/merge-patch+json",
    ],
)
async def test_json_may_be_called_by_its_names(person: Person, media_type: str) -> None:
    answer = await person.client.post(CONVERSATIONS, content=b'{"title":"x"}', headers={"Content-Type": media_type})
    assert answer.status_code == 201


async def test_no_body_where_one_is_needed_is_an_invalid_request(person: Person) -> None:
    assert code_of(await person.client.post(CONVERSATIONS), 422) == "invalid_request"
    assert code_of(await send(person, b""), 422) == "invalid_request"


@pytest.mark.parametrize("body", [b"{", b'{"title": NaN}', b'{"title":"a","title":"b"}', b"\xff", b"[" * 60_000])
async def test_bad_json_is_invalid_json_on_every_method(person: Person, body: bytes) -> None:
    conversation = f"{CONVERSATIONS}/{await person.conversation()}"
    for method, path in (
        ("POST", CONVERSATIONS),
        ("PATCH", conversation),
        ("POST", f"{conversation}/turns"),
        ("DELETE", "/api/v1/auth/me"),
    ):
        assert code_of(await send(person, body, path, method), 422) == "invalid_json"


@pytest.mark.parametrize("body", [b"null", b"1", b'"text"', b"[]", b'["title"]'])
async def test_json_that_is_not_an_object_is_an_invalid_request(person: Person, body: bytes) -> None:
    assert code_of(await send(person, body), 422) == "invalid_request"


async def test_an_unknown_field_is_named(person: Person) -> None:
    answer = await person.client.post(CONVERSATIONS, json={"titel": "a secret"})
    assert code_of(answer, 422) == "invalid_request"
    assert answer.json()["errors"] == [{"loc": ["body", "titel"], "msg": "Extra inputs are not permitted"}]
    assert "secret" not in answer.text


UNKEEPABLE = [r"\u0000", r"\ud800", r"\udfff \ud83d"]


@pytest.mark.parametrize("text", UNKEEPABLE)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", CONVERSATIONS, '{"title":"%"}'),
        ("POST", CONVERSATIONS, '{"system_prompt":"%"}'),
        ("POST", CONVERSATIONS, '{"model":"%"}'),
        ("POST", CONVERSATIONS, '{"metadata":{"key":"%"}}'),
        ("POST", CONVERSATIONS, '{"metadata":{"%":1}}'),
        ("POST", CONVERSATIONS, '{"metadata":{"a":[{"b":["%"]}]}}'),
        ("POST", CONVERSATIONS, '{"params":{"stop":"%"}}'),
        ("POST", CONVERSATIONS, '{"params":{"stop":["a","%"]}}'),
        ("POST", CONVERSATIONS, '{"params":{"%":1}}'),
        ("POST", CONVERSATIONS, '{"%":1}'),
        ("PATCH", "{conversation}", '{"title":"%"}'),
        ("POST", "{conversation}/turns", '{"content":"%","stream":false}'),
        ("POST", "{conversation}/turns", '{"content":"a%b","stream":false}'),
        ("POST", "{conversation}/turns", '{"content":"a","params":{"stop":"%"},"stream":false}'),
        ("POST", "/api/v1/auth/register", '{"username":"a%","password":"tests have long passwords"}'),
        ("POST", "/api/v1/auth/register", '{"username":"abc","password":"%"}'),
        ("POST", "/api/v1/auth/login", '{"username":"%","password":"%"}'),
        ("PATCH", "/api/v1/auth/me", '{"display_name":"%"}'),
        ("PATCH", "/api/v1/auth/me", '{"email":"%@example.org"}'),
        ("POST", "/api/v1/auth/tokens", '{"name":"%"}'),
        ("POST", "/api/v1/auth/password", '{"current_password":"%","new_password":"%"}'),
    ],
)
async def test_text_that_cannot_be_kept_is_invalid_text(
    person: Person, method: str, path: str, body: str, text: str
) -> None:
    path = path.replace("{conversation}", f"{CONVERSATIONS}/{await person.conversation()}")
    assert code_of(await send(person, body.replace("%", text).encode(), path, method), 422) == "invalid_text"


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "q=%ED%A0%80", "q=%FF", "q=%C0%80"])
async def test_text_that_cannot_be_kept_is_invalid_text_in_a_query(person: Person, query: str) -> None:
    assert code_of(await person.client.get(f"{CONVERSATIONS}?{query}"), 422) == "invalid_text"


@pytest.mark.parametrize(
    "text",
    [
        "\x01\x07\x1b\x7f",
        "\r\n\t ",
        "  kept as it is  ",
        "e\u0301 \u00e9",
        "\u202e\u200b\ufeff",
        "\U0010ffff\ufffe",
        "👩‍👩‍👧",
        "<b>&amp;\\u0000",
    ],
)
async def test_every_other_text_comes_back_as_it_was_sent(person: Person, text: str) -> None:
    conversation_id = await person.conversation(title=text, system_prompt=text, metadata={text: [text, {"a": text}]})
    answer = (await person.client.get(f"{CONVERSATIONS}/{conversation_id}")).json()
    assert (answer["title"], answer["system_prompt"], answer["metadata"]) == (text, text, {text: [text, {"a": text}]})
    turn = await person.say(conversation_id, text)
    assert turn["prompt"]["content"] == text
    assert (await person.turns(conversation_id))[0]["prompt"]["content"] == text


NUMBERS: list[Any] = [
    0,
    -1,
    2**63,
    -(2**63) - 1,
    10**30,
    10**4299,
    1.5,
    1e-7,
    1e15,
    1e22,
    1.7976931348623157e308,
    5e-324,
]


@pytest.mark.parametrize("number", NUMBERS)
async def test_numbers_in_metadata_keep_their_value(person: Person, number: float) -> None:
    answer = await person.client.post(CONVERSATIONS, json={"metadata": {"number": number, "list": [number]}})
    assert answer.status_code == 201, answer.text
    read = await person.client.get(f"{CONVERSATIONS}/{answer.json()['id']}")
    for each in (answer, read):
        kept = each.json()["metadata"]["number"]
        assert kept == number or float(kept) == number
    listed = await person.client.get(CONVERSATIONS)
    assert listed.status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"metadata":{"a":1e400}}', "invalid_request"),
        ('{"metadata":{"a":[-1e999]}}', "invalid_request"),
        ('{"metadata":{"a":' + "9" * 4301 + "}}", "invalid_json"),
        ('{"params":{"temperature":1e400}}', "invalid_request"),
        ('{"params":{"seed":' + "9" * 400 + "}}", "invalid_request"),
        ('{"params":{"max_tokens":1.0}}', "invalid_request"),
        ('{"params":{"max_tokens":"1"}}', "invalid_request"),
        ('{"params":{"temperature":true}}', "invalid_request"),
        ('{"params":{"top_k":' + "9" * 4301 + "}}", "invalid_json"),
        ('{"archived":1}', "invalid_request"),
        ('{"title":1}', "invalid_request"),
    ],
)
async def test_numbers_that_cannot_be_kept_are_refused(person: Person, body: str, code: str) -> None:
    assert code_of(await send(person, body.encode()), 422) == code


@pytest.mark.parametrize("value", [1, 0, "true", "false", "yes", "", None, 1.0])
async def test_true_and_false_are_not_guessed_from_other_values(person: Person, value: object) -> None:
    conversation = f"{CONVERSATIONS}/{await person.conversation()}"
    assert code_of(await person.client.patch(conversation, json={"archived": value}), 422) == "invalid_request"


@pytest.mark.parametrize(
    "value",
    [4102444800, 4102444800.5, "4102444800", "2100-01-01", "2100-01-01T00:00:00", "2100-01-01 00:00:00Z", "tomorrow"],
)
async def test_times_are_not_guessed_from_other_values(person: Person, value: object) -> None:
    answer = await person.client.post("/api/v1/auth/tokens", json={"name": "x", "expires_at": value})
    assert code_of(answer, 422) == "invalid_request"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"{SOON}T00:00:00Z", f"{SOON}T00:00:00.000000Z"),
        (SOON_IN_TOKYO, f"{SOON}T00:00:00.500000Z"),
        (f"{SOON}t15:00:00.123456z", f"{SOON}T15:00:00.123456Z"),
        ("9999-12-31T23:59:59-00:01", None),
    ],
)
async def test_times_come_back_in_utc_with_z(person: Person, given: str, kept: str | None) -> None:
    answer = await person.client.post("/api/v1/auth/tokens", json={"name": "x", "expires_at": given})
    if kept is None:
        assert code_of(answer, 422) == "invalid_request"
    else:
        assert answer.json()["expires_at"] == kept


async def test_metadata_has_a_greatest_depth_and_size(person: Person) -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": nested(depth - 1)} if depth else {}

    assert (await person.client.post(CONVERSATIONS, json={"metadata": nested(MAX_JSON_DEPTH)})).status_code == 201
    for too_much in (nested(MAX_JSON_DEPTH + 1), nested(400), {"a": "x" * MAX_JSON_CHARACTERS}):
        answer = await person.client.post(CONVERSATIONS, json={"metadata": too_much})
        assert code_of(answer, 422) == "invalid_request"


async def test_what_is_wrong_is_told_where_and_never_quoted(person: Person) -> None:
    body = {"title": "", "params": {"temperature": 9, "stop": ["ok", 5]}, "metadata": "a secret"}
    answer = await person.client.post(CONVERSATIONS, json=body)
    places = [error["loc"] for error in answer.json()["errors"]]
    assert ["body", "title"] in places
    assert ["body", "params", "temperature"] in places
    assert ["body", "metadata"] in places
    assert "secret" not in answer.text


async def test_a_password_is_never_quoted(service: RunningService) -> None:
    for body in ({"username": "x"}, {"username": 1, "password": ["hunter2"]}, {"password": "hunter2", "hunter": 2}):
        answer = await service.client().post("/api/v1/auth/register", json=body)
        assert code_of(answer, 422) == "invalid_request"
        assert "hunter2" not in answer.text


async def test_a_body_that_ends_early_harms_nobody(service: RunningService, person: Person) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    head = f"POST {CONVERSATIONS} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await person.client.get(CONVERSATIONS)).status_code == 200
