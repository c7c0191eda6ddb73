"""The rules that every request meets, asked of running services."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from chatkeep.app.logs import shown_path
from chatkeep.app.middleware.internal_errors import InternalErrors
from chatkeep.app.openapi import OPENAPI_PATH
from chatkeep.chat.handler import PersistentRequestHandler
from tests.http.test_bodies import code_of
from tests.support.process import serving
from tests.support.running_service import PASSWORD, Person, RunningService, running

CONVERSATIONS = "/api/v1/conversations"
FRIEND = "https://chat.example.org"
STRANGER = "https://evil.example"
MAX_BYTES = 4096


class Broken(PersistentRequestHandler):
    """A request handler with a bug in it."""

    async def identify(self, request: Any) -> Any:
        raise RuntimeError("the bug saw a secret")


@pytest.fixture(scope="module")
async def guarded(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A service with a friend, a name, a small body limit and https."""
    async with running(
        shared_database_url,
        allowed_origins=f"{FRIEND},http://localhost:3000",
        allowed_hosts="chatkeep.example.org",
        max_body_bytes=MAX_BYTES,
    ) as service:
        yield service


@pytest.fixture(scope="module")
async def broken(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, handler=Broken, allowed_origins=FRIEND) as service:
        yield service


@pytest.fixture(scope="module")
async def person(guarded: RunningService) -> Person:
    return await guarded.person()


# Request ids


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "0" * 128, "01a20323-d964-7552-bee7-94cc04303d2d"])
async def test_a_sane_request_id_comes_back(guarded: RunningService, given: str) -> None:
    answer = await guarded.client().get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "<script>", "é", "0" * 129, "a;b", '"', "a/b", "{}"])
