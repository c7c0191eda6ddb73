import ipaddress

import pytest
from starlette.requests import HTTPConnection

from chatkeep.http.addresses import client_address, parse_origin, request_host, request_scheme

PROXIES = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "127.0.0.1/32", "2001:db8:ffff::/48")]


def connection(peer: str | None, *forwarded: str, proto: str | None = None) -> HTTPConnection:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    if proto is not None:
        headers.append((b"x-forwarded-proto", proto.encode()))
    client = None if peer is None else (peer, 4711)
    return HTTPConnection(
        {"type": "http", "client": client, "headers": headers, "scheme": "http", "server": ("h", 80), "path": "/"}
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.9"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["198.51.100.9,, "], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        ("10.0.0.1", ["\xe9\xff"], "10.0.0.1"),
        # A socket of IPv6 that takes IPv4 too.
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("::ffff:203.0.113.7", ["198.51.100.9"], "203.0.113.7"),
        ("2001:db8:ffff::1", ["2001:DB8:0:0::9"], "2001:db8::9"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("10.0.0.1", ["fe80::1%" + "x" * 500], "fe80::1"),
        ("a socket's path", [], "unknown"),
        (None, ["198.51.100.9"], "unknown"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_trusted_proxy(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert client_address(connection(peer, *forwarded), PROXIES) == address


def test_without_trusted_proxies_nothing_forwarded_is_believed() -> None:
    asked = connection("10.0.0.1", "198.51.100.9", proto="https")
    assert client_address(asked, []) == "10.0.0.1"
    assert request_scheme(asked, []) == "http"


@pytest.mark.parametrize(
    ("peer", "proto", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", "HTTPS", "https"),
        ("10.0.0.1", "gopher", "http"),
        ("203.0.113.7", "https", "http"),
        (None, "https", "http"),
    ],
)
def test_a_trusted_proxy_says_how_it_was_asked(peer: str | None, proto: str, scheme: str) -> None:
    assert request_scheme(connection(peer, proto=proto), PROXIES) == scheme


def asked(peer: str, **headers: str) -> HTTPConnection:
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "http", "client": (peer, 4711), "headers": named, "scheme": "http", "server": ("h", 80), "path": "/"}
    )


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({"host": "Chat.example.org"}, "chat.example.org"),
        ({"host": "chat:8443"}, "chat:8443"),
        ({"host": "127.0.0.1:8000", "x_forwarded_host": "chat.example.org:8443"}, "chat.example.org:8443"),
        # The nearest proxy's word is the last; before it may be the client's.
        ({"host": "inner", "x_forwarded_host": "evil.example, chat.example.org"}, "chat.example.org"),
        ({"host": "chat", "x_forwarded_port": "8443"}, "chat:8443"),
        ({"host": "chat", "x_forwarded_port": "443", "x_forwarded_proto": "https"}, "chat"),
        ({"host": "chat", "x_forwarded_port": "80"}, "chat"),
        ({"host": "chat", "x_forwarded_port": "443"}, "chat:443"),
        ({"host": "chat:8443", "x_forwarded_port": "443"}, "chat:8443"),
        ({"host": "[::1]", "x_forwarded_port": "8443"}, "[::1]:8443"),
        ({"host": "[::1]:8443", "x_forwarded_port": "443"}, "[::1]:8443"),
        ({"host": "chat", "x_forwarded_port": "nonsense"}, "chat"),
        ({"host": "chat", "x_forwarded_host": ""}, "chat"),
        ({"host": "inner", "forwarded": 'for=192.0.2.1;proto=https;host="chat:8443"'}, "chat:8443"),
        ({"host": "inner", "forwarded": "host=evil.example, For=1.2.3.4; Host=chat"}, "chat"),
        ({"host": "inner", "forwarded": "host=other", "x_forwarded_host": "chat"}, "chat"),
        ({"host": "inner", "forwarded": "for=192.0.2.1"}, "inner"),
        ({}, ""),
    ],
)
def test_the_host_is_what_the_client_asked_for_as_a_trusted_proxy_says(headers: dict[str, str], host: str) -> None:
    assert request_host(asked("10.0.0.1", **headers), PROXIES) == host
    assert request_host(asked("203.0.113.7", **headers), PROXIES) == headers.get("host", "").lower()


def test_a_proxy_may_say_how_it_was_asked_in_the_standards_words() -> None:
    assert request_scheme(asked("10.0.0.1", forwarded="for=192.0.2.1;proto=HTTPS"), PROXIES) == "https"
    assert request_scheme(asked("203.0.113.7", forwarded="proto=https"), PROXIES) == "http"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://chat.example.org", "https://chat.example.org:443"),
        ("http://chat.example.org:80", "HTTP://Chat.Example.org"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
    ],
)
def test_origins_know_the_ports_of_their_schemes(one: str, other: str) -> None:
    assert parse_origin(one) == parse_origin(other) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "chat.example.org",
        "ftp://chat",
        "https://",
        "https://a b",
        "https://a/",
        "https://u@a",
        "https://a:b",
        "https://a:123456",
        "https://a https://b",
        "https://::1",
        "https://a?x",
        "https://a\n",
    ],
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None
