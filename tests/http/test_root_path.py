"""The service under a path of a host: what the middleware makes of a request, and what answers then say."""

import ipaddress
from typing import Any

import pytest
from starlette.types import Scope

from service.app import create_app
from service.config import Settings
from service.errors import ConfigurationError
from service.http.root_path import path_within, rooted
from tests.support.running import PASSWORD, running, settings_for

PROXIES = (ipaddress.ip_network("127.0.0.1/32"),)
OWN = ("/", "/docs", "/c/{conversation_id}", "/api/v1/search", "/account")


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
    found = rooted(scope, configured, PROXIES, OWN)
    assert (found["root_path"], found["path"], path_within(found)) == (root_path, root_path + path, path)
    assert rooted(found, configured, PROXIES, OWN) == found


@pytest.mark.parametrize("value", ["/chat", "/chat/", " /chat ", "/a/b.c", "/~alice/chat", "/", ""])
def test_the_setting_takes_a_path(value: str) -> None:
    assert Settings.read(root_path=value).root_path == value.strip().rstrip("/")


@pytest.mark.parametrize(
    "value", ["chat", "//chat", "/chat//x", "/../chat", "/chat?x", "https://example.org/chat", "/ж"]
)
def test_the_setting_refuses_what_is_no_path(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CHATKEEP_ROOT_PATH: .*a path such as /chat"):
        Settings.read(root_path=value)


@pytest.mark.parametrize("value", ["/api", "/docs", "/c", "/account", "/static"])
def test_a_prefix_that_is_an_address_of_the_service_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"CHATKEEP_ROOT_PATH is {value}, .* such as /chat"):
        create_app(settings_for("postgresql://nowhere/nothing", root_path=value)).build_middleware_stack()


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


async def test_the_root_of_a_host_stays_as_it_is(shared_database_url: str) -> None:
    async with running(shared_database_url) as service:
        person = await service.person()
        assert "servers" not in (await person.client.get("/api/v1/openapi.json")).json()
        assert 'href="/account"' in (await person.client.get("/")).text