async def test_any_other_request_id_is_replaced(guarded: RunningService, given: str) -> None:
    answer = await guarded.client().get("/healthz", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    (new,) = answer.headers.get_list("x-request-id")
    assert UUID(new).version == 7


async def test_each_request_has_an_id_of_its_own(guarded: RunningService) -> None:
    client = guarded.client()
    ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


# Security headers


async def every_kind_of_answer(
    guarded: RunningService, broken: RunningService, person: Person
) -> dict[str, httpx2.Response]:
    client = guarded.client()
    preflight = {"Origin": FRIEND, "Access-Control-Request-Method": "POST"}
    conversation = f"{CONVERSATIONS}/{await person.conversation()}"
    return {
        "200": await person.client.get(CONVERSATIONS),
        "201": await person.client.post(CONVERSATIONS, json={}),
        "204": await person.client.delete(conversation),
        "stream": await person.client.post(
            f"{CONVERSATIONS}/{await person.conversation()}/turns", json={"content": "Hi", "stream": True}
        ),
        "probe": await client.get("/healthz"),
        "metrics": await client.get("/metrics"),
        "document": await client.get(OPENAPI_PATH),
        "docs": await client.get("/docs"),
        "preflight": await client.options(CONVERSATIONS, headers=preflight),
        "refused preflight": await client.options(CONVERSATIONS, headers=preflight | {"Origin": STRANGER}),
        "400": await client.get(CONVERSATIONS, headers={"Host": "evil.example"}),
        "401": await client.get(CONVERSATIONS),
        "403": await person.client.post(CONVERSATIONS, json={}, headers={"Origin": STRANGER}),
        "404": await client.get("/api/v1/nothing"),
        "405": await client.put(CONVERSATIONS),
        "413": await client.post(CONVERSATIONS, content=b"x" * (MAX_BYTES + 1)),
        "415": await person.client.post(CONVERSATIONS, content=b"x"),
        "422": await person.client.post(CONVERSATIONS, json={"x": 1}),
        "500": await broken.client().get(CONVERSATIONS),
    }


async def test_every_answer_has_the_security_headers(
    guarded: RunningService, broken: RunningService, person: Person
) -> None:
    for kind, answer in (await every_kind_of_answer(guarded, broken, person)).items():
        headers = answer.headers
        if kind.isdecimal():
            assert answer.status_code == int(kind), (kind, answer.text)
        assert headers["x-content-type-options"] == "nosniff", kind
        assert headers["x-frame-options"] == "DENY", kind
        assert headers["content-security-policy"].startswith("default-src 'none';"), kind
        assert "frame-ancestors 'none'" in headers["content-security-policy"], kind
        assert headers["referrer-policy"] == "no-referrer", kind
        assert headers["cross-origin-resource-policy"] == "same-origin", kind
        assert "camera=()" in headers["permissions-policy"], kind
        assert headers["x-request-id"], kind
        assert "strict-transport-security" not in headers, kind
        if kind != "docs":
            assert headers.get_list("cache-control") == ["no-store"], kind
        for name in headers:
            assert len(headers.get_list(name)) == 1 or name in ("set-cookie", "vary"), (kind, name)


async def test_every_error_is_a_problem(guarded: RunningService, broken: RunningService, person: Person) -> None:
    answers = await every_kind_of_answer(guarded, broken, person)
    codes = {kind: code_of(answer, answer.status_code) for kind, answer in answers.items() if answer.status_code >= 400}
    assert codes == {
        "refused preflight": "preflight_refused",
        "400": "host_not_allowed",
        "401": "not_authenticated",
        "403": "cross_site_request",
        "404": "not_found",
        "405": "method_not_allowed",
        "413": "body_too_large",
        "415": "unsupported_media_type",
        "422": "invalid_request",
        "500": "internal_error",
    }


async def test_over_https_browsers_are_told_to_come_back_by_https(shared_database_url: str) -> None:
    async with running(shared_database_url, cookie_secure=True) as service:
        answer = await service.client().get("/api/v1/nothing")
    # Without includeSubDomains: other names of the domain may have no TLS.
    assert answer.headers["strict-transport-security"] == "max-age=63072000"


# Internal errors


async def test_an_internal_error_tells_its_request_id_and_nothing_else(broken: RunningService) -> None:
    answer = await broken.client().get(CONVERSATIONS, headers={"X-Request-ID": "mine", "Origin": FRIEND})
    assert code_of(answer, 500) == "internal_error"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["access-control-allow-origin"] == FRIEND  # a page of the friend may read it, too
    for told in ("secret", "Traceback", "RuntimeError", ".py", "identify"):
        assert told not in answer.text


async def test_after_an_internal_error_the_connection_goes_on(broken: RunningService) -> None:
    client = broken.client()
    assert (await client.get(CONVERSATIONS)).status_code == 500
    assert (await client.get("/healthz")).status_code == 200


async def test_an_error_in_the_middle_of_an_answer_breaks_the_connection_off() -> None:
    sent: list[Any] = []

    async def answers_half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(RuntimeError):
        await InternalErrors(answers_half)({"type": "http", "method": "GET", "path": "/"}, None, send)  # type: ignore[arg-type]
    assert sent == ["http.response.start"]


# Hosts


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:9",
        "localhost",
        "LocalHost:8000",
        "[::1]:80",
        "chatkeep.example.org",
        "Chatkeep.Example.ORG:443",
    ],
)
async def test_known_names_are_answered(guarded: RunningService, host: str) -> None:
    assert (await guarded.client().get(CONVERSATIONS, headers={"Host": host})).status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "chatkeep.example.org.evil.example", "evilchatkeep.example.org", "localhost.evil.example"),
        *("127.0.0.1.evil", "127.0.0.2", "[::2]", "", ":8000", "user@localhost"),
        *("chatkeep.example.org:80x", "chatkeep.example.org, evil.example"),
    ],
)
async def test_other_names_are_refused_except_by_probes(guarded: RunningService, host: str) -> None:
    client = guarded.client()
    for path in (CONVERSATIONS, "/docs", OPENAPI_PATH, "/", "/healthz/"):
        assert code_of(await client.get(path, headers={"Host": host}), 400) == "host_not_allowed"
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path, headers={"Host": host})).status_code == 200


async def test_a_forwarded_host_counts_for_nothing(guarded: RunningService) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
    assert code_of(await guarded.client().get(CONVERSATIONS, headers=headers), 400) == "host_not_allowed"


async def test_names_below_another_and_ports_may_be_listed(shared_database_url: str) -> None:
    async with running(shared_database_url, allowed_hosts="*.lan,chat.example.org:8443,2001:db8::1") as service:
        client = service.client()
        for host in ("chat.lan", "a.b.lan.:8000", "chat.example.org:8443", "[2001:db8:0::1]:8000"):
            assert (await client.get(CONVERSATIONS, headers={"Host": host})).status_code == 401, host
        for host in ("lan", "chat.example.org", "chat.example.org:443", "[2001:db8::2]"):
            assert code_of(await client.get(CONVERSATIONS, headers={"Host": host}), 400) == "host_not_allowed", host


