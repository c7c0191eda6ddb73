import ipaddress

import pytest
from starlette.requests import HTTPConnection

from service.http.addresses import client_address, request_scheme

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
