"""The service under a path of a host: what the middleware makes of a request, and what answers then say."""

import ipaddress
from typing import Any

import pytest
from starlette.types import Scope

from chatkeep.app import create_app
from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from chatkeep.http.root_path import path_within, with_root_path
from chatkeep.public_path import is_own_path
from tests.support.running_service import PASSWORD, running, settings_for

PROXIES = (ipaddress.ip_network("127.0.0.1/32"),)


def scope_of(path: str, *prefixes: str, root_path: str = "", peer: str = "127.0.0.1") -> Scope:
    headers = [(b"x-forwarded-prefix", each.encode("latin-1")) for each in prefixes]
    return {"type": "http", "path": path, "root_path": root_path, "headers": headers, "client": (peer, 4711)}


@pytest.mark.parametrize(
    ("scope", "configured", "root_path", "path"),
    [
        (scope_of("/docs"), "", "", "/docs"),
        # By the setting: taken off by the proxy, or left on.
        (scope_of("/docs"), "/chat", "/chat", "/docs"),
        (scope_of("/chat/docs"), "/chat", "/chat", "/docs"),
        (scope_of("/chat"), "/chat", "/chat", "/"),
        (scope_of("/chat/"), "/chat", "/chat", "/"),
        (scope_of("/chat_stream"), "/chat", "/chat", "/chat_stream"),
        (scope_of("/a/b/docs"), "/a/b", "/a/b", "/docs"),
        # By the proxy's header.
        (scope_of("/docs", "/chat"), "", "/chat", "/docs"),
        (scope_of("/docs", "/chat/"), "", "/chat", "/docs"),
        (scope_of("/chat/docs", "/chat"), "", "/chat", "/docs"),
        (scope_of("/docs", "/"), "", "", "/docs"),
        (scope_of("/docs", "/a", "/b"), "", "/a/b", "/docs"),
        (scope_of("/docs", "/a, /b"), "", "/a/b", "/docs"),
        (scope_of("/docs", "/docs"), "", "/docs", "/docs"),
        # The setting is the whole; nobody adds to it.
        (scope_of("/docs", "/other"), "/chat", "/chat", "/docs"),
        # Mounted in another application, whose path has the prefix in it.
        (scope_of("/chat/docs", root_path="/chat"), "", "/chat", "/docs"),
        (scope_of("/chat", root_path="/chat"), "", "/chat", "/"),
        (scope_of("/chat/chat/docs", root_path="/chat"), "", "/chat", "/chat/docs"),
        (scope_of("/chat/docs", "/tools", root_path="/chat"), "", "/tools/chat", "/docs"),
        (scope_of("/chat/docs", "/chat", root_path="/chat"), "", "/chat", "/docs"),
        (scope_of("/inner/docs", root_path="/inner"), "/chat", "/chat", "/docs"),
        # Servers of old left the prefix out of the path.
        (scope_of("/docs", root_path="/chat/"), "", "/chat", "/docs"),
        # Nobody who may say so, or nothing that may be said.
        (scope_of("/docs", "/chat", peer="203.0.113.7"), "", "", "/docs"),
        (scope_of("/docs", "//evil.example"), "", "", "/docs"),
        (scope_of("/docs", "https://evil.example"), "", "", "/docs"),
        (scope_of("/docs", "/a/../b"), "", "", "/docs"),
        (scope_of("/docs", "/a;Domain=example.org"), "", "", "/docs"),
        (scope_of("/docs", '/a"><script>'), "", "", "/docs"),
        (scope_of("/docs", "/" + "a" * 300), "", "", "/docs"),
        (scope_of("/docs", "/ab", "/" + "a" * 255), "", "", "/docs"),
    ],
)
def test_a_request_says_where_the_service_is_and_what_is_asked_of_it(
    scope: Scope, configured: str, root_path: str, path: str
) -> None:
    found = with_root_path(scope, configured, PROXIES)
    assert (found["root_path"], found["path"], path_within(found)) == (root_path, root_path + path, path)
    assert with_root_path(found, configured, PROXIES) == found


@pytest.mark.parametrize("value", ["/chat", "/chat/", " /chat ", "/a/b.c", "/~alice/chat", "/", ""])
def test_the_setting_takes_a_path(value: str) -> None:
    assert Settings.read(root_path=value).root_path == value.strip().rstrip("/")