async def test_the_name_that_counts_is_the_one_that_the_browser_used(shared_database_url: str) -> None:
    settings = {"allowed_hosts": "chat.example.org", "trusted_proxies": "127.0.0.1"}
    async with running(shared_database_url, **settings) as service:  # type: ignore[arg-type]  # only settings
        client = service.client()
        for forwarded, status in (("chat.example.org", 401), ("chat.example.org:8443", 401), ("evil.example", 400)):
            answer = await client.get(CONVERSATIONS, headers={"X-Forwarded-Host": forwarded})
            assert answer.status_code == status, forwarded
        # A proxy that says nothing, with its own name for the service in `Host`.
        assert (await client.get(CONVERSATIONS)).status_code == 401


async def test_an_address_is_allowed_where_the_connection_comes_in_at_it(
    shared_database_url: str, tmp_path: Path
) -> None:
    """All of 127.0.0.0/8 is this machine, and only 127.0.0.1 is always allowed."""
    for host, addresses in (("0.0.0.0", ("127.0.0.2",)), ("::", ("127.0.0.2", "[::1]"))):
        async with serving(tmp_path, host=host, database_url=shared_database_url) as service:
            port = service.url.rpartition(":")[2]
            async with httpx2.AsyncClient(timeout=30, verify=False, trust_env=False) as client:
                for address in addresses:
                    url = f"http://{address}:{port}{CONVERSATIONS}"
                    assert (await client.get(url)).status_code == 401, url
                    for other in ("127.0.0.3", "192.168.1.20", "[::2]", "127.0.0.2.evil.example"):
                        answer = await client.get(url, headers={"Host": f"{other}:{port}"})
                        assert code_of(answer, 400) == "host_not_allowed", (url, other)
            (line,) = {line for line in service.log.splitlines() if '=192.168.1.20"' in line}
            assert '"setting": "CHATKEEP_ALLOWED_HOSTS=192.168.1.20"' in line


async def test_a_star_allows_every_name(shared_database_url: str) -> None:
    async with running(shared_database_url, allowed_hosts="*") as service:
        answer = await service.client().get(CONVERSATIONS, headers={"Host": "anything.example"})
    assert answer.status_code == 401


# Cross-site writes: (headers, passes with a cookie); {own} is the service's own origin.

CROSS_SITE = [
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "{own}"}, True),
    ({"Origin": "{own}"}, True),
    ({"Origin": FRIEND}, True),
    ({"Origin": "HTTPS://chat.EXAMPLE.org"}, True),
    ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "Cross-Site"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "{own}"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}, False),
    ({"Sec-Fetch-Site": "same-site", "Origin": STRANGER}, False),
    # A page of another host of the domain, whose Origin something on the way took out.
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "Same-Site"}, False),
    ({"Sec-Fetch-Site": "same-site", "Origin": "null"}, False),
    ({"Sec-Fetch-Site": "same-origin, same-site"}, False),
    ({"Sec-Fetch-Site": "something-new"}, False),
    ({"Origin": STRANGER}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": f"{FRIEND}.evil.example"}, False),
    ({"Origin": f"{FRIEND}:8443"}, False),
    ({"Origin": "http://chat.example.org"}, False),
    ({"Origin": "{own}.evil.example"}, False),
    ({"Origin": "http://localhost"}, False),
    ({"Origin": f"{FRIEND} {STRANGER}"}, False),
    # Default ports are the same as none.
    ({"Origin": f"{FRIEND}:443"}, True),
    # A proxy made another name of `Host`: the browser's own word counts, and only the one for the same origin.
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://outside.example.net"}, True),
    ({"Sec-Fetch-Site": "none", "Origin": "https://outside.example.net"}, False),
    # Nobody is trusted here to say by which name the service was asked.
    ({"Origin": STRANGER, "X-Forwarded-Host": "evil.example"}, False),
    ({"Origin": STRANGER, "Forwarded": "host=evil.example"}, False),
]


def named(headers: dict[str, str], service: RunningService) -> dict[str, str]:
    return {name: value.replace("{own}", service.url) for name, value in headers.items()}


@pytest.mark.parametrize(("headers", "passes"), CROSS_SITE)
async def test_writes_with_a_cookie_come_from_here_or_from_a_friend(
    guarded: RunningService, person: Person, headers: dict[str, str], passes: bool
) -> None:
    conversation = f"{CONVERSATIONS}/{await person.conversation()}"
    before = (await person.client.get(CONVERSATIONS)).json()["items"]
    for method, path in (("POST", CONVERSATIONS), ("PATCH", conversation), ("DELETE", conversation)):
        body: dict[str, object] = {"json": {}} if method != "DELETE" else {}
        answer = await person.client.request(method, path, headers=named(headers, guarded), **body)  # type: ignore[arg-type]
        if passes:
            assert answer.status_code < 300, answer.text
        else:
            assert code_of(answer, 403) == "cross_site_request"
    if not passes:
        assert (await person.client.get(CONVERSATIONS)).json()["items"] == before


@pytest.mark.parametrize("headers", [headers for headers, passes in CROSS_SITE if not passes])
async def test_reads_and_writes_without_a_cookie_come_from_anywhere(
    guarded: RunningService, person: Person, headers: dict[str, str]
) -> None:
    headers = named(headers, guarded)
    assert (await person.client.get(CONVERSATIONS, headers=headers)).status_code == 200
    token = await person.token()
    client = guarded.client(headers={"Authorization": f"Bearer {token}"})
    assert (await client.post(CONVERSATIONS, json={}, headers=headers)).status_code == 201


async def test_any_cookie_counts_and_so_does_one_beside_a_token(guarded: RunningService, person: Person) -> None:
    token = await person.token()
    headers = {"Origin": STRANGER, "Cookie": "anything=1", "Authorization": f"Bearer {token}"}
    answer = await guarded.client().post(CONVERSATIONS, json={}, headers=headers)
    assert code_of(answer, 403) == "cross_site_request"


async def test_another_site_cannot_sign_a_browser_out(guarded: RunningService, person: Person) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Content-Type": "text/plain"}
    answer = await person.client.post("/api/v1/auth/logout", content=b"", headers=headers)
    assert code_of(answer, 403) == "cross_site_request"
    assert (await person.client.get("/api/v1/auth/me")).status_code == 200


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
async def test_https_in_front_of_the_service_is_its_own_origin(person: Person, port: str) -> None:
    headers = {"Host": f"chatkeep.example.org{port}", "Origin": f"https://chatkeep.example.org{port}"}
    cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    answer = await person.client.post(CONVERSATIONS, json={}, headers=headers | {"Cookie": cookie})
    assert answer.status_code == 201, answer.text


# Cross-origin reads (CORS)