@pytest.mark.parametrize(
    "value", ["chat", "//chat", "/chat//x", "/../chat", "/chat?x", "https://example.org/chat", "/ж"]
)
def test_the_setting_refuses_what_is_no_path(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CHATKEEP_ROOT_PATH: .*a path such as /chat"):
        Settings.read(root_path=value)


@pytest.mark.parametrize("value", ["/api", "/docs", "/c", "/account", "/static", "/v1/"])
def test_a_prefix_that_is_an_address_of_the_service_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CHATKEEP_ROOT_PATH: .*Choose another, such as /chat"):
        Settings.read(root_path=value)


def test_every_address_of_the_service_is_known_as_its_own() -> None:
    routes = create_app(settings_for("postgresql://nowhere/nothing")).routes
    paths = [path for route in routes if (path := getattr(route, "path", "/")) != "/"]
    assert [path for path in paths if not is_own_path(path)] == []
    assert len(paths) > 50


@pytest.mark.parametrize(
    ("settings", "headers", "before"),
    [
        ({"root_path": "/chat"}, {}, ""),
        ({"root_path": "/chat"}, {}, "/chat"),
        ({"trusted_proxies": "127.0.0.1"}, {"X-Forwarded-Prefix": "/chat"}, ""),
    ],
    ids=["the setting, taken off", "the setting, left on", "the header"],
)
async def test_everything_that_is_sent_names_the_prefix(
    shared_database_url: str, settings: dict[str, Any], headers: dict[str, str], before: str
) -> None:
    async with running(shared_database_url, **settings) as service:
        client = service.client(headers=headers)
        name = f"user-{abs(hash((before, *headers, *settings))):x}"
        answer = await client.post(f"{before}/api/v1/auth/register", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        cookies = answer.headers.get_list("set-cookie")
        assert cookies
        assert all("; Path=/chat; HttpOnly" in cookie for cookie in cookies)
        page = (await client.get(f"{before}/")).text
        assert 'href="/chat/account"' in page
        assert 'src="/chat/static/' in page
        assert 'href="/"' not in page
        docs = (await client.get(f"{before}/docs")).text
        assert f"{service.url}/chat/api/v1/auth/me" in docs
        document = (await client.get(f"{before}/api/v1/openapi.json")).json()
        assert document["servers"] == [{"url": "/chat"}]
        missing = await client.get(f"{before}/nothing", headers={"Sec-Fetch-Mode": "navigate"})
        assert (missing.status_code, 'href="/chat/"' in missing.text) == (404, True)
        assert (await client.get(f"{before}/api/v1/nothing")).json()["code"] == "not_found"
        assert (await client.get(f"{before}/api/v1/conversations/")).status_code == (200 if before else 401)


@pytest.mark.parametrize("before", ["", "/chat"], ids=["taken off", "left on"])
async def test_streams_files_and_chatstreams_endpoints_are_under_the_prefix(
    shared_database_url: str, before: str
) -> None:
    async with running(shared_database_url, root_path="/chat") as service:
        client = service.client()
        body = {"username": f"reader{len(before)}", "password": PASSWORD}
        answer = await client.post(f"{before}/api/v1/auth/register", json=body)
        # What a browser does that sees the prefix in any case.
        client.headers["Cookie"] = "; ".join(each.partition(";")[0] for each in answer.headers.get_list("set-cookie"))
        said = await client.post(f"{before}/chat_stream", json={"user_input": "hello"})
        assert (said.status_code, "<::EOS::>" in said.text) == (200, True)
        assert "hello" in (await client.get(f"{before}/get_prompt")).text
        (conversation,) = (await client.get(f"{before}/api/v1/conversations")).json()["items"]
        turns = f"{before}/api/v1/conversations/{conversation['id']}/turns"
        stream = await client.post(turns, json={"content": "again", "stream": True})
        assert "event: done" in stream.text
        exported = await client.get(f"{before}/api/v1/export")
        assert exported.headers["content-disposition"].startswith("attachment;")
        imported = await client.post(f"{before}/api/v1/import/", content=exported.content)
        assert imported.json()["skipped"] == 1
        large = await client.post(f"{before}/api/v1/import", content=b"x" * 2_000_000)
        assert large.status_code == 422  # its own bound, not that of other bodies
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(before + probe, headers={"Host": "10.0.0.11"})).status_code == 200


async def test_the_root_of_a_host_stays_as_it_is(shared_database_url: str) -> None:
    async with running(shared_database_url) as service:
        person = await service.person()
        assert "servers" not in (await person.client.get("/api/v1/openapi.json")).json()
        assert 'href="/account"' in (await person.client.get("/")).text