async def test_a_friend_may_send_what_the_api_takes(guarded: RunningService) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = await guarded.client().options(
            CONVERSATIONS,
            headers={
                "Origin": FRIEND,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "content-type, authorization, idempotency-key, last-event-id",
            },
        )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert method in answer.headers["access-control-allow-methods"]
        assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": STRANGER},
        {"Origin": "null"},
        {"Origin": f"{FRIEND}.evil.example"},
        {"Origin": FRIEND, "Access-Control-Request-Method": "TRACE"},
        {"Origin": FRIEND, "Access-Control-Request-Headers": "x-other"},
    ],
)
async def test_other_preflights_are_refused(guarded: RunningService, headers: dict[str, str]) -> None:
    answer = await guarded.client().options(CONVERSATIONS, headers={"Access-Control-Request-Method": "POST"} | headers)
    assert code_of(answer, 400) == "preflight_refused"
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_only_a_friend_may_read_with_the_cookie(person: Person) -> None:
    answer = await person.client.get(CONVERSATIONS, headers={"Origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    for origin in (STRANGER, "null", f"{FRIEND}.evil.example"):
        answer = await person.client.get(CONVERSATIONS, headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]


async def test_without_friends_nobody_is_told_anything(service: RunningService) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": FRIEND, "Access-Control-Request-Method": "POST"}
        answer = await service.client().request(method, CONVERSATIONS, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# Bodies


def chunks(size: int) -> Iterator[bytes]:
    yield b'{"title":"'
    for _ in range(size // 64):
        yield b"x" * 64
    yield b'"}'


async def stream(size: int) -> AsyncIterator[bytes]:
    for chunk in chunks(size):
        yield chunk


@pytest.mark.parametrize("path", [CONVERSATIONS, "/api/v1/auth/login", "/api/v1/auth/register"])
async def test_a_body_that_says_or_turns_out_to_be_too_large_is_refused(person: Person, path: str) -> None:
    json_type = {"Content-Type": "application/json"}
    whole = b"".join(chunks(MAX_BYTES))
    for content in (whole, stream(MAX_BYTES)):
        answer = await person.client.post(path, content=content, headers=json_type)
        assert code_of(answer, 413) == "body_too_large"
        assert str(MAX_BYTES) in answer.json()["detail"]


async def test_the_largest_body_is_taken(person: Person) -> None:
    conversation = f"{CONVERSATIONS}/{await person.conversation()}"
    body = b'{"system_prompt":"' + b"x" * (MAX_BYTES - 20) + b'"}'
    assert len(body) == MAX_BYTES
    answer = await person.client.patch(conversation, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    answer = await person.client.patch(conversation, content=body + b" ", headers={"Content-Type": "application/json"})
    assert code_of(answer, 413) == "body_too_large"


async def test_a_body_is_refused_before_it_is_sent(guarded: RunningService) -> None:
    host, port = guarded.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {CONVERSATIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {10**12}\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert b" 413 " in await reader.readline()
    writer.close()


# Addresses


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1",
        "/api",
        "/api/v1/conversations/x/y/z",
        "/API/v1/conversations",
        "/docs/",
        "/favicon.ico",
        "/.env",
    ],
)
async def test_an_unknown_address_is_answered_like_a_missing_resource(person: Person, path: str) -> None:
    unknown = await person.client.get(path)
    missing = await person.client.get(f"{CONVERSATIONS}/0198c0de-0000-7000-8000-000000000001")
    assert code_of(unknown, 404) == "not_found"
    assert unknown.content == missing.content


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (CONVERSATIONS, "GET, POST"),
        (f"{CONVERSATIONS}/0198c0de-0000-7000-8000-000000000001", "DELETE, GET, PATCH"),
        ("/api/v1/auth/me", "DELETE, GET, PATCH"),
        ("/api/v1/auth/login", "POST"),
        ("/api/v1/admin/users", "GET"),
        ("/metrics", "GET"),
        ("/docs", "GET"),
    ],
)
async def test_a_method_that_an_address_does_not_take_is_405_and_says_what_it_takes(
    guarded: RunningService, path: str, allow: str
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - set(allow.split(", ")):
        answer = await guarded.client().request(method, path)
        assert code_of(answer, 405) == "method_not_allowed", method
        assert answer.headers["allow"] == allow
    head = await guarded.client().head(path)
    assert (head.status_code, head.content, head.headers["allow"]) == (405, b"", allow)


async def test_a_slash_at_the_end_is_the_same_address(person: Person) -> None:
    made = await person.client.post(f"{CONVERSATIONS}/", json={"title": "x"})
    assert made.status_code == 201
    path = f"{CONVERSATIONS}/{made.json()['id']}"
    assert (await person.client.get(f"{path}/")).content == (await person.client.get(path)).content
    assert (await person.client.get(f"{path}///")).status_code == 200


async def test_nobody_is_redirected_anywhere(person: Person) -> None:
    for path in ("/", "/api/", CONVERSATIONS + "/", "//evil.example/", "/healthz/", "/docs/"):
        assert not (await person.client.get(path)).is_redirect


# What is recorded


async def test_figures_count_by_route_and_not_by_path(person: Person) -> None:
    conversation_id = await person.conversation()
    await person.client.get(f"{CONVERSATIONS}/{conversation_id}/")
    await person.client.get("/nothing/" + conversation_id)
    await person.client.request("PROPFIND", CONVERSATIONS)
    figures = (await person.client.get("/metrics")).text
    assert conversation_id not in figures
    assert 'route="/api/v1/conversations/{conversation_id}",status="200"' in figures
    assert 'route="(none)",status="404"' in figures
    assert 'method="(other)"' in figures
    assert "PROPFIND" not in figures


@pytest.mark.parametrize(
    "path", ["/a\nb", "/a\x1b[31m", "/\u2028", "/\u009b", "/\ud800x".encode("utf-8", "replace").decode(), "/é"]
)
def test_a_path_in_the_log_is_one_line_of_ascii(path: str) -> None:
    assert re.fullmatch(r"[!-~]+", shown_path(path))
    assert len(shown_path("/" + path * 1000)) < 10_000


async def test_signing_in_is_not_kept_from_a_browser_of_this_site(guarded: RunningService) -> None:
    person = await guarded.person()
    headers = {"Origin": guarded.url, "Sec-Fetch-Site": "same-origin"}
    body = {"username": person.username, "password": PASSWORD}
    assert (await person.client.post("/api/v1/auth/login", json=body, headers=headers)).status_code == 200
